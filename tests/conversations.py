"""Random conversations: their app, how requests look on the wire, and how a client reads answers.

What a request means is in `http_model`; this is everything about bytes. Answers are parsed by h11
as a client, which shares nothing with the server's writer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import h11
from hypothesis import strategies as st

from anylane import App, Context, HTTPError, Limits, ServerConfig, Timeouts
from anylane.testing import Lockstep
from tests.http_model import ROUTES, Ask, Reply, predict

LONG = 100_000.0
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
CONFIG = ServerConfig(
    request_timeout=LONG,
    limits=Limits(
        # As small as lets everything wait, for room or for another turn, that can.
        pipeline=150, inbound_high=40, inbound_low=10, outbound_high=100, outbound_low=20,
        pieces_per_turn=2,
    ),
    # Deadlines have tests of their own: here no client is late.
    timeouts=Timeouts(
        head=LONG, body=LONG, keep_alive=LONG, write_stall=LONG, look=LONG, linger=5
    ),
)  # fmt: skip


class OnPurpose(Exception):  # it tells in the log that the test wanted it
    """A handler of these tests fails."""


def make_app(*, panic: bool = False) -> App:  # noqa: C901  # a list of handlers
    """`http_model.ROUTES`, as handlers. panic: no exception is left to the server."""
    app = App()

    @app.response_middleware()
    async def sign(ctx: Context) -> None:
        """Say what was asked, so that a client can tell where an answer ends."""
        if getattr(ctx.state, "signed", False):
            return  # Its head is out.
        ctx.state.signed = True
        ctx.response.set_header("x-method", ctx.request.method)
        ctx.response.set_header("x-token", ctx.request.headers.get("x-token") or "-")

    if panic:

        @app.exception_handler(Exception)
        async def failed(ctx: Context, exc: Exception) -> str:
            return "500 Internal Server Error\n"

    @app.get("/plain")
    async def plain(ctx: Context) -> str:
        return f"plain {ctx.request.headers.get('x-token')}"

    @app.route("/both", ["GET", "POST"])
    async def both(ctx: Context) -> str:
        return "both"

    @app.route("/sync", ["GET", "POST"])
    def sync(ctx: Context) -> bytes:
        return ctx.call(ctx.request.body)

    @app.post("/echo")
    async def echo(ctx: Context) -> bytes:
        return await ctx.request.body()

    @app.post("/late")
    async def late(ctx: Context) -> bytes:
        await ctx.sleep(2)
        return await ctx.request.body()

    @app.route("/slow", ["GET", "POST"])
    async def slow(ctx: Context) -> str:
        await ctx.sleep(3)
        return "slow"

    @app.post("/ignore")
    async def ignore(ctx: Context) -> str:
        return "ignored"

    @app.post("/early")
    async def early(ctx: Context) -> None:
        ctx.response.set_text("early")
        await sign(ctx)
        await ctx.send()
        await ctx.sleep(1)

    @app.post("/pass")
    async def pass_on(ctx: Context) -> None:
        body = [chunk async for chunk in ctx.request.stream()]
        await sign(ctx)
        async with ctx.stream() as out:
            for chunk in body:
                await out.write(chunk)

    @app.get("/stream")
    async def stream(ctx: Context) -> None:
        await sign(ctx)
        ctx.response.set_trailer("x-t", ctx.request.headers.get("x-token") or "-")
        async with ctx.stream() as out:
            for _ in range(50):
                await out.write("one")
            await out.write("two")

    @app.get("/sized")
    async def sized(ctx: Context) -> None:
        await sign(ctx)
        async with ctx.stream(length=153) as out:
            for _ in range(50):
                await out.write("one")
            await out.write("two")

    @app.route("/nothing", ["GET", "POST"])
    async def nothing(ctx: Context) -> None:
        ctx.response.set_status(204)

    @app.get("/same")
    async def same(ctx: Context) -> None:
        ctx.response.set_status(304)

    @app.route("/raise", ["GET", "POST"])
    async def fail(ctx: Context) -> None:
        raise OnPurpose

    @app.route("/teapot", ["GET", "POST"])
    async def teapot(ctx: Context) -> None:
        raise HTTPError(418, "no coffee")

    @app.route("/goodbye", ["GET", "POST"])
    async def goodbye(ctx: Context) -> str:
        ctx.response.close_connection()
        return "goodbye"

    @app.post("/trailer")
    async def trailer(ctx: Context) -> str:
        await ctx.request.body()
        return ctx.request.trailers.get("x-t") or "none"

    return app


# -- requests ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Spelled:
    """A request and one of the ways to write it.

    spelling: how names are written. extension: behind each chunk size. first: an empty line.
    """

    ask: Ask
    spelling: str = "{}"
    extension: bytes = b""
    first: bool = False

    @property
    def head(self) -> bytes:
        ask = self.ask
        host = ["Host: a"] if ask.version == "1.1" else []
        lines = [*host, f"X-Token: {ask.token}"]
        lines += [f"Connection: {value}" for value in ask.connection]
        if ask.expects:
            lines.append("Expect: 100-Continue")
        if ask.chunks is not None:
            lines.append("Transfer-Encoding: chunked")
        elif ask.body is not None:
            lines.append(f"Content-Length: {len(ask.body)}")
        spelled = [self._spell(line) for line in lines]
        line = f"{ask.method} {ask.route} HTTP/{ask.version}"
        return b"\r\n" * self.first + "\r\n".join([line, *spelled, "", ""]).encode()

    def _spell(self, line: str) -> str:
        name, _, value = line.partition(": ")
        match self.spelling:
            case "upper":
                return f"{name.upper()}:{value}"
            case "lower":
                return f"{name.lower()}: \t{value} "
            case _:
                return line

    @property
    def body(self) -> bytes:
        ask = self.ask
        body = ask.body or b""
        if ask.chunks is None:
            return body
        out, at = [], 0
        for size in (*ask.chunks, len(body)):
            piece = body[at : at + size]
            at += size
            if piece:
                out.append(b"%x%s\r\n%s\r\n" % (len(piece), self.extension, piece))
        trailer = f"x-t: {ask.trailer}\r\n".encode() if ask.trailer is not None else b""
        return b"".join(out) + b"0" + self.extension + b"\r\n" + trailer + b"\r\n"


METHODS = st.sampled_from(["GET"] * 3 + ["POST"] * 7 + ["HEAD", "OPTIONS", "BREW"])
CONNECTION = st.sampled_from(
    [
        (), (), (), (), ("keep-alive",), ("Keep-Alive",), ("x, KEEP-ALIVE ,y",), ("foo",),
        ("",), (",", "foo"), ("close",), ("keep-alive, Close",), ("x", " ,CLOSE"),
    ]
)  # fmt: skip
EXTENSIONS = st.sampled_from([b"", b"", b";a", b";a=b;c", b';a="b;c"', b';a="\\""'])


@st.composite
def spelled(draw: Any, token: str) -> Spelled:
    method = draw(METHODS)
    fitting = [name for name, route in ROUTES.items() if method in route.methods] or list(ROUTES)
    ask = Ask(method, draw(st.sampled_from([*fitting, *fitting, "/both", "/nowhere"])), token)
    # Waiting for 100 makes sense in HTTP/1.1 and with a body only.
    expects = draw(st.sampled_from(["", "", "", "expects", "waits"])) if method == "POST" else ""
    if expects != "waits" and draw(st.integers(0, 3)) == 0:
        connection = draw(st.sampled_from([("keep-alive",), ("Keep-Alive, x",), (), ("close",)]))
        ask = replace(ask, version="1.0", connection=connection)
    else:
        ask = replace(ask, connection=draw(CONNECTION))
    if method == "POST" or draw(st.integers(0, 5)) == 0:
        body = b"<" + token.encode() + b">" + draw(st.binary(max_size=60))
        ask = replace(ask, body=b"" if not expects and draw(st.integers(0, 3)) == 0 else body)
        if ask.version == "1.1" and draw(st.booleans()):
            ask = replace(
                ask,
                chunks=tuple(draw(st.lists(st.integers(1, 30), max_size=3))),
                trailer=draw(st.sampled_from([None, token])),
            )
    ask = replace(ask, expects=bool(expects), waits=expects == "waits")
    return Spelled(
        ask,
        draw(st.sampled_from(["as is", "upper", "lower"])),
        draw(EXTENSIONS),
        draw(st.integers(0, 9)) == 0,
    )


@st.composite
def conversations(draw: Any, token: str = "t", most: int = 6) -> list[Spelled]:
    count = draw(st.integers(1, most))
    said = [draw(spelled(f"{token}{number}")) for number in range(count)]
    replies = predict(each.ask for each in said)
    # What comes behind a reply that may end the connection or not cannot be predicted.
    return said if replies[-1].stays is not None else said[: len(replies)]


# -- time, and how the network cuts ----------------------------------------------------------------

Step = tuple[str, Any]
"""("receive", bytes), ("await", None), ("advance", seconds), ("stall", None), ("resume", n)."""


@st.composite
def cut(draw: Any, data: bytes) -> list[Step]:
    """The same bytes in pieces, with time and a slow reader in between."""
    ends = sorted(draw(st.sets(st.integers(1, max(1, len(data))), max_size=6)) | {len(data)})
    steps: list[Step] = []
    start = 0
    for end in ends:
        steps.append(("receive", data[start:end]))
        start = end
        match draw(st.integers(0, 9)):
            case 0 | 1:
                steps.append(("advance", draw(st.sampled_from([0.5, 2.0, 10.0]))))
            case 2:
                steps.append(("stall", None))
            case 3:
                steps.append(("resume", draw(st.sampled_from([1, 30, None]))))
            case _:
                pass
    return steps


@st.composite
def scripts(draw: Any, said: list[Spelled]) -> list[Step]:
    """What the client of a conversation does, to its end."""
    steps: list[Step] = []
    together = b""
    for each in said:
        together += each.head
        if each.ask.waits:
            steps += draw(cut(together))
            steps.append(("await", None))
            together = b""
        together += each.body
    if together:
        steps += draw(cut(together))
    return steps


def perform(wire: Lockstep, step: Step) -> bool:
    """Do it. False: the client that waited for 100 has got something else, and gives up."""
    what, argument = step
    match what:
        case "receive":
            wire.receive(argument)
        case "advance":
            wire.advance(argument)
        case "stall":
            wire.stall()
        case "resume":
            wire.resume(argument)
        case "await":
            wire.resume()
            wire.advance(60)  # Every handler before it has answered by then, or reads.
            return wire.sent.endswith(CONTINUE)
        case "eof":
            wire.eof()
        case "lose":
            wire.lose()
        case _:
            raise AssertionError(what)
    return True


# -- answers ---------------------------------------------------------------------------------------


def parse(sent: bytes, methods: Iterator[str] | None = None) -> Iterator[Reply]:
    """The responses in it, as a client understands them. Raises h11's errors for what is none.

    methods: of the requests; by default what each response says that it answers.
    """
    while sent:
        client = h11.Connection(h11.CLIENT)
        method = next(methods) if methods is not None else _method_told(sent)
        client.send(h11.Request(method=method, target="/", headers=[("host", "a")]))
        client.send(h11.EndOfMessage())
        client.receive_data(sent)
        continues, body, head = 0, b"", None
        while True:
            event = client.next_event()
            match event:
                case h11.InformationalResponse():
                    continues += 1
                case h11.Response():
                    head = event
                case h11.Data():
                    body += bytes(event.data)
                case h11.EndOfMessage():
                    break
                case h11.NEED_DATA:
                    client.receive_data(b"")
                case _:
                    raise AssertionError(event)
        assert head is not None
        headers = dict(head.headers)
        # Until the end of the connection: then h11 has eaten all, and what h11 knows is enough.
        rest = client.trailing_data[0]
        yield Reply(
            head.status_code,
            _framing(method, head.status_code, headers),
            body,
            client.their_state is h11.DONE,
            headers.get(b"x-token", b"-").decode("latin-1"),
            dict(event.headers).get(b"x-t", b"").decode("latin-1") or None,
            (continues,),
        )
        assert len(rest) < len(sent)
        sent = rest


def _method_told(sent: bytes) -> str:
    head, _, _ = sent.removeprefix(CONTINUE).partition(b"\r\n\r\n")
    told = re.search(rb"\r\nx-method: ([^\r]*)", head)
    return told[1].decode() if told is not None else "GET"


def _framing(method: str, status: int, headers: dict[bytes, bytes]) -> str:
    if method == "HEAD" or status in (204, 304):
        return "none"
    if b"transfer-encoding" in headers:
        return "chunked"
    return "length" if b"content-length" in headers else "close"


def assert_as_predicted(seen: list[Reply], predicted: list[Reply]) -> None:
    assert [each.status for each in seen] == [each.status for each in predicted]
    for got, due in zip(seen, predicted, strict=True):
        assert got.framing == due.framing, due
        assert due.body is None or got.body == due.body, due
        assert due.stays is None or got.stays is due.stays, due
        assert got.trailer == due.trailer, due
        assert got.continues[0] in due.continues, due
        assert got.token in (due.token, "-"), due
