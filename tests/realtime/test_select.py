"""`ctx.select`: several sources in one handler, without a task."""

from __future__ import annotations

import gc
from collections import deque
from typing import Any
from weakref import ref

import pytest

from anylane import (
    App,
    Broadcast,
    Context,
    Disconnected,
    Lagged,
    Subscription,
    UsageError,
)
from anylane.lane.link import Link
from anylane.lane.server_core import ServerCore
from anylane.realtime.source import ENDED, PENDING
from anylane.realtime.websocket import WebSocket
from anylane.testing import Lockstep, TestClient


def serve(handler: Any, *, websocket: bool = False) -> App:
    app = App()
    (app.websocket if websocket else app.get)("/")(handler)
    return app


class Source:
    """A source of one's own: given items, then PENDING or ENDED for ever."""

    def __init__(self, *items: Any, ended: bool = True) -> None:
        self.items = deque(items)
        self.ended = ended
        self.attached = 0

    def poll(self) -> Any:
        if not self.items:
            return ENDED if self.ended else PENDING
        item = self.items.popleft()
        if isinstance(item, Exception):
            raise item
        return item

    def attach(self, link: Link) -> None:
        self.attached += 1

    def detach(self, link: Link) -> None:
        self.attached -= 1


def test_ready_sources_have_their_turns() -> None:
    async def handler(ctx: Context) -> list[object]:
        one, two, three = Source(1, 2, 3), Source("a"), Source("x", "y")
        return [item async for _, item in ctx.select(one, two, three)]

    assert TestClient(serve(handler)).get("/").json() == [1, "a", "x", 2, "y", 3]


def test_a_source_that_always_has_something_does_not_starve_a_subscription() -> None:
    room: Broadcast[str] = Broadcast()

    async def handler(ctx: Context) -> list[object]:
        with room.subscribe() as subscription:
            seen = []
            async for _, item in ctx.select(Source(*range(10)), subscription):
                seen.append(item)
                if item == 3:
                    room.send("room")
                if item == 9:
                    return seen
        raise AssertionError

    answer = TestClient(serve(handler)).get("/").json()
    assert answer == [0, 1, 2, 3, "room", 4, 5, 6, 7, 8, 9]


def test_an_ended_source_is_dropped_and_it_ends_when_all_have() -> None:
    room: Broadcast[int] = Broadcast(capacity=2, on_lag="close")

    async def handler(ctx: Context) -> list[object]:
        with room.subscribe() as one, room.subscribe() as two:
            for n in range(3):
                room.send(n)
            return [[source is one, item] async for source, item in ctx.select(one, two)]

    assert TestClient(serve(handler)).get("/").json() == [
        [True, 0],
        [False, 0],
        [True, 1],
        [False, 1],
    ]


def test_it_ends_when_a_subscription_is_closed_while_it_waits() -> None:
    room: Broadcast[str] = Broadcast()
    held = []

    async def handler(ctx: Context) -> str:
        with room.subscribe() as subscription:
            held.append(subscription)
            return "".join([item async for _, item in ctx.select(subscription)])

    wire = Lockstep(serve(handler))
    wire.receive(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    room.send("a")
    wire.world.run()
    held[0].close()
    wire.world.run()
    assert wire.sent.endswith(b"\r\n\r\na")


def test_a_source_that_raises_stays_and_the_others_are_not_lost() -> None:
    async def handler(ctx: Context) -> list[object]:
        select = ctx.select(Source(Lagged(3), 1, 2), Source("a"))
        seen: list[object] = []
        with pytest.raises(Lagged, match="lost 3 items"):
            await anext(select)
        return seen + [item async for _, item in select]

    assert TestClient(serve(handler)).get("/").json() == ["a", 1, 2]


@pytest.mark.parametrize("on_lag", ["close", "error"])
def test_who_lagged_is_told_by_error_and_not_by_close(on_lag: Any) -> None:
    room: Broadcast[str] = Broadcast(capacity=1, on_lag=on_lag)

    async def handler(ctx: Context) -> None:
        with room.subscribe() as subscription:
            ws = await ctx.accept()
            room.send("first")
            room.send("second")
            async for _, item in ctx.select(ws, subscription):
                await ws.send(item)

    client = TestClient(serve(handler, websocket=True))
    with client.websocket("/") as ws:
        if on_lag == "error":
            with pytest.raises(Disconnected) as raised:
                ws.receive()
            assert raised.value.code == 1011
            assert isinstance(client.log[0].error, Lagged)
        else:
            assert ws.receive() == "first"
            ws.send("its own source goes on")
            assert ws.receive() == "its own source goes on"
            assert client.log == []


def test_what_a_source_raises_while_it_waits_leaves_nothing_attached() -> None:
    other = Source(ended=False)
    room: Broadcast[int] = Broadcast(capacity=1, on_lag="error")

    async def handler(ctx: Context) -> str:
        with room.subscribe() as subscription, pytest.raises(Lagged):
            await anext(ctx.select(other, subscription))
        return "told"

    wire = Lockstep(serve(handler))
    wire.receive(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert other.attached == 1
    room.send(1)
    room.send(2)
    wire.world.run()
    assert wire.sent.endswith(b"told")
    assert other.attached == 0
    assert not room._waiters._runtimes


def test_the_same_source_twice_gives_each_item_once() -> None:
    room: Broadcast[str] = Broadcast()

    async def handler(ctx: Context) -> str:
        with room.subscribe() as subscription:
            seen = ""
            async for _, item in ctx.select(subscription, subscription):
                seen += item
                if item == "c":
                    subscription.close()
            return seen

    wire = Lockstep(serve(handler))
    wire.receive(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    for item in "abc":
        room.send(item)
        wire.world.run()
    assert wire.sent.endswith(b"\r\n\r\nabc")
    assert not room._waiters._runtimes


def test_a_cancelled_select_loses_no_item() -> None:
    """Whenever the time-out comes, each item is given once."""
    room: Broadcast[int] = Broadcast()

    async def handler(ctx: Context) -> list[object]:
        with room.subscribe() as subscription:
            seen: list[object] = []
            select = ctx.select(subscription)
            while len(seen) < 10:
                try:
                    async with ctx.timeout(1):
                        while True:
                            seen.append((await anext(select))[1])
                except TimeoutError:
                    seen.append("late")
        return seen

    wire = Lockstep(serve(handler))
    wire.receive(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    for n in range(7):
        room.send(n)
        # Without a turn between: the item and the deadline are there together.
        wire.advance(1 if n % 2 else 0.3)
    wire.advance(5)
    assert b'[0,1,"late",2,3,"late",4,5,"late",6,"late"]' in wire.sent


def test_break_leaves_what_comes_for_the_next_select() -> None:
    async def handler(ctx: Context) -> list[object]:
        one, two = Source(1, 2), Source("a", "b")
        seen = []
        for _ in range(4):
            async for _, item in ctx.select(one, two):
                seen.append(item)
                break
        return seen

    assert TestClient(serve(handler)).get("/").json() == [1, 2, "a", "b"]


def test_a_websocket_that_closes_ends_a_select_that_waits_for_a_room() -> None:
    room: Broadcast[str] = Broadcast()
    ends: list[object] = []

    async def handler(ctx: Context) -> None:
        with room.subscribe() as subscription:
            ws = await ctx.accept()
            try:
                async for _, item in ctx.select(ws, subscription):
                    await ws.send(item)
            except Disconnected as exc:
                ends.append(exc.code)
                raise

    client = TestClient(serve(handler, websocket=True))
    with client.websocket("/") as ws:
        ws.send("one")
        assert ws.receive() == "one"
        assert room.send("two") == 1
        assert ws.receive() == "two"
    assert (room.receivers, ends) == (0, [1000])


async def leave_in_select(ctx: Context, ws: WebSocket, subscription: Subscription[str]) -> None:
    async for _, item in ctx.select(ws, subscription):
        await ws.send(item)


async def leave_in_its_body(ctx: Context, ws: WebSocket, subscription: Subscription[str]) -> None:
    async for _ in ctx.select(subscription, ws):
        while True:
            await ctx.sleep(1)


async def leave_by_break(ctx: Context, ws: WebSocket, subscription: Subscription[str]) -> None:
    async for _, _item in ctx.select(subscription, ws):
        break


@pytest.mark.parametrize("leave", [leave_in_select, leave_in_its_body, leave_by_break])
@pytest.mark.parametrize("held", [False, True], ids=["dropped", "held"])
def test_a_room_keeps_nothing_of_a_handler_that_has_ended(leave: Any, held: bool) -> None:
    """Without a send, which lets go of all; of a subscription without a `with` block, too."""
    room: Broadcast[str] = Broadcast()
    kept: list[object] = []

    async def handler(ctx: Context) -> None:
        ws = await ctx.accept()
        server = ctx.link.host
        assert isinstance(server, ServerCore)
        alive.append(ref(server))
        subscription = room.subscribe()
        if held:
            kept.append(subscription)
        await leave(ctx, ws, subscription)

    alive: list[ref[ServerCore]] = []
    client = TestClient(serve(handler, websocket=True))
    with client.websocket("/") as ws:
        ws.send("to wait for the subscription, and find this")
    del client, ws
    gc.collect()
    if not held or leave is leave_in_select:  # Else it may be woken once more: see Select.
        assert [each() for each in alive] == [None]
        assert not room._waiters._runtimes
    assert room.receivers == held


def test_what_came_before_the_close_is_given_first() -> None:
    seen: list[object] = []

    async def handler(ctx: Context) -> None:
        ws = await ctx.accept()
        await ctx.sleep(1)
        async for _, item in ctx.select(ws):
            seen.append(item)
        seen.append("end")

    client = TestClient(serve(handler, websocket=True))
    with client.websocket("/") as ws:
        ws.send("one")
        ws.send("two")
    assert seen == ["one", "two", "end"]


def test_a_websocket_has_one_reader_also_in_a_select() -> None:
    async def handler(ctx: Context) -> None:
        ws = await ctx.accept()
        waiting = ws.receive()
        waiting.send(None)  # as another task of the handler would
        with pytest.raises(UsageError, match="already waiting in another task"):
            await anext(ctx.select(ws))
        waiting.close()
        await ws.send("refused")

    with TestClient(serve(handler, websocket=True)).websocket("/") as ws:
        assert ws.receive() == "refused"


def test_a_subscription_is_awaited_inside_a_handler_only() -> None:
    room: Broadcast[int] = Broadcast()
    with room.subscribe() as subscription:
        room.send(1)
        taking = anext(subscription)
        with pytest.raises(StopIteration) as given:
            taking.send(None)
        assert given.value.value == 1
        with pytest.raises(UsageError, match="inside a handler"):
            anext(subscription).send(None)


def test_a_select_of_nothing_is_refused() -> None:
    async def handler(ctx: Context) -> str:
        with pytest.raises(UsageError, match="needs a source"):
            ctx.select()
        return "refused"

    assert TestClient(serve(handler)).get("/").text == "refused"
