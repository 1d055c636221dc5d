"""StaticFiles and FileResponse: what they are given, and what they answer in memory."""

from __future__ import annotations

import errno
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anylane import App, Context, ServerConfig, UsageError
from anylane.contrib import FileResponse, StaticFiles
from anylane.contrib.files.content_types import media_type, media_types
from anylane.contrib.files.opening import open_file
from anylane.contrib.files.sent_file import CHUNK, Asked, Reader, Representation
from anylane.contrib.files.static_files import HASHED
from anylane.http.headers import Headers
from anylane.testing import Lockstep, TestClient


@pytest.fixture
def public(tmp_path: Path) -> Path:
    folder = tmp_path / "public"
    folder.mkdir()
    (folder / "a.txt").write_text("hello")
    (tmp_path / "secret.txt").write_text("secret")
    return folder


def client_of(files: StaticFiles, prefix: str = "/static") -> TestClient:
    app = App()
    app.mount(prefix, files)
    return TestClient(app)


# --- what cannot work is refused where it is written ---------------------------------------------


STATIC: Any = StaticFiles  # What is given here no type checker would let pass.
FILE: Any = FileResponse


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda at: STATIC(at / "nothing"), "does not exist; make it, or give the path from"),
        (lambda at: STATIC(at / "a.txt"), "which is no directory"),
        (lambda at: STATIC(None), "StaticFiles got None; expected the path of a directory"),
        (lambda at: STATIC(b"/tmp"), "expected the path of a directory"),
        (lambda at: STATIC(at, index="../x.html"), "index has '../x.html'"),
        (lambda at: STATIC(at, index=["a", ""]), "index has ''"),
        (lambda at: STATIC(at, index=["a/b"]), "index has 'a/b'"),
        (lambda at: STATIC(at, index=[1]), "index has 1"),
        (lambda at: STATIC(at, cache_control="a\r\nb"), "cache-control"),
        (lambda at: STATIC(at, immutable="("), "immutable is '('; expected a regular"),
        (lambda at: STATIC(at, types={"md": "text/x"}), "types has the ending 'md'"),
        (lambda at: STATIC(at, types={".tar.gz": "a/b"}), "types has the ending '.tar.gz'"),
        (lambda at: STATIC(at, types={".md": "text"}), "types has 'text' for .md"),
        (lambda at: STATIC(at, types={".md": "a/b\n"}), "content-type"),
        (lambda at: STATIC(at, types=[".md"]), "types is "),
        (lambda at: FILE(None), "FileResponse got None; expected the path of a file"),
        (lambda at: FILE(3), "FileResponse got 3"),
        (lambda at: FILE("a", content_type="a\nb"), "content-type"),
        (lambda at: FILE("a", cache_control="a\nb"), "cache-control"),
    ],
)
def test_what_cannot_work_is_refused(
    make: Callable[[Path], object], message: str, public: Path
) -> None:
    with pytest.raises(UsageError) as caught:
        make(public)
    assert message in str(caught.value)


def test_a_directory_that_may_not_be_read_is_refused(
    public: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # Root may read all.
    with pytest.raises(UsageError, match="which this process may not read"):
        StaticFiles(public)


def test_a_relative_directory_stays_where_it_was(
    public: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(public.parent)
    with client_of(StaticFiles("public")) as client:
        monkeypatch.chdir("/")
        assert client.get("/static/a.txt").text == "hello"


# --- options -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "fixed"),
    [
        ("app.3f2a9c1b.js", True),
        ("app-3f2a9c1b77d0.css", True),
        ("index.0a1b2c3d4e5f60718293a4b5c6d7e8f9.chunk.js.map", True),
        ("app.js", False),
        ("app-settings.js", False),
        ("report-20260130.pdf", False),
        ("deadbeef.js", False),
        ("x.deadbeef.js", False),
        ("app.3f2a9c1.js", False),
        ("app.3F2A9C1B.js", False),
        ("app3f2a9c1b.js", False),
        ("app.3f2a9c1b", False),
    ],
)
def test_names_that_never_change(name: str, fixed: bool, public: Path) -> None:
    (public / name).write_text("x")
    with client_of(StaticFiles(public)) as client:
        value = client.get(f"/static/{name}").headers["cache-control"]
    assert value == ("public, max-age=31536000, immutable" if fixed else "no-cache")


def test_cache_control_and_names_of_your_own(public: Path) -> None:
    (public / "lib-BQx3kd_1.js").write_text("x")
    files = StaticFiles(public, cache_control="max-age=60", immutable=r"-[\w-]{8}\.js$")
    with client_of(files) as client:
        assert client.get("/static/a.txt").headers["cache-control"] == "max-age=60"
        assert "immutable" in client.get("/static/lib-BQx3kd_1.js").headers["cache-control"]
    with client_of(StaticFiles(public, cache_control=None, immutable=None)) as client:
        assert "cache-control" not in client.get("/static/a.txt").headers
    assert HASHED


def test_an_index_of_your_own_or_none(public: Path) -> None:
    (public / "index.html").write_text("html")
    (public / "home.htm").write_text("home")
    (public / "home.htm.gz").write_bytes(b"gz")
    (public / "default.txt").mkdir()
    for index, body in (("index.html", "html"), (["default.txt", "home.htm"], "home")):
        with client_of(StaticFiles(public, index=index)) as client:
            assert client.get("/static/").text == body
            moved = client.get("/static", follow_redirects=False)
            assert (moved.status, moved.headers["location"]) == (307, "./static/")
    with client_of(StaticFiles(public, index=None)) as client:
        assert client.get("/static/").status == 404
        assert client.get("/static").status == 404
    with client_of(StaticFiles(public, index="home.htm"), "/") as client:
        gzip = client.get("/", headers={"accept-encoding": "gzip"})
        assert gzip.headers["content-encoding"] == "gzip"
        assert gzip.headers["content-type"] == "text/html; charset=utf-8"


def test_hidden_files_links_and_types_where_they_are_wanted(public: Path) -> None:
    (public / ".env").write_text("hidden")
    (public / "out").symlink_to("../secret.txt")
    (public / "a.glb").write_text("x")
    files = StaticFiles(public, hidden=True, follow_links=True, types={".GLB": "model/gltf-binary"})
    with client_of(files) as client:
        assert client.get("/static/.env").text == "hidden"
        assert client.get("/static/out").text == "secret"
        assert client.get("/static/a.glb").headers["content-type"] == "model/gltf-binary"
        assert client.get("/static/..%2fsecret.txt").status == 404


def test_without_what_was_compressed_in_advance(public: Path) -> None:
    (public / "a.txt.gz").write_text("gz")
    with client_of(StaticFiles(public, precompressed=False)) as client:
        answer = client.get("/static/a.txt", headers={"accept-encoding": "gzip"})
        assert answer.text == "hello"
        assert "vary" not in answer.headers


def test_what_stands_for_a_compressed_file_and_is_none(public: Path) -> None:
    # A folder, a link out of the directory: the next best is sent.
    (public / "a.txt.br").mkdir()
    (public / "a.txt.zst").symlink_to("../secret.txt")
    (public / "a.txt.gz").write_bytes(b"gz")
    with client_of(StaticFiles(public)) as client:
        answer = client.get("/static/a.txt", headers={"accept-encoding": "br, zstd, gzip"})
        assert answer.content == b"gz"
        answer = client.get("/static/a.txt", headers={"accept-encoding": "br, zstd"})
        assert (answer.content, answer.headers["vary"]) == (b"hello", "accept-encoding")
        assert "content-encoding" not in answer.headers


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("index.html", "text/html; charset=utf-8"),
        ("STYLE.CSS", "text/css; charset=utf-8"),
        ("app.js", "text/javascript; charset=utf-8"),
        ("app.mjs", "text/javascript; charset=utf-8"),
        ("data.json", "application/json"),
        ("image.svg", "image/svg+xml"),
        ("font.woff2", "font/woff2"),
        ("code.wasm", "application/wasm"),
        ("notes.md", "text/markdown; charset=utf-8"),
        ("archive.tar.gz", "application/gzip"),
        ("page.html.br", "application/x-brotli"),
        ("unknown.xyzzy", "application/octet-stream"),
        ("README", "application/octet-stream"),
        (".html", "application/octet-stream"),
        ("dot.", "application/octet-stream"),
    ],
)
def test_media_types(name: str, kind: str) -> None:
    assert media_type(name) == kind


def test_added_types_change_no_others() -> None:
    assert media_type("a.md", media_types({".md": "text/x-own; charset=latin-1"})) == (
        "text/x-own; charset=latin-1"
    )
    assert media_type("a.md") == "text/markdown; charset=utf-8"


# --- paths ---------------------------------------------------------------------------------------

PIECES = (
    "..", ".", "/", "\\", "%2e", "%2E", "%2f", "%5c", "%00", "%c0%ae", "%252e", "a.txt",
    "secret.txt", "public", "x", "~", ":", "%", "%ff", ";", "?", "etc", "passwd",
)  # fmt: skip


@given(pieces=st.lists(st.sampled_from(PIECES), max_size=12))
def test_no_spelling_of_a_path_leads_out(pieces: list[str], tmp_path_factory: Any) -> None:
    base: Path = tmp_path_factory.getbasetemp() / "spelled"
    (base / "public" / "x").mkdir(parents=True, exist_ok=True)
    (base / "public" / "a.txt").write_text("hello")
    (base / "secret.txt").write_text("secret")
    app = App()
    app.mount("/static", StaticFiles(base / "public"))
    wire = Lockstep(app)
    target = "/static/" + "".join(pieces)
    wire.receive(f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    status = int(wire.sent.split(b" ")[1])
    assert status in (200, 404), target
    assert b"secret" not in wire.sent
    if status == 200:
        assert wire.sent.endswith(b"\r\n\r\nhello")


def test_a_redirect_never_names_another_host(public: Path) -> None:
    (public / "evil.example").mkdir()
    (public / "evil.example" / "index.html").write_text("x")
    for prefix in ("/", "/s"):
        app = App()
        app.mount(prefix, StaticFiles(public))
        for path in ("//evil.example", "/%2fevil.example", "/\\evil.example", "/http:evil.example"):
            wire = Lockstep(app)
            wire.receive(f"GET {prefix.rstrip('/')}{path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            assert wire.sent.split(b" ")[1] == b"404", path
        wire = Lockstep(app)
        wire.receive(
            f"GET {prefix.rstrip('/')}/evil.example?//x HTTP/1.1\r\nHost: a\r\n\r\n".encode()
        )
        assert b"location: ./evil.example/?//x\r\n" in wire.sent


# --- failures ------------------------------------------------------------------------------------


def failing(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    original = os.open

    def fail(path: Any, *args: Any, **options: Any) -> int:
        if str(path) == "a.txt":
            raise OSError(code, os.strerror(code), path)
        return original(path, *args, **options)

    monkeypatch.setattr(os, "open", fail)


def test_what_may_not_be_read_is_404_and_a_line(
    public: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = App()
    app.mount("/static", StaticFiles(public))
    wire = Lockstep(app)
    failing(monkeypatch, errno.EACCES)
    for _ in range(30):
        wire.receive(b"GET /static/a.txt HTTP/1.1\r\nHost: a\r\n\r\n")
    assert wire.sent.count(b"HTTP/1.1 404 ") == 30
    assert b"ermission" not in wire.sent
    lines = [each.message for each in wire.log]
    assert "/static/a.txt was answered with 404: [Errno 13] Permission denied: 'a.txt'" in lines[0]
    assert len(lines) == 10  # As many lines in a second as clients may cause.


def test_a_failure_of_the_system_is_a_500_and_a_line(
    public: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = App()
    app.mount("/static", StaticFiles(public))
    wire = Lockstep(app)
    failing(monkeypatch, errno.EMFILE)
    wire.receive(b"GET /static/a.txt HTTP/1.1\r\nHost: a\r\n\r\n")
    assert wire.sent.startswith(b"HTTP/1.1 500 ")
    assert b"Too many open files" not in wire.sent
    assert "Too many open files" in wire.log[0].message


def test_a_class_instead_of_an_object_is_a_mistake_that_is_named(public: Path) -> None:
    app = App()

    @app.get("/")
    async def forgot(ctx: Context) -> Any:
        return FileResponse

    wire = Lockstep(app)
    wire.receive(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert wire.sent.startswith(b"HTTP/1.1 500 ")
    assert "returned a type" in wire.log[0].message


# --- what a download costs -----------------------------------------------------------------------


def test_a_slow_reader_costs_one_piece_and_one_descriptor(public: Path) -> None:
    size = 40 * CHUNK
    with (public / "large.bin").open("wb") as file:
        file.truncate(size)
    app = App()
    app.mount("/static", StaticFiles(public))
    config = ServerConfig()
    wire = Lockstep(app, config)
    wire.receive(b"GET /static/a.txt HTTP/1.1\r\nHost: a\r\n\r\n")
    wire.take()
    before = len([*Path("/proc/self/fd").iterdir()])
    tracemalloc.start()
    try:
        wire.stall()
        wire.receive(b"GET /static/large.bin HTTP/1.1\r\nHost: a\r\n\r\n")
        held, _ = tracemalloc.get_traced_memory()
        assert held < config.limits.outbound_high + CHUNK + 50_000
        assert len([*Path("/proc/self/fd").iterdir()]) == before + 1
        got = len(wire.take())
        while got < size // 2:
            wire.resume(64 * 1024)
            got += len(wire.take())  # The wire keeps what it has sent.
            held, _ = tracemalloc.get_traced_memory()
            assert held - got < config.limits.outbound_high + CHUNK + 50_000
    finally:
        tracemalloc.stop()
    wire.resume()
    assert got + len(wire.take()) > size
    assert len([*Path("/proc/self/fd").iterdir()]) == before


def test_a_client_that_goes_on_asking_for_ranges_gets_no_more_than_the_file(public: Path) -> None:
    (public / "large.bin").write_bytes(bytes(1_000_000))
    app = App()
    app.mount("/static", StaticFiles(public))
    for asked in (
        ",".join(["0-"] * 16),
        ",".join(f"{n}-" for n in range(16)),
        ",".join(f"-{n}" for n in range(1, 17)),
        ",".join(f"{60_000 * n}-{60_000 * n + 59_998}" for n in range(16)),
    ):
        wire = Lockstep(app)
        wire.receive(
            f"GET /static/large.bin HTTP/1.1\r\nHost: a\r\nRange: bytes={asked}\r\n\r\n".encode()
        )
        assert wire.sent.startswith(b"HTTP/1.1 206 ")
        assert len(wire.sent) < 1_000_000 + 4096


def test_a_file_that_was_given_up_is_not_opened_any_more(public: Path) -> None:
    # Its exchange has ended while the step that opens it waited for a thread.
    headers = Headers([("host", "a")])
    asked = Asked("GET", headers, plain=False, etag=None, now=0.0, boundary=lambda: "b")
    opened: list[str] = []

    def find() -> Representation:
        opened.append("a.txt")
        return Representation(file=open_file(str(public / "a.txt")), content_type="text/plain")

    reader = Reader(find, asked)
    reader.close()
    assert [*reader] == []
    assert opened == []


def test_the_paths_of_files_can_be_asked_for(public: Path) -> None:
    app = App()
    app.mount("/static", StaticFiles(public), name="static")
    assert app.path_for("static", path="docs/a b.txt") == "/static/docs/a%20b.txt"


# --- what a handler adds -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("may.pdf", 'attachment; filename="may.pdf"'),
        ("a b.pdf", 'attachment; filename="a b.pdf"'),
        ("ä.pdf", "attachment; filename=\"a.pdf\"; filename*=UTF-8''%C3%A4.pdf"),
        ('a"b.pdf', "attachment; filename=\"a_b.pdf\"; filename*=UTF-8''a%22b.pdf"),
        ("a\r\nb.pdf", 'attachment; filename="a__b.pdf"'),
        ("../../a.pdf", 'attachment; filename="a.pdf"'),
        ("50%.pdf", "attachment; filename=\"50_.pdf\"; filename*=UTF-8''50%25.pdf"),
    ],
)
def test_a_file_is_saved_by_a_name(name: str, value: str, public: Path) -> None:
    app = App()

    @app.get("/")
    async def saved(ctx: Context) -> FileResponse:
        return FileResponse(public / "a.txt", filename=name)

    with TestClient(app) as client:
        answer = client.get("/")
    assert answer.headers["content-disposition"] == value
    assert answer.headers["content-type"] == "application/pdf"


def test_what_the_handler_has_set_stays(public: Path) -> None:
    app = App()

    @app.get("/")
    def own(ctx: Context) -> FileResponse:
        ctx.response.set_header("ETag", '"own"').set_header("cache-control", "private")
        ctx.response.set_header("content-type", "text/x-own").add_header("vary", "cookie")
        return FileResponse(public / "a.txt")

    with TestClient(app) as client:
        answer = client.get("/")
        assert answer.headers["etag"] == '"own"'
        assert answer.headers["cache-control"] == "private"
        assert answer.headers["content-type"] == "text/x-own"
        assert client.get("/", headers={"if-none-match": '"own"'}).status == 304
        parts = client.get("/", headers={"range": "bytes=0-0,2-2"})
        assert parts.headers["content-type"].startswith("multipart/byteranges")


def test_an_answer_of_your_own_is_an_object_with_respond() -> None:
    class Teapot:
        async def respond(self, ctx: Context) -> None:
            ctx.response.set_status(418).set_text("short and stout")

    class Sync:
        def respond(self, ctx: Context) -> None:
            raise AssertionError("it is not called")

    app = App()

    @app.get("/async")
    async def teapot(ctx: Context) -> Teapot:
        return Teapot()

    @app.get("/def")
    def brewed(ctx: Context) -> Teapot:
        return Teapot()

    @app.get("/sync")
    async def sync(ctx: Context) -> Any:
        return Sync()

    with TestClient(app) as client:
        for path in ("/async", "/def"):
            answer = client.get(path)
            assert (answer.status, answer.text) == (418, "short and stout")
        assert client.get("/sync").status == 500
        assert "an object with `async def respond(ctx)`" in client.log[-1].message


def test_the_answer_to_a_failed_condition_is_described_as_itself_and_not_as_the_file(
    public: Path,
) -> None:
    """Neither with the coding of what was compressed in advance nor with a year in caches."""
    name = "app.3f2a9c1b.js"
    (public / name).write_text("plain")
    (public / f"{name}.gz").write_bytes(b"packed")
    answer = client_of(StaticFiles(public)).get(
        f"/static/{name}", headers={"accept-encoding": "gzip", "if-match": '"x"'}
    )
    assert answer.status == 412
    assert "content-encoding" not in answer.headers
    assert "cache-control" not in answer.headers
    assert answer.headers["etag"].startswith('"gzip-')
    assert answer.headers["vary"] == "accept-encoding"
    assert answer.text.startswith("412")
