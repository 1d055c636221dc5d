"""Receivers of a room, in any order of sends, messages, cancellations, closes and ends.

Nothing is missed and nothing comes twice. No receiver is woken without running, and what it has
sent to its client has left. That holds however it waits, and whatever others do in the same
wake-up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from anylane import App, Broadcast, Context, ServerConfig, Subscription
from anylane.lane.server_core import ServerCore
from anylane.realtime.websocket import WebSocket
from anylane.testing import Lockstep
from anylane_backends.asyncio.lane import Lane
from tests.backends.asyncio.test_resume import LOOPS, TURNS, UPGRADE, Wire, masked

Item = tuple[str, int, int]
"""What it asks for, of which receiver, and something for that: a number."""


class Receiver:
    """One subscription of a handler, and what came of it.

    since, until: positions in what was sent; until is None while it is open.
    ended: whether it ended before it had taken all of it.
    """

    def __init__(self, play: Play, number: int) -> None:
        self.play = play
        self.number = number
        self.subscription: Subscription[Item] = play.room.subscribe()
        self.since = len(play.sent)
        self.until: int | None = None
        self.ended = False
        self.got: list[Item] = []

    def take(self, item: Item) -> None:
        self.got.append(item)
        what, who, more = item
        if who == self.number:
            self.play.ask(what, more)

    def close(self) -> None:
        if self.until is None:
            self.until = len(self.play.sent)
        self.subscription.close()

    def check(self) -> None:
        should = self.play.sent[self.since : self.until]
        if self.play.room.capacity > len(self.play.sent):
            assert self.got == (should[: len(self.got)] if self.ended else should)
        else:
            left = iter(should)
            assert all(item in left for item in self.got), "in order, but not all of them"
            if not self.ended:
                assert self.got[-1:] == should[-1:]
                assert len(self.got) + self.subscription.lagged == len(should)


class Client:
    """One connection: its handler, what it was sent, what it has heard."""

    def __init__(self, play: Play, kind: str) -> None:
        self.play = play
        self.kind = kind
        self.receivers: list[Receiver] = []
        self.messages: list[str] = []
        self.heard: list[str] = []
        self.said: list[str] = []
        self.lost = self.ended = False
        self.task: asyncio.Task[Any] | None = None
        self.wire: Any = None

    async def handle(self, ctx: Context) -> None:
        ws = await ctx.accept()
        if self.play.native:
            self.task = asyncio.current_task()
        count = 2 if self.kind == "tasks" else 1
        for _ in range(count):
            self.receivers.append(Receiver(self.play, self.play.clients.index(self)))
        try:
            await KINDS[self.kind](self, ctx, ws)
        except BaseException:
            for each in self.receivers:
                each.ended = True
            raise
        finally:
            self.ended = True
            for each in self.receivers:
                each.subscription.close()

    async def take(self, ws: WebSocket, receiver: Receiver, item: Item) -> None:
        receiver.take(item)
        await self.say(ws, f"{item}")

    def go_on(self) -> None:
        """After a cancellation, unless it is the last."""
        assert self.task is not None
        if self.lost:
            raise asyncio.CancelledError
        self.task.uncancel()

    async def say(self, ws: WebSocket, text: str) -> None:
        await ws.send(text)
        self.said.append(text)


async def by_for(self: Client, ctx: Context, ws: WebSocket) -> None:
    [receiver] = self.receivers
    async for item in receiver.subscription:
        await self.take(ws, receiver, item)


async def by_select(self: Client, ctx: Context, ws: WebSocket) -> None:
    [receiver] = self.receivers
    async for source, item in ctx.select(ws, receiver.subscription):
        if source is ws:
            self.heard.append(item)
            await self.say(ws, item)
        else:
            await self.take(ws, receiver, item)


async def by_a_select_for_each(self: Client, ctx: Context, ws: WebSocket) -> None:
    [receiver] = self.receivers
    going = True
    while going:
        going = False
        async for source, item in ctx.select(receiver.subscription, ws):
            going = True
            if source is ws:
                self.heard.append(item)
            else:
                await self.take(ws, receiver, item)
            break


async def in_steps(self: Client, ctx: Context, ws: WebSocket) -> None:
    """It is busy with something else between two items, and may be cancelled in it."""
    [receiver] = self.receivers
    while True:
        try:
            item = await anext(receiver.subscription)
        except StopAsyncIteration:
            return
        except asyncio.CancelledError:
            self.go_on()
            continue
        await self.take(ws, receiver, item)
        try:
            await (asyncio.sleep(0) if self.play.native else ctx.sleep(0))
        except asyncio.CancelledError:
            self.go_on()


async def in_tasks(self: Client, ctx: Context, ws: WebSocket) -> None:
    async def receive(receiver: Receiver) -> None:
        async for item in receiver.subscription:
            await self.take(ws, receiver, item)

    async with asyncio.TaskGroup() as group:
        for receiver in self.receivers:
            group.create_task(receive(receiver))


KINDS: dict[str, Callable[[Client, Context, WebSocket], Awaitable[None]]] = {
    "for": by_for,
    "select": by_select,
    "a select for each": by_a_select_for_each,
    "steps": in_steps,
    "tasks": in_tasks,
}


class Play:
    """One program, with what it should come to."""

    def __init__(self, kinds: list[str], capacity: int, *, native: bool) -> None:
        self.native = native
        self.room: Broadcast[Item] = Broadcast(capacity)
        self.sent: list[Item] = []
        self.clients: list[Client] = []
        self.app = App()
        self._coming: list[Client] = []
        for kind in kinds:
            self.clients.append(Client(self, kind if native or kind != "tasks" else "for"))

        @self.app.websocket("/ws")
        async def serve(ctx: Context) -> None:
            await self._coming.pop(0).handle(ctx)

    def coming(self, client: Client) -> None:
        self._coming.append(client)

    def send(self, item: Item) -> None:
        assert self.room.send(item) == self.room.receivers
        self.sent.append(item)

    def client(self, number: int) -> Client:
        return self.clients[number % len(self.clients)]

    def ask(self, what: str, more: int) -> None:
        """By a receiver, in the middle of its wake-up, or from outside."""
        client = self.client(more)
        match what:
            case "chain":
                for n in range(2):
                    self.send(("say", -1, more + n))
            case "close":
                for receiver in client.receivers:
                    if not client.ended:
                        receiver.close()
            case "fail":
                raise ValueError(more)
            case "cancel" if client.kind == "steps" and client.task is not None:
                client.task.cancel()
            case _:
                pass

    def message(self, client: Client, text: str) -> None:
        if not client.lost and not client.ended:
            client.messages.append(text)
            client.wire.driver.data_received(masked(text))

    def lose(self, client: Client) -> None:
        if not client.lost:
            client.lost = True
            client.wire.driver.connection_lost(None)

    def do(self, step: tuple[Any, ...]) -> None:
        match step:
            case ("send", item):
                self.send(item)
            case ("message", number, text):
                self.message(self.client(number), text)
            case ("lose", number):
                self.lose(self.client(number))
            case _:
                self.ask(*step[1:])

    def check(self) -> None:
        for client in self.clients:
            for receiver in client.receivers:
                receiver.check()
            if client.lost:
                continue
            if client.kind in ("select", "a select for each"):
                assert client.heard == client.messages[: len(client.heard)]
                assert client.ended or client.heard == client.messages
            if not client.ended:
                assert client.wire.texts() == client.said
        open_ = [each for client in self.clients if not client.ended for each in client.receivers]
        assert self.room.receivers == sum(each.until is None for each in open_)


class LoopWire(Wire):
    def texts(self) -> list[str]:
        data = b"".join(self.transport.written).partition(b"\r\n\r\n")[2]
        return _texts(data)


class MemoryWire:
    """A Lockstep, as the input of a lane's driver."""

    def __init__(self, lockstep: Lockstep) -> None:
        self.lockstep = lockstep
        self.driver = self

    def data_received(self, data: bytes) -> None:
        self.lockstep.receive(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lockstep.lose(exc)

    def texts(self) -> list[str]:
        return _texts(bytes(self.lockstep.sent).partition(b"\r\n\r\n")[2])


def _texts(data: bytes) -> list[str]:
    found = []
    while data:
        assert data[0] == 0x81
        found.append(data[2 : 2 + data[1]].decode())
        data = data[2 + data[1] :]
    return found


async def on_a_loop(play: Play, program: list[tuple[Any, ...]], config: ServerConfig) -> None:
    server = ServerCore(
        play.app.freeze(),
        config,
        time=lambda: 0.0,
        date=lambda: b"",
        token=bytes,
        log=lambda *_: None,
        lane="asyncio",
    )
    lane = Lane(server)
    loop = asyncio.get_running_loop()

    async def rest() -> None:
        for _ in range(20 * TURNS):  # Chains of items, and one receiver of each in each turn.
            await asyncio.sleep(0)

    for client in play.clients:
        client.wire = LoopWire(lane)
        play.coming(client)
        client.wire.driver.data_received(UPGRADE)
        await rest()
    for step in program:
        if step[0] == "turn":
            for _ in range(step[1]):
                await asyncio.sleep(0)
        else:
            loop.call_soon(play.do, step)  # From no task, as what comes from a socket.
    await rest()
    try:
        play.check()
    finally:
        for client in play.clients:
            play.lose(client)
        await rest()
        lane.pool.close()
    assert play.room.receivers == 0
    assert not play.room._waiters._runtimes


def in_memory(play: Play, program: list[tuple[Any, ...]]) -> None:
    world = None
    for client in play.clients:
        client.wire = MemoryWire(Lockstep(play.app, world=world))
        world = client.wire.lockstep.world
        play.coming(client)
        client.wire.data_received(UPGRADE)
    assert world is not None
    for step in program:
        if step[0] == "turn":
            world.run()
        else:
            play.do(step)
    world.advance(1)
    play.check()
    for client in play.clients:
        play.lose(client)
    assert play.room.receivers == 0
    assert not play.room._waiters._runtimes


numbers = st.integers(0, 3)
items = st.tuples(st.sampled_from(["say", "chain", "close", "fail", "cancel"]), numbers, numbers)
programs = st.lists(
    st.one_of(
        st.tuples(st.just("send"), items),
        st.tuples(st.just("turn"), st.integers(1, 3)),
        st.tuples(st.just("message"), numbers, st.sampled_from("abc")),
        st.tuples(st.just("ask"), st.sampled_from(["close", "cancel"]), numbers),
        st.tuples(st.just("lose"), numbers),
    ),
    max_size=25,
)
kinds = st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=4)
capacities = st.sampled_from([1, 2, 1024])
ways = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.parametrize("eager", [True, False], ids=["eager", "lazy"])
@pytest.mark.parametrize("new_loop", LOOPS)
@ways
@given(kinds=kinds, capacity=capacities, program=programs)
def test_receivers_on_a_loop(new_loop, eager, kinds, capacity, program):
    play = Play(kinds, capacity, native=True)
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(on_a_loop(play, program, ServerConfig(eager=eager)))


@ways
@given(kinds=kinds, capacity=capacities, program=programs)
def test_receivers_in_memory(kinds, capacity, program):
    in_memory(Play(kinds, capacity, native=False), program)
