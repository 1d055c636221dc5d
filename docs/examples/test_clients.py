"""Real clients on every backend: curl, httpx, httpx2, websockets, and sockets used by hand.

The conversations of docs/curl.md are had again on each lane and have to be the page's.
"""

from __future__ import annotations

import gzip
import json
import re
import shutil
import socket
import ssl
from collections.abc import Generator
from types import ModuleType

import httpx
import httpx2
import pytest
from transcripts import PAGE, TRANSCRIPTS, Place, block, curl, page_app, servers
from websockets.exceptions import ConnectionClosedOK, InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from anylane import App, Broadcast, Context, HTTPError

LARGE = 10_000_000
"""Bytes: more than any kernel holds for a client that does not read."""

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


def app_of_the_page_and_more() -> App:
    app = page_app()
    room: Broadcast[str] = Broadcast()

    @app.get("/large")
    async def large(ctx: Context) -> None:
        async with ctx.stream(length=LARGE) as out:
            for _ in range(LARGE // 100_000):
                await out.write(100_000 * b"x")

    @app.get("/zipped")
    async def zipped(ctx: Context) -> bytes:
        assert "gzip" in (ctx.request.headers.get("accept-encoding") or "")
        ctx.response.set_header("content-encoding", "gzip").set_header("content-type", "text/plain")
        return gzip.compress(b"unzipped\n")

    @app.post("/length")
    async def length(ctx: Context) -> dict[str, object]:
        headers = ctx.request.headers
        framing = headers.get("transfer-encoding") or headers.get("content-length")
        return {"framing": framing, "read": len(await ctx.request.body())}

    @app.get("/half-closed")
    async def half_closed(ctx: Context) -> bool:
        while not ctx.half_closed:
            await ctx.sleep(0.005)
        return ctx.half_closed

    @app.websocket("/chat", subprotocols=["chat"])
    async def chat(ctx: Context) -> None:
        with room.subscribe() as subscription:
            ws = await ctx.accept()
            async for source, item in ctx.select(ws, subscription):
                if source is ws:
                    room.send(item)
                else:
                    await ws.send(item)

    @app.websocket("/closed-club")
    async def closed_club(ctx: Context) -> None:
        raise HTTPError(403, "members only")

    return app


@pytest.fixture(params=["asyncio", "uvloop", "anyio", "trio", "curio", "threads"], scope="module")
def place(request: pytest.FixtureRequest) -> Generator[Place]:
    with servers(request.param, app_of_the_page_and_more()) as opened:
        yield opened


# --- curl ------------------------------------------------------------------------------------


@needs_curl
@pytest.mark.parametrize("name", TRANSCRIPTS)
def test_curl_sees_what_the_page_shows(place: Place, name: str) -> None:
    text = PAGE.read_text(encoding="utf-8")
    shown = text.partition(f"<!-- {name}:begin -->\n")[2].partition(f"\n<!-- {name}:end -->")[0]
    assert block(place, name) == shown, "run `make lines`, if that is how it should be"


@needs_curl
def test_curl_with_a_slow_hand_gets_everything(place: Place) -> None:
    command = "curl --limit-rate 20M -o slow.bin -w '%{http_code} %{size_download}'"
    assert curl(place, f"{command} {place.url}/large") == f"200 {LARGE}"
    assert (place.folder / "slow.bin").read_bytes() == LARGE * b"x"
    # Whoever reads from curl has something else to do first.
    assert curl(place, f"curl -N {place.url}/large | {{ sleep 0.2; wc -c; }}").strip() == str(LARGE)


@needs_curl
def test_curl_that_leaves_in_the_middle_disturbs_nobody(place: Place) -> None:
    assert len(curl(place, f"curl {place.url}/large | head -c 100")) >= 100
    assert "Hello, curl!" in curl(place, f"curl {place.url}/hello/curl")


@needs_curl
def test_curl_is_answered_in_the_middle_of_an_upload_that_is_too_large(place: Place) -> None:
    upload = "curl -H Expect: -o /dev/null -w '%{http_code}' -T"
    assert curl(place, f"{upload} large.bin {place.url}/files/a.bin") == "413"
    assert curl(place, f"cat large.bin | {upload} - {place.url}/files/a.bin") == "413"


@needs_curl
def test_curl_unpacks(place: Place) -> None:
    assert curl(place, f"curl --compressed {place.url}/zipped") == "unzipped\n"


@needs_curl
@pytest.mark.parametrize(
    ("options", "framing"),
    [
        ("--data-binary @large.body", "2000000"),
        ("--data-binary @large.body -H 'Transfer-Encoding: chunked'", "chunked"),
        ("--http1.0 --data-binary @large.body", "2000000"),
        ("-X POST -T large.body", "2000000"),
    ],
)
def test_curl_uploads_are_framed_as_the_client_likes(
    place: Place, options: str, framing: str
) -> None:
    (place.folder / "large.body").write_bytes(bytes(2_000_000))
    answer = json.loads(curl(place, f"curl {options} {place.url}/length"))
    assert answer == {"framing": framing, "read": 2_000_000}


@needs_curl
def test_curl_keeps_its_connection_over_tls_and_across_an_upload(place: Place) -> None:
    for url in (place.url, f"--cacert authority.pem {place.tls}"):
        options, _, base = url.rpartition(" ")
        command = f"curl {options} -w '%{{num_connects}},' -o /dev/null -o /dev/null -o /dev/null"
        urls = f"{base}/hello/one {base}/length {base}/countdown"
        assert curl(place, f"{command} --data-binary @small.txt -X POST {urls}") == "1,0,0,"


@needs_curl
def test_curl_does_not_trust_a_stranger(place: Place) -> None:
    assert "certificate" in curl(place, f"curl {place.tls}/secure")
    assert '"https"' in curl(place, f"curl --cacert authority.pem {place.tls}/secure")


# --- httpx, httpx2 ---------------------------------------------------------------------------


@pytest.mark.parametrize("library", [httpx, httpx2], ids=lambda library: library.__name__)
def test_httpx(place: Place, library: ModuleType) -> None:
    with library.Client(base_url=place.url) as client:
        assert client.get("/hello/w%C3%B6rld").json() == {"message": "Hello, wörld!"}
        assert client.post("/echo", json=[1, None]).json() == {"you sent": [1, None]}
        files = {"photo": ("sea.png", b"\x89PNG", "image/png")}
        answer = client.post("/form", data={"title": "Sea"}, files=files).json()
        assert answer == {"title": "Sea", "photo": ["sea.png", "image/png", 4]}
        chunks = iter([b"in ", b"pieces"])
        assert client.post("/length", content=chunks).json() == {"framing": "chunked", "read": 9}
        with client.stream("GET", "/countdown") as response:
            assert list(response.iter_lines()) == ["3", "2", "1"]
        assert client.get("/login", follow_redirects=True).text == "a friend"
        assert client.get("/nowhere").status_code == 404


@pytest.mark.parametrize("library", [httpx, httpx2], ids=lambda library: library.__name__)
def test_httpx_over_tls_and_a_unix_socket(place: Place, library: ModuleType) -> None:
    trust = ssl.create_default_context(cafile=place.folder / "authority.pem")
    with library.Client(verify=trust) as client:
        assert client.get(f"{place.tls}/secure").json()["scheme"] == "https"
    transport = library.HTTPTransport(uds=str(place.folder / "app.sock"))
    with library.Client(transport=transport) as client:
        assert client.get("http://localhost/hello/uds").json() == {"message": "Hello, uds!"}


# --- websockets ------------------------------------------------------------------------------


def test_websockets(place: Place) -> None:
    url = place.url.replace("http", "ws") + "/chat"
    with connect(url, subprotocols=[Subprotocol("chat")]) as one, connect(url) as two:
        assert (one.subprotocol, two.subprotocol) == ("chat", None)
        assert two.ping().wait(10)
        for message in ("hello", "żółw", 200_000 * "x", b"\x00\xff"):
            one.send(message)
            assert one.recv(timeout=10) == message
            assert two.recv(timeout=10) == message
        one.send(["frag", "men", "ted"])
        assert two.recv(timeout=10) == "fragmented"
        one.close(4001, "bye")
        assert one.close_code == 4001
        two.close()
        with pytest.raises(ConnectionClosedOK):
            two.recv(timeout=10)


def test_websockets_is_refused_with_the_answer_of_the_handler(place: Place) -> None:
    with pytest.raises(InvalidStatus) as refused:
        connect(place.url.replace("http", "ws") + "/closed-club")
    response = refused.value.response
    assert (response.status_code, response.body) == (403, b"403 Forbidden: members only\n")


def test_websockets_over_tls_and_a_unix_socket(place: Place) -> None:
    trust = ssl.create_default_context(cafile=place.folder / "authority.pem")
    with connect(place.tls.replace("https", "wss") + "/chat", ssl=trust) as ws:
        ws.send("secret")
        assert ws.recv(timeout=10) == "secret"


# --- sockets by hand -------------------------------------------------------------------------


def everything(client: socket.socket) -> bytes:
    client.settimeout(10)
    received = b""
    while data := client.recv(65536):
        received += data
    return received


def test_a_client_that_has_said_everything_still_gets_its_answers(place: Place) -> None:
    with socket.create_connection(("127.0.0.1", place.port)) as client:
        client.sendall(b"GET /hello/one HTTP/1.1\r\nHost: a\r\n\r\n")
        client.sendall(b"GET /half-closed HTTP/1.1\r\nHost: a\r\n\r\n")
        client.shutdown(socket.SHUT_WR)
        received = everything(client)
    assert re.findall(rb"HTTP/1\.1 (\d+)", received) == [b"200", b"200"]
    assert b'{"message":"Hello, one!"}' in received
    assert received.endswith(b"\r\n\r\ntrue")


def test_answers_come_in_the_order_of_the_questions(place: Place) -> None:
    names = [f"n{number}" for number in range(50)]
    questions = [f"GET /hello/{name} HTTP/1.1\r\nHost: a\r\n\r\n" for name in names]
    with socket.create_connection(("127.0.0.1", place.port)) as client:
        client.sendall("".join(questions).encode())
        client.shutdown(socket.SHUT_WR)
        received = everything(client)
    assert re.findall(rb"Hello, (\w+)!", received) == [name.encode() for name in names]


def test_the_answer_to_nonsense_arrives(place: Place) -> None:
    with socket.create_connection(("127.0.0.1", place.port)) as client:
        client.sendall(b"\x16\x03\x01 nonsense\r\n\r\n" + bytes(200_000))
        assert everything(client).startswith(b"HTTP/1.1 400 Bad Request\r\n")
