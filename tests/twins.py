"""The same client twice: once the express lane is open, once every byte goes to the authorities.

What is compared is everything that can be seen from outside, after each step: bytes, the end of
the connection, backpressure, the next deadline, the log; and what the handlers have seen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from unittest import mock

from anylane import App, Context, Disconnected, ServerConfig
from anylane.protocol import Closing, Connection
from anylane.protocol.any_connection import AnyConnection
from anylane.protocol.http1 import machine as http1
from anylane.protocol.timers import NEVER, Timer
from anylane.testing import Lockstep, World
from tests.conversations import Step, make_app, perform


@dataclass(frozen=True)
class Moment:
    """What is to be seen after a step.

    sent: since the last one. timers: the connection's, by name. seen: by handlers, so far.
    """

    step: Step
    went_on: bool
    sent: bytes
    closing: Closing
    ended: tuple[bool, bool, bool]
    wants_read: bool
    timers: dict[str, float]
    seen: tuple[object, ...]
    log: tuple[tuple[str, str, str], ...]


class Twins:
    """An app that tells all it sees, and a server of it in either setting."""

    def __init__(self) -> None:
        self.seen: list[object] = []
        self.app = telling_app(self.seen)

    def assert_alike(self, config: Callable[..., ServerConfig], steps: list[Step]) -> list[Moment]:
        """config: makes the settings, given `express`. Returns what was seen in both."""
        quick = self._play(config(express=True), steps)
        # Without `encode_plain` every response head is the writer's.
        with mock.patch.object(http1, "encode_plain", return_value=None):
            slow = self._play(config(express=False), steps)
        for one, other in zip(quick, slow, strict=True):
            differences = {
                name: (value, vars(other)[name])
                for name, value in vars(one).items()
                if value != vars(other)[name]
            }
            assert not differences, one.step
        return quick

    def _play(self, config: ServerConfig, steps: list[Step]) -> list[Moment]:
        self.seen.clear()
        world = World(self.app, config)
        wire = Lockstep(world=world)
        moments = []
        for step in steps:
            went_on = perform_any(wire, step)
            moments.append(self._look(wire, step, went_on))
            if not went_on:
                break
        return moments

    def _look(self, wire: Lockstep, step: Step, went_on: bool) -> Moment:
        connection = wire._driver.connection
        bound, due = connection.deadline_bound, connection.next_deadline()
        assert due is None or max(bound, wire._driver._armed) <= due, "a deadline is forgotten"
        return Moment(
            step,
            went_on,
            wire.take(),
            wire.closing,
            (wire.eof_sent, wire.reset_sent, wire.closed),
            connection.wants_read,
            deadlines(connection),
            tuple(self.seen),
            tuple((each.level, each.message, repr(each.error)) for each in wire.log),
        )


def deadlines(connection: Connection | AnyConnection) -> dict[str, float]:
    """By timer."""
    assert isinstance(connection, Connection)
    timers = zip(Timer, connection.timers.at, strict=True)
    return {timer.name: at for timer, at in timers if at != NEVER}


def perform_any(wire: Lockstep, step: Step) -> bool:
    if step[0] == "shutdown":
        wire.world.server.shutdown()
        wire.world.run()
        return True
    return perform(wire, step)


def telling_app(seen: list[object]) -> App:
    """Also `http_model.ROUTES`; seen: what all its handlers see."""
    app = make_app(panic=True)

    @app.request_middleware()
    async def tell(ctx: Context) -> None:
        head = ctx.request._exchange.head
        if head is not None:
            seen.append({name: getattr(head, name) for name in HEAD})
            assert type(head.method) is type(head.target) is bytes

    @app.route("/mirror", ["GET", "POST"])
    async def mirror(ctx: Context) -> str:
        chunks = [chunk async for chunk in ctx.request.stream()]
        request = ctx.request
        told = (request.method, request.target, request.headers, chunks, request.trailers)
        seen.append(repr(told))
        return repr(told)

    @app.route("/answer", ["GET", "POST"])
    async def answer(ctx: Context) -> None:
        """As its query says: a status, a size, a header."""
        for field in ctx.request.query_string.split("&"):
            name, _, value = field.partition("=")
            if name == "status":
                ctx.response.set_status(int(value))
            elif name == "size":
                ctx.response.set_body(b"x" * int(value))
            elif name == "sleep":
                await ctx.send()
                await ctx.sleep(float(value))
            else:
                ctx.response.add_header(name, value)

    add_websockets(app, seen)
    return app


def add_websockets(app: App, seen: list[object]) -> None:
    async def repeat(ctx: Context, pause: float = 0, most: int = 1000) -> None:
        ws = await ctx.accept()
        try:
            for _ in range(most):
                message = await ws.receive()
                seen.append(message)
                if pause:
                    await ctx.sleep(pause)
                await ws.send(message)
        except Disconnected as exc:
            seen.append((exc.code, exc.reason, ws.close_code))
            raise
        await ws.close(3000, "enough")

    @app.websocket("/echo")
    async def echo(ctx: Context) -> None:
        await repeat(ctx)

    @app.websocket("/slow")
    async def slow(ctx: Context) -> None:
        await repeat(ctx, pause=1)

    @app.websocket("/late")
    async def late(ctx: Context) -> None:
        await ctx.sleep(1)
        await repeat(ctx)

    @app.websocket("/few")
    async def few(ctx: Context) -> None:
        await repeat(ctx, most=2)

    @app.websocket("/busy")
    async def busy(ctx: Context) -> None:
        ws = await ctx.accept()
        await ctx.sleep(4)
        seen.append([message async for message in ws])

    @app.websocket("/leave")
    async def leave(ctx: Context) -> None:
        await ctx.accept()


HEAD = ("method", "target", "version", "headers", "content_length", "chunked", "connection",
        "expects_continue", "has_body", "keep_alive")  # fmt: skip
"""What a head says."""


def settings(**fixed: Any) -> Callable[..., ServerConfig]:
    """For `Twins.assert_alike`."""
    return lambda *, express: ServerConfig(express=express, **fixed)
