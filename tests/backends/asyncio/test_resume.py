"""A handler of the asyncio lane that waits for input goes on within it, where that is safe.

Driven by hand: a real loop, the lane's own driver, and a transport that keeps what is written. What
counts is what was written when `data_received` returns.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextvars import ContextVar
from typing import Any

import anyio
import pytest

from anylane import App, Broadcast, Context, ServerConfig
from anylane.lane.server_core import ServerCore
from anylane_backends.asyncio.driver import AsyncioDriver
from anylane_backends.asyncio.lane import Lane

pytestmark = pytest.mark.lanes

LOOPS: list[Any] = [pytest.param(asyncio.new_event_loop, id="asyncio")]
try:
    import uvloop
except ImportError:
    pass
else:
    LOOPS.append(pytest.param(uvloop.new_event_loop, id="uvloop"))

UPGRADE = (
    b"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
TURNS = 5
"""Of the loop: enough for whatever is on its way."""

Handler = Callable[[Any], Awaitable[None]]


def masked(text: str) -> bytes:
    return bytes((0x81, 0x80 | len(text), 0, 0, 0, 0)) + text.encode()


class Transport:
    """Keeps what is written, one item for each write."""

    def __init__(self) -> None:
        self.written: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def get_extra_info(self, name: str) -> Any:
        return None

    def close(self) -> None:
        pass

    abort = pause_reading = resume_reading = write_eof = close


class Wire:
    """One connection whose handler waits for a message."""

    def __init__(self, lane: Lane) -> None:
        self.loop = lane.loop
        self.transport = Transport()
        self.driver = AsyncioDriver(lane, None, None)
        self.driver.connection_made(self.transport)  # type: ignore[arg-type]

    async def open(self) -> None:
        self.driver.data_received(UPGRADE)
        await self.rest()
        self.take()

    async def rest(self) -> None:
        for _ in range(TURNS):
            await asyncio.sleep(0)

    def take(self) -> list[str]:
        """The texts of each write since the last call."""
        writes, self.transport.written[:] = list(self.transport.written), []
        return [_texts(data) for data in writes]

    async def receive(self, *texts: str, before: Callable[[], Any] = lambda: None) -> list[str]:
        """What was written when `data_received` returned, called by the loop, not by a task."""
        done: asyncio.Future[list[str]] = self.loop.create_future()

        def run() -> None:
            before()
            self.driver.data_received(b"".join(map(masked, texts)))
            done.set_result(self.take())

        self.loop.call_soon(run)
        return await done


def _texts(data: bytes) -> str:
    if not data.startswith(b"\x81"):
        return data.decode("latin-1")
    texts = []
    while data:
        texts.append(data[2 : 2 + data[1]].decode())
        data = data[2 + data[1] :]
    return " ".join(texts)


@contextlib.asynccontextmanager
async def wires(
    handler: Handler, count: int = 1, config: ServerConfig | None = None
) -> AsyncGenerator[Any]:
    app = App()

    @app.websocket("/ws")
    async def serve(ctx: Context) -> None:
        await handler(await ctx.accept())

    server = ServerCore(
        app.freeze(),
        config or ServerConfig(),
        time=lambda: 0.0,
        date=lambda: b"Mon, 23 Nov 2026 00:00:00 GMT",
        token=bytes,
        log=lambda *_: None,
        lane="asyncio",
    )
    lane = Lane(server)
    made = [Wire(lane) for _ in range(count)]
    try:
        for wire in made:
            await wire.open()
        yield made[0] if count == 1 else made
    finally:
        for wire in made:
            wire.driver.connection_lost(None)
        await made[0].rest()
        lane.pool.close()


@pytest.fixture(params=LOOPS)
def on_the_loop(request: Any) -> Callable[[Callable[[], Coroutine[Any, Any, None]]], None]:
    def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(main())

    return run


def looped(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[Any], None]:
    @functools.wraps(test)
    def run(on_the_loop: Any) -> None:
        on_the_loop(test)

    del run.__wrapped__  # pytest would read its parameters.
    return run


async def echo(ws: Any) -> None:
    async for message in ws:
        await ws.send(message)


@looped
async def test_messages_are_answered_within_the_input_and_in_one_write() -> None:
    async with wires(echo) as wire:
        assert await wire.receive("a") == ["a"]
        assert await wire.receive("b", "c", "d") == ["b c d"]


@looped
async def test_several_answers_to_one_message_are_one_write() -> None:
    async def thrice(ws: Any) -> None:
        async for message in ws:
            for n in range(3):
                await ws.send(f"{message}{n}")

    async with wires(thrice) as wire:
        assert await wire.receive("a") == ["a0 a1 a2"]


@looped
async def test_a_handler_that_sends_and_never_waits_gives_others_their_turn() -> None:
    message, count = "x" * 60_000, 20

    async def flood(ws: Any) -> None:
        await ws.receive()
        await asyncio.sleep(0)  # Not within the input any more: each message is a write.
        for _ in range(count):
            await ws.send(message)

    async with wires(flood) as wire:
        await wire.receive("go")
        in_turns: list[int] = []
        while sum(in_turns) < count:
            in_turns.append(len(wire.transport.written))
            wire.transport.written.clear()
            await asyncio.sleep(0)
        assert max(in_turns) * len(message) < 256 * 1024 + 2 * len(message)


@looped
async def test_where_handlers_do_not_begin_at_once_they_do_not_go_on_at_once() -> None:
    async with wires(echo, config=ServerConfig(eager=False)) as wire:
        assert await wire.receive("a", "b") == []
        await wire.rest()
        assert wire.take() == ["a b"]


@looped
async def test_input_from_inside_of_a_task_wakes_in_the_next_turn() -> None:
    async with wires(echo) as wire:
        wire.driver.data_received(masked("a"))
        assert wire.take() == []
        await wire.rest()
        assert wire.take() == ["a"]


@looped
async def test_a_handler_that_is_woken_by_another_waits_until_that_suspends() -> None:
    steps: list[str] = []

    async def relay(ws: Any) -> None:
        async for message in ws:
            steps.append(f"got {message}")
            if message == "relay":
                other.driver.data_received(masked("relayed"))
            steps.append(f"end {message}")
            await ws.send(message)

    async with wires(relay, 2) as (wire, other):
        assert await wire.receive("relay") == ["relay"]
        await wire.rest()
        assert steps == ["got relay", "end relay", "got relayed", "end relayed"]
        assert other.take() == ["relayed"]


@looped
async def test_a_handler_is_its_own_task_in_its_own_context() -> None:
    variable: ContextVar[str] = ContextVar("variable")

    async def check(ws: Any) -> None:
        task = asyncio.current_task()
        variable.set("the handler's")
        async for _ in ws:
            assert asyncio.current_task() is task
            async with asyncio.timeout(60):
                await ws.send(variable.get())

    async with wires(check) as wire:
        variable.set("the test's")
        assert await wire.receive("?") == ["the handler's"]
        assert variable.get() == "the test's"


@looped
async def test_a_cancelled_receive_loses_no_message() -> None:
    tasks: list[Any] = []

    async def stubborn(ws: Any) -> None:
        tasks.append(asyncio.current_task())
        while True:
            try:
                message = await ws.receive()
            except asyncio.CancelledError:
                tasks[0].uncancel()
                message = "cancelled"
            await ws.send(message)

    async with wires(stubborn) as wire:
        # The message comes between the cancellation and the turn in which it is delivered.
        assert await wire.receive("a", before=tasks[0].cancel) == []
        await wire.rest()
        assert wire.take() == ["cancelled a"]
        assert await wire.receive("b") == ["b"]


@looped
async def test_time_outs_of_asyncio_and_anyio_end_a_receive() -> None:
    async def patient(ws: Any) -> None:
        await ws.receive()
        try:
            async with asyncio.timeout(0):
                await ws.receive()
        except TimeoutError:
            await ws.send("asyncio.timeout")
        try:
            await asyncio.wait_for(ws.receive(), 1e-6)
        except TimeoutError:
            await ws.send("asyncio.wait_for")
        with anyio.move_on_after(0):
            await ws.receive()
        await ws.send("anyio")
        await echo(ws)

    async with wires(patient) as wire:
        seen = await wire.receive("go")
        while "anyio" not in seen:
            await asyncio.sleep(0)
            seen += wire.take()
        assert seen == ["asyncio.timeout", "asyncio.wait_for", "anyio"]
        assert await wire.receive("a") == ["a"]


@looped
async def test_two_tasks_of_a_handler_may_wait() -> None:
    async def both(ws: Any) -> None:
        async with asyncio.TaskGroup() as group:
            ping = group.create_task(ws.ping())
            await ws.send(await ws.receive())
            await ping
            await ws.send("pong")
        await echo(ws)

    async with wires(both) as wire:
        await wire.receive("a")
        await wire.rest()
        assert wire.take() == ["a"]
        wire.driver.data_received(b"\x8a\x84" + bytes(8))  # A pong: the token is four zeros.
        await wire.rest()
        assert wire.take() == ["pong"]
        assert await wire.receive("b") == ["b"]


@looped
async def test_a_task_beside_one_that_was_woken_takes_no_share_in_it() -> None:
    async def both(ws: Any) -> None:
        await ws.receive()
        link, task = ws._link, asyncio.current_task()
        assert task is not None
        woken = asyncio.create_task(_wait(link))
        await asyncio.sleep(0)
        # Cancelled while it waits, before the other that was woken first has had its turn.
        asyncio.get_running_loop().call_soon(task.cancel)
        link.notify()
        with contextlib.suppress(asyncio.CancelledError):
            await link.wait()
        task.uncancel()
        await woken
        await ws.send("both went on")

    async with wires(both) as wire:
        await wire.receive("go")
        await wire.rest()
        assert wire.take()[0] == "both went on"


async def _wait(link: Any) -> None:
    await link.wait()


@looped
async def test_another_thread_wakes_it_and_then_input_does() -> None:
    room: Broadcast[str] = Broadcast()

    async def listen(ws: Any) -> None:
        with room.subscribe() as subscription:
            await ws.send(await subscription.__anext__())
        await echo(ws)

    async with wires(listen) as wire:
        thread = threading.Thread(target=room.send, args=("from a thread",))
        thread.start()
        thread.join()
        await wire.rest()
        assert wire.take() == ["from a thread"]
        assert await wire.receive("a") == ["a"]


@looped
async def test_a_handler_that_ends_or_fails_within_the_input_is_over() -> None:
    async def once(ws: Any) -> None:
        assert await ws.receive() == "good"

    async with wires(once, 2) as (good, bad):
        assert await good.receive("good") == ["\x88\x02\x03\xe8"]  # 1000
        assert await bad.receive("bad") == ["\x88\x02\x03\xf3"]  # 1011


async def broadcast(room: Broadcast[str], *texts: str) -> None:
    """From a callback of the loop, and one turn for the wake-up."""
    for text in texts:
        asyncio.get_running_loop().call_soon(room.send, text)
    await asyncio.sleep(0)
    await asyncio.sleep(0)


def listening(room: Broadcast[str]) -> Handler:
    async def listen(ws: Any) -> None:
        with room.subscribe() as subscription:
            async for item in subscription:
                if item == "fail":
                    raise ValueError(item)
                if item == "chain":
                    room.send("link")
                await ws.send(item)

    return listen


@looped
async def test_all_receivers_of_a_broadcast_go_on_within_one_wake_up_and_write_once() -> None:
    room: Broadcast[str] = Broadcast()
    async with wires(listening(room), 3) as made:
        await broadcast(room, "a", "b", "c")
        assert [wire.take() for wire in made] == [["a b c"]] * 3


@looped
async def test_what_receivers_send_to_their_room_reaches_all_of_them() -> None:
    room: Broadcast[str] = Broadcast()
    async with wires(listening(room), 2) as made:
        await broadcast(room, "chain")
        await made[0].rest()
        # Each has sent one more.
        assert [" ".join(wire.take()) for wire in made] == ["chain link link"] * 2


@looped
async def test_a_receiver_whose_write_or_handler_fails_keeps_nobody_from_being_woken() -> None:
    room: Broadcast[str] = Broadcast()
    reported: list[Any] = []

    def broken(data: bytes) -> None:
        raise ZeroDivisionError(data)

    async with wires(listening(room), 3) as made:
        made[0].loop.set_exception_handler(lambda _, context: reported.append(context["exception"]))
        made[1].transport.write = broken
        await broadcast(room, "a")
        assert [wire.take() for wire in made] == [["a"], [], ["a"]]
        await made[0].rest()
        assert [type(exc) for exc in reported] == [ZeroDivisionError]
        del made[1].transport.write
        await broadcast(room, "fail")
        await made[0].rest()
        assert [wire.take() for wire in made] == [["\x88\x02\x03\xf3"]] * 3
        assert room.receivers == 0


@looped
async def test_a_wake_up_from_inside_of_a_task_takes_a_turn() -> None:
    room: Broadcast[str] = Broadcast()
    async with wires(listening(room)) as wire:
        room.send("a")
        wire.driver.wakes.run()
        assert wire.take() == []
        await wire.rest()
        assert wire.take() == ["a"]


@looped
async def test_where_handlers_do_not_begin_at_once_a_wake_up_takes_a_turn() -> None:
    room: Broadcast[str] = Broadcast()
    async with wires(listening(room), config=ServerConfig(eager=False)) as wire:
        await broadcast(room, "a")
        assert wire.take() == []
        await wire.rest()
        assert wire.take() == ["a"]


@looped
async def test_a_receiver_in_the_middle_of_something_foreign_is_left_alone() -> None:
    room: Broadcast[str] = Broadcast()
    done: list[asyncio.Event] = []

    async def busy(ws: Any) -> None:
        with room.subscribe() as subscription:
            async for item in subscription:
                done.append(asyncio.Event())
                await done[-1].wait()
                await ws.send(item)

    async with wires(busy) as wire:
        await broadcast(room, "a", "b")
        assert wire.take() == []
        for n in range(2):
            done[n].set()
            await wire.rest()
        assert wire.take() == ["a", "b"]
