"""Compression: arguments, choices, bodies that are read back, and who compresses them."""

from __future__ import annotations

import gzip
import shutil
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from importlib import import_module
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anylane import App, Context, Response, ServerConfig, UsageError
from anylane.middleware import Compression
from anylane.middleware.compression.codings import LIBRARIES, POOLED_ABOVE, load_codings
from anylane.middleware.compression.compressible import chosen, is_worth_it
from anylane.serving import Server
from anylane.testing import Lockstep, TestClient

TEXT = "again and again " * 100


ZSTD = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"


def unzstd() -> Callable[[bytes], bytes]:
    return import_module(ZSTD).ZstdDecompressor().decompress  # type: ignore[no-any-return]


def whole(coding: str, body: bytes) -> bytes:
    """A whole body as it was before; the libraries raise if its end is missing."""
    library = import_module({"gzip": "gzip", "br": "brotli", "zstd": ZSTD}[coding])
    return library.decompress(body)  # type: ignore[no-any-return]


def unbrotli() -> Callable[[bytes], bytes]:
    process = import_module("brotli").Decompressor().process

    def read(data: bytes) -> bytes:
        piece, found = process(data), b""
        while piece:  # It gives as much at a time as its buffer holds.
            found += piece
            piece = process(b"")
        return found

    return read


READERS: dict[str, Callable[[], Callable[[bytes], bytes]]] = {
    "gzip": lambda: zlib.decompressobj(16 + zlib.MAX_WBITS).decompress,
    "br": unbrotli,
    "zstd": unzstd,
}


def request(path: str, *headers: str, method: str = "GET") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: a", *headers, "", ""]).encode()


def answer_of(app: App, *headers: str, path: str = "/", method: str = "GET") -> tuple[str, bytes]:
    wire = Lockstep(app)
    wire.receive(request(path, *headers, method=method))
    head, _, body = wire.take().partition(b"\r\n\r\n")
    assert not wire.log
    return head.decode("latin-1") + "\r\n", body


def text_app(part: Compression, response: Callable[[], Any] = lambda: TEXT) -> App:
    app = App()
    app.use(part)

    @app.get("/")
    async def home(ctx: Context) -> Any:
        return response()

    return app


async def never(ctx: Context) -> bool:
    return False


# --- arguments --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"minimum": -1}, "minimum is -1; expected bytes"),
        ({"minimum": "500"}, "minimum is '500'"),
        ({"minimum": True}, "minimum is True"),
        ({"codings": []}, "got no coding"),
        ({"codings": "gzip"}, r"got codings 'gzip'; expected a list: \['gzip'\]"),
        ({"codings": 5}, "got codings 5"),
        ({"codings": [["gzip"]]}, r"the coding \['gzip'\]"),
        ({"levels": ["gzip"]}, r"got levels \['gzip'\]; expected a dict"),
        ({"codings": ["gzip", "deflate"]}, "the coding 'deflate'; expected some of 'zstd', 'br'"),
        ({"codings": [3]}, "the coding 3"),
        ({"levels": {"deflate": 3}}, "the coding 'deflate'"),
        ({"levels": {"gzip": 0}}, "the level 0 for 'gzip'; expected an int from 1 to 9"),
        ({"levels": {"gzip": 10}}, "the level 10 for 'gzip'"),
        ({"levels": {"br": 12}}, "from 0 to 11"),
        ({"levels": {"zstd": 20}}, "from 1 to 19"),
        ({"levels": {"zstd": "3"}}, "the level '3'"),
        ({"types": "text/html"}, r"expected a list of such: \['text/html'\]"),
        ({"types": ["text"]}, "types has 'text'; expected media types"),
        ({"types": ["text/html; charset=utf-8"]}, "expected media types"),
        ({"types": ["*"]}, "expected media types"),
        ({"types": [3]}, "expected media types"),
        ({"types": 3}, "types is 3; expected a list"),
        ({"when": "never"}, "when is 'never'; expected a function"),
        ({"when": lambda: True}, r"expected a function \(ctx\)"),
        ({"when": never}, "it is an `async def`"),
    ],
)
def test_a_bad_argument_is_refused_where_the_part_is_made(
    arguments: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        Compression(**arguments)


def without(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Have these modules be missing."""
    for name in names:
        monkeypatch.setitem(sys.modules, name, None)


def test_without_the_libraries_there_is_gzip(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "brotli", "backports.zstd", "compression.zstd")
    head, body = answer_of(text_app(Compression()), "Accept-Encoding: gzip;q=0.1, br, zstd")
    assert "\r\ncontent-encoding: gzip\r\n" in head
    assert gzip.decompress(body) == TEXT.encode()


@pytest.mark.parametrize("coding", ["br", "zstd"])
def test_a_coding_that_is_asked_for_names_the_extra_that_it_needs(
    coding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    without(monkeypatch, "brotli", "backports.zstd", "compression.zstd")
    wanting: tuple[dict[str, Any], ...] = ({"codings": ["gzip", coding]}, {"levels": {coding: 3}})
    for arguments in wanting:
        with pytest.raises(UsageError, match=rf"'{coding}' needs .* 'anylane\[compression\]'"):
            Compression(**arguments)


def test_codings_and_levels_are_chosen() -> None:
    app = text_app(Compression(codings=["gzip", "br"]))
    assert "content-encoding: gzip" in answer_of(app, "Accept-Encoding: br, gzip, zstd")[0]
    assert "content-encoding: br" in answer_of(app, "Accept-Encoding: br, zstd")[0]
    assert "content-encoding" not in answer_of(app, "Accept-Encoding: zstd")[0]

    def size(level: int) -> int:
        part = Compression(codings=["gzip"], levels={"gzip": level})
        text = " ".join(str(n * n) for n in range(3000))
        return len(answer_of(text_app(part, lambda: text), "Accept-Encoding: gzip")[1])

    assert size(9) < size(1)


# --- which bodies -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "worth"),
    [
        ("text/html", True),
        ("application/json", True),
        ("application/problem+json", True),
        ("application/octet-stream", True),
        ("application/wasm", True),
        ("image/svg+xml", True),
        ("image/bmp", True),
        ("font/ttf", True),
        ("", True),
        ("image/png", False),
        ("image/avif", False),
        ("audio/mpeg", False),
        ("video/webm", False),
        ("font/woff2", False),
        ("application/zip", False),
        ("application/epub+zip", False),
        ("application/x-something+zip", False),
        ("application/pdf", False),
        ("multipart/byteranges", False),
        ("application/vnd.oasis.opendocument.text", False),
        ("text/event-stream", False),
    ],
)
def test_packed_types_are_not_worth_it(kind: str, worth: bool) -> None:
    assert is_worth_it(kind) is worth


def test_a_list_of_types_is_all_that_is_compressed() -> None:
    is_chosen = chosen(["text/*", "Application/JSON", "image/png"])
    kinds = ("text/html", "application/json", "image/png", "image/gif", "application/xml", "")
    assert [is_chosen(kind) for kind in kinds] == [True, True, True, False, False, False]
    app = text_app(Compression(types=["text/*"]), lambda: Response(TEXT, content_type="TEXT/X;a=b"))
    assert "content-encoding" in answer_of(app, "Accept-Encoding: gzip")[0]


def test_an_event_stream_by_hand_is_not_compressed_even_if_it_is_listed() -> None:
    part = Compression(types=["text/*"])
    app = text_app(part, lambda: Response(TEXT, content_type="text/event-stream"))
    assert "vary" not in answer_of(app, "Accept-Encoding: gzip")[0]


@pytest.mark.parametrize(("minimum", "size", "smaller"), [
    (500, 499, False), (500, 500, True), (0, 1, True), (0, 0, False), (1, 0, False),
])  # fmt: skip
def test_short_bodies_stay_as_they_are(minimum: int, size: int, smaller: bool) -> None:
    app = text_app(Compression(minimum), lambda: "x" * size)
    head, body = answer_of(app, "Accept-Encoding: gzip")
    assert ("content-encoding" in head) is ("vary" in head) is smaller
    assert (gzip.decompress(body) if smaller else body) == b"x" * size


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([], ["Accept-Encoding"]),
        (["Cookie"], ["Cookie, Accept-Encoding"]),
        (["Cookie", "Origin"], ["Cookie, Origin, Accept-Encoding"]),
        (["accept-encoding"], ["accept-encoding"]),
        (["Cookie, ACCEPT-ENCODING"], ["Cookie, ACCEPT-ENCODING"]),
        (["*"], ["*"]),
    ],
)
def test_vary_names_accept_encoding_once(before: list[str], after: list[str]) -> None:
    headers = [("vary", value) for value in before]
    app = text_app(Compression(), lambda: Response(TEXT, headers=headers))
    for accepted in ("gzip", "identity"):
        head, _ = answer_of(app, f"Accept-Encoding: {accepted}")
        values = [line[6:] for line in head.split("\r\n") if line.startswith("vary: ")]
        assert values == after


@pytest.mark.parametrize(
    ("etag", "expected"),
    [
        ('"x"', '"x-gzip"'),
        ('""', '"-gzip"'),
        ('W/"x"', 'W/"x"'),
        ("x", "x"),
        ('"', '"'),
    ],
)
def test_strong_tags_get_the_coding_behind_them(etag: str, expected: str) -> None:
    app = text_app(Compression(), lambda: Response(TEXT, headers={"etag": etag}))
    assert f"\r\netag: {expected}\r\n" in answer_of(app, "Accept-Encoding: gzip")[0]
    assert f"\r\netag: {etag}\r\n" in answer_of(app)[0]


def test_a_predicate_leaves_routes_out() -> None:
    app = App()
    app.use(Compression(when=lambda ctx: ctx.request.path != "/secret"))

    @app.get("/{name}")
    async def each(ctx: Context) -> str:
        return TEXT

    assert "content-encoding" in answer_of(app, "Accept-Encoding: gzip", path="/open")[0]
    head, body = answer_of(app, "Accept-Encoding: gzip", path="/secret")
    assert "vary" not in head and body == TEXT.encode()


def test_a_predicate_that_fails_is_a_logged_500() -> None:
    def broken(ctx: Context) -> bool:
        raise ValueError("no")

    wire = Lockstep(text_app(Compression(when=broken)))
    for _ in range(2):
        wire.receive(request("/", "Accept-Encoding: gzip"))
        assert wire.take().startswith(b"HTTP/1.1 500 ")
        assert "Compression.body" in wire.log[0].message
    assert not wire.closing


def test_one_part_on_a_route_and_two_on_top_of_each_other_compress_once() -> None:
    app = App()
    app.use(Compression(codings=["gzip"]))

    @app.get("/", middleware=[Compression(codings=["br"])])
    async def home(ctx: Context) -> str:
        return TEXT

    head, body = answer_of(app, "Accept-Encoding: gzip, br")
    assert head.count("content-encoding") == 1
    assert whole("br", body) == TEXT.encode()


# --- conditions -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "headers", "seen"),
    [
        ("PUT", {"If-Match": '"a-gzip"'}, {"if-match": '"a"'}),
        ("PUT", {"If-Match": '"a-br", W/"b-br",  "c"'}, {"if-match": '"a", W/"b-br",  "c"'}),
        ("PUT", {"If-Match": '"a,b-zstd"'}, {"if-match": '"a,b"'}),
        ("PUT", {"If-Match": '"-gzip"'}, {"if-match": '""'}),
        ("PUT", {"If-Match": '"a-gzip-br"'}, {"if-match": '"a-gzip"'}),
        ("PUT", {"If-Match": '"a-deflate"'}, {"if-match": '"a-deflate"'}),
        ("PUT", {"If-Match": "a-gzip"}, {"if-match": "a-gzip"}),
        ("PUT", {"If-None-Match": '"a-gzip"'}, {"if-none-match": '"a"'}),
        ("GET", {"If-None-Match": '"a-gzip"'}, {"if-none-match": '"a"'}),
        (
            "GET",
            {"If-None-Match": '"a-gzip", "a-br"', "Accept-Encoding": "br"},
            {"if-none-match": '"a-gzip", "a"'},
        ),
        (
            "GET",
            {"If-None-Match": '"a-gzip", "a-br"', "Accept-Encoding": "*, br;q=0"},
            {"if-none-match": '"a", "a-br"'},
        ),
        ("GET", {"If-Range": '"a-gzip"', "Range": "bytes=1-"}, {"if-range": '"a"', "range": None}),
        ("GET", {"If-Range": '"a"', "Range": "bytes=1-"}, {"if-range": '"a"', "range": "bytes=1-"}),
    ],
)
def test_our_suffixes_are_taken_off_the_tags_of_requests(
    method: str, headers: dict[str, str], seen: dict[str, str | None]
) -> None:
    app = App()
    app.use(Compression())
    found: dict[str, str | None] = {}

    @app.route("/", methods=["GET", "PUT"])
    async def home(ctx: Context) -> None:
        for name in seen:
            found[name] = ctx.request.headers.get(name)
        assert ctx.request.headers["host"] == "a"
        for name, value in headers.items():
            assert ctx.request.sent_headers[name] == value

    answer_of(app, *(f"{name}: {value}" for name, value in headers.items()), method=method)
    assert found == seen


OPAQUE = st.text("!#ab-,~\xe9", max_size=6)


@given(st.lists(st.tuples(OPAQUE, st.sampled_from([*LIBRARIES, ""])), min_size=1, max_size=4))
@settings(max_examples=50, deadline=None)
def test_what_is_put_on_a_tag_is_taken_off_again(tags: list[tuple[str, str]]) -> None:
    seen: list[str] = []
    app = App()
    app.use(Compression())

    @app.put("/")
    async def home(ctx: Context) -> None:
        seen.append(ctx.request.headers["if-match"])

    suffixed = ", ".join(f'"{tag}-{coding}"' if coding else f'"{tag}"' for tag, coding in tags)
    wire = Lockstep(app)
    wire.receive(request("/", f"If-Match: {suffixed}", method="PUT").decode().encode("latin-1"))
    assert seen == [", ".join(f'"{tag}"' for tag, _ in tags)]


# --- bytes ------------------------------------------------------------------------------------

CHUNKS = st.lists(st.tuples(st.binary(max_size=300), st.sampled_from([1, 1, 1, 50, 5000])),
                  max_size=6)  # fmt: skip


@given(CHUNKS, st.sampled_from(tuple(LIBRARIES)))
@settings(max_examples=60, deadline=None)
def test_what_was_sent_piece_by_piece_is_read_piece_by_piece(
    chunks: list[tuple[bytes, int]], coding: str
) -> None:
    transform = load_codings((coding,), {}, "a test")[coding]()
    read, sent = READERS[coding](), b""
    for piece, times in chunks:
        coded = transform.feed(piece * times) + transform.flush()
        assert read(coded) == piece * times
        sent += coded
    assert whole(coding, sent + transform.finish()) == b"".join(p * times for p, times in chunks)


@given(st.lists(st.text(max_size=200), max_size=5), st.sampled_from(tuple(LIBRARIES)), st.data())
@settings(max_examples=40, deadline=None)
def test_what_is_streamed_is_read_back_wherever_the_bytes_are_cut(
    pieces: list[str], coding: str, data: st.DataObject
) -> None:
    app = text_app(Compression(), lambda: iter(pieces))
    head, body = answer_of(app, f"Accept-Encoding: {coding}")
    assert f"content-encoding: {coding}" in head
    coded = b"".join(chunks_of(body))
    at = data.draw(st.integers(0, len(coded)))
    read = READERS[coding]()
    assert b"".join(map(read, filter(None, (coded[:at], coded[at:])))) == "".join(pieces).encode()


def chunks_of(body: bytes) -> Iterator[bytes]:
    while True:
        size, _, body = body.partition(b"\r\n")
        if not int(size, 16):
            return
        yield body[: int(size, 16)]
        body = body[int(size, 16) + 2 :]


def test_equal_bodies_become_equal_bytes() -> None:
    for coding in LIBRARIES:
        start = load_codings(None, {}, "a test")[coding]
        one, two = (each.feed(b"body") + each.finish() for each in (start(), start()))
        assert one == two


# --- servers ----------------------------------------------------------------------------------


@contextmanager
def serving(app: App, backend: str) -> Generator[tuple[str, int]]:
    """A server with the app, and its address."""
    server = Server(app, ServerConfig(port=0), backend=backend)
    server.start()
    server.wait_ready()
    try:
        host, port = server.addresses[0][:2]
        yield str(host), int(port)
    finally:
        server.shutdown()
        server.wait()


@pytest.mark.parametrize("backend", ["asyncio", "threads"])
def test_large_bodies_are_compressed_in_the_pool_and_small_ones_where_they_are(
    backend: str,
) -> None:
    class Noting:
        """A transform that notes the thread in which it works."""

        pooled_above = POOLED_ABOVE

        def __init__(self) -> None:
            self._size = 0

        def feed(self, chunk: bytes) -> bytes:
            self._size = len(chunk)
            threads[self._size] = threading.get_ident()
            return chunk

        def flush(self) -> bytes:
            return b""

        def finish(self) -> bytes:
            assert threads[self._size] == threading.get_ident()
            return b""

    class Part:
        def body(self, ctx: Context) -> Noting:
            homes.append(threading.get_ident())
            return Noting()

    threads: dict[int, int] = {}
    homes: list[int] = []
    app = App()
    app.use(Part())

    @app.get("/{size:int}")
    async def of_size(ctx: Context) -> bytes:
        return b"x" * int(ctx.params["size"])

    @app.get("/sent")
    async def sent(ctx: Context) -> None:
        ctx.response.set_body(b"y" * (POOLED_ABOVE + 2))
        await ctx.send()

    with TestClient(app, backend=backend) as client:
        for path in (f"/{POOLED_ABOVE}", f"/{POOLED_ABOVE + 1}", "/sent"):
            assert client.get(path).status == 200
    assert threads[POOLED_ABOVE] == homes[0]
    if backend == "asyncio":
        assert threads[POOLED_ABOVE + 1] != homes[1]
        assert threads[POOLED_ABOVE + 2] != homes[2]


def test_many_threads_may_use_one_part_at_once() -> None:
    app = App()
    app.use(Compression())

    @app.get("/{n:int}")
    def each(ctx: Context) -> str:
        return f"{ctx.params['n']} " * 30_000

    wrong: list[int] = []

    def ask(number: int) -> None:
        connection = HTTPConnection(host, port, timeout=30)
        for n in range(5):
            coding = codings[n % 3]
            connection.request("GET", f"/{number}", headers={"Accept-Encoding": coding})
            answer = connection.getresponse()
            body = whole(coding, answer.read())
            if (answer.headers["content-encoding"], body) != (coding, b"%d " % number * 30_000):
                wrong.append(number)
        connection.close()

    codings = tuple(LIBRARIES)
    with serving(app, "threads") as (host, port):
        workers = [threading.Thread(target=ask, args=(n,)) for n in range(6)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    assert wrong == []


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
@pytest.mark.parametrize("path", ["whole", "pieces"])
def test_curl_reads_what_is_compressed(path: str) -> None:
    app = App()
    app.use(Compression())

    @app.get("/whole")
    async def whole(ctx: Context) -> str:
        return TEXT

    @app.get("/pieces")
    async def pieces(ctx: Context) -> Iterator[str]:
        return iter([TEXT, TEXT])

    with serving(app, "asyncio") as (host, port):
        done = subprocess.run(
            ["curl", "--silent", "--compressed", "--include", f"http://{host}:{port}/{path}"],
            capture_output=True,
            timeout=30,
            check=True,
        )
    head, _, body = done.stdout.partition(b"\r\n\r\n")
    assert b"\r\ncontent-encoding: " in head
    assert body == TEXT.encode() * (2 if path == "pieces" else 1)


def test_several_ranges_vary_as_one_does() -> None:
    """They are of what would have been compressed, so a cache must not mix them up either."""
    app = App()
    app.use(Compression())

    @app.get("/{kind}")
    def ranges(ctx: Context) -> bytes:
        ctx.response.set_status(206)
        if ctx.params["kind"] == "one":
            ctx.response.set_header("content-type", "text/plain")
            ctx.response.set_header("content-range", "bytes 0-1/9000")
        else:
            ctx.response.set_header("content-type", "multipart/byteranges; boundary=x")
        return b"ab"

    client = TestClient(app)
    for kind in ("one", "several"):
        answer = client.get(f"/{kind}", headers={"accept-encoding": "gzip"})
        assert answer.headers["vary"] == "Accept-Encoding", kind
        assert "content-encoding" not in answer.headers
