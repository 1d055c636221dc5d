"""Draw the table of docs/hooks.md: an app with every hook there is writes down what ran."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Awaitable, Callable

from drawn import draw

from anylane import STOP, App, Context, Stop
from anylane.testing import Lockstep

Next = Callable[[], Awaitable[None]]

HANDSHAKE = (
    b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: " + b64encode(bytes(16)) + b"\r\n"
)
SITUATIONS: dict[str, bytes] = {
    "a handler answers": b"GET /fine HTTP/1.1\r\nHost: a\r\n\r\n",
    "the first request hook returns `STOP`": b"GET /fine?stop HTTP/1.1\r\nHost: a\r\n\r\n",
    "middleware answers without `call_next`": b"GET /fine?answer HTTP/1.1\r\nHost: a\r\n\r\n",
    "the handler raises, and there is an exception handler": (
        b"GET /known HTTP/1.1\r\nHost: a\r\n\r\n"
    ),
    "it raises, and there is none": b"GET /unknown HTTP/1.1\r\nHost: a\r\n\r\n",
    "there is no such route": b"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n",
    "the request is malformed": b"nonsense\r\n\r\n",
    "a WebSocket is accepted": b"GET /socket HTTP/1.1\r\nHost: a\r\n" + HANDSHAKE + b"\r\n",
    "`STOP` before it is accepted": b"GET /socket?stop HTTP/1.1\r\nHost: a\r\n"
    + HANDSHAKE
    + b"\r\n",
}


def app_with_everything(ran: list[str]) -> App:
    """Return an app with every hook there is; each appends its name to `ran`."""
    app = App()

    @app.middleware(order=0)
    async def around(ctx: Context, call_next: Next) -> str | None:
        ran.append("middleware")
        if ctx.request.query_string == "answer":
            return "no further"
        await call_next()
        ran.append("middleware, after")
        return None

    @app.request_middleware(order=1)
    def first(ctx: Context) -> Stop | None:
        ran.append("request 1")
        return STOP if ctx.request.query_string == "stop" else None

    @app.request_middleware(order=2)
    def second(ctx: Context) -> None:
        ran.append("request 2")

    @app.response_middleware(order=1)
    def respond(ctx: Context) -> None:
        ran.append("response")

    async def own(ctx: Context, call_next: Next) -> None:
        ran.append("route's own")
        await call_next()

    @app.get("/fine", middleware=[own])
    async def fine(ctx: Context) -> str:
        ran.append("**handler**")
        ctx.background(ran.append, "background")
        return "fine"

    @app.get("/known", middleware=[own])
    async def known(ctx: Context) -> None:
        ran.append("**handler**")
        raise LookupError

    @app.get("/unknown", middleware=[own])
    async def unknown(ctx: Context) -> None:
        ran.append("**handler**")
        raise RuntimeError

    @app.websocket("/socket", middleware=[own])
    async def socket(ctx: Context) -> None:
        ran.append("**handler**")
        await ctx.accept()

    @app.exception_handler(LookupError)
    def found_nothing(ctx: Context, exc: LookupError) -> str:
        ran.append("exception handler")
        return "nothing"

    @app.request_error
    def refuse(ctx: Context) -> None:
        ran.append("request_error")

    app.on_connect(lambda ctx: ran.append("on_connect"))
    app.on_disconnect(lambda ctx: ran.append("on_disconnect"))
    return app


def what_ran(sent: bytes) -> list[str]:
    """Return what ran in one connection with one request, without the connection's own hooks."""
    ran: list[str] = []
    wire = Lockstep(app_with_everything(ran))
    wire.receive(sent)
    wire.lose()
    assert (ran[0], ran[-1]) == ("on_connect", "on_disconnect"), ran
    return ran[1:-1]


def table() -> str:
    """Return one row a situation, with what runs in it."""
    lines = ["| when | these run, in this order |", "|---|---|"]
    lines += [f"| {when} | {' → '.join(what_ran(sent))} |" for when, sent in SITUATIONS.items()]
    return "\n".join(lines)


if __name__ == "__main__":
    draw("hooks.md", {"order": table})
