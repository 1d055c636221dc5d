"""Broadcasts and subscriptions, and what `ctx.select` makes of them."""

from __future__ import annotations

import gc
import signal
import threading
from collections.abc import Generator
from contextlib import ExitStack
from typing import Any
from weakref import ref

import pytest

from anylane import App, Broadcast, Context, Lagged, UsageError
from anylane.realtime.broadcast import OnLag
from anylane.realtime.source import ENDED, PENDING
from anylane.testing import Lockstep


def drain(subscription: object) -> list[object]:
    items = []
    while (item := subscription.poll()) not in (PENDING, ENDED):  # type: ignore[attr-defined]
        items.append(item)
    return items


def test_a_subscription_gets_what_is_sent_from_its_moment_on() -> None:
    room: Broadcast[int] = Broadcast()
    assert room.send(1) == 0
    with room.subscribe() as one:
        assert room.send(2) == 1
        with room.subscribe() as two:
            assert room.send(3) == 2
            assert room.receivers == 2
        assert drain(one) == [2, 3]
        assert drain(two) == [3]
    assert room.receivers == 0


def test_drop_oldest_counts_what_was_lost() -> None:
    room: Broadcast[int] = Broadcast(capacity=2)
    with room.subscribe() as subscription:
        assert [room.send(n) for n in range(2)] == [1, 1]
        assert subscription.lagged == 0
        assert room.send(2) == 1
        assert subscription.lagged == 1
        assert drain(subscription) == [1, 2]


@pytest.mark.parametrize("on_lag", ["drop_oldest", "error", "close"])
def test_a_room_counts_what_all_of_its_receivers_have_lost(on_lag: OnLag) -> None:
    room: Broadcast[int] = Broadcast(capacity=2, on_lag=on_lag)
    with room.subscribe() as quick, room.subscribe() as slow:
        for n in range(4):
            room.send(n)
            assert quick.poll() == n
        assert room.lagged == slow.lagged == (1 if on_lag == "close" else 2)
    assert room.lagged > 0  # It keeps that when they are gone.


def test_close_ends_a_receiver_that_lags_after_what_it_has() -> None:
    room: Broadcast[int] = Broadcast(capacity=2, on_lag="close")
    with room.subscribe() as subscription:
        counts = [room.send(n) for n in range(4)]
        assert counts == [1, 1, 1, 0]
        assert [subscription.poll() for _ in range(3)] == [0, 1, ENDED]


def test_error_is_raised_once_and_the_rest_still_comes() -> None:
    room: Broadcast[int] = Broadcast(capacity=2, on_lag="error")
    with room.subscribe() as subscription:
        for n in range(5):
            room.send(n)
        with pytest.raises(Lagged, match="lost 3 items"):
            subscription.poll()
        assert drain(subscription) == [3, 4]


def test_an_item_that_sends_when_it_is_dropped_does_not_lock_the_room() -> None:
    room: Broadcast[object] = Broadcast(capacity=1)

    class Last:
        def __del__(self) -> None:
            room.send("last words")

    with room.subscribe() as subscription:
        room.send(Last())
        room.send("next")
        assert drain(subscription) == ["last words"]
        assert subscription.lagged == 2


def test_select_goes_on_after_a_source_has_raised() -> None:
    app = App()
    room: Broadcast[str] = Broadcast(capacity=1, on_lag="error")

    @app.get("/")
    async def handler(ctx: Context) -> str:
        with room.subscribe() as subscription:
            room.send("lost")
            room.send("kept")
            select = ctx.select(subscription)
            with pytest.raises(Lagged):
                await anext(select)
            _, item = await anext(select)
            return str(item)

    wire = Lockstep(app)
    wire.receive(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert wire.sent.endswith(b"kept")


def test_lag_is_known_before_the_next_item_is_taken() -> None:
    room: Broadcast[int] = Broadcast(capacity=2)
    with room.subscribe() as slow, room.subscribe() as quick:
        for n in range(5):
            room.send(n)
            assert quick.poll() == n
            assert (slow.lagged, len(slow), quick.lagged) == (max(0, n - 1), min(n + 1, 2), 0)
        assert drain(slow) == [3, 4]
        assert slow.lagged == 3


def test_only_those_are_closed_that_lag() -> None:
    room: Broadcast[int] = Broadcast(capacity=2, on_lag="close")
    with room.subscribe() as slow, room.subscribe() as second, room.subscribe() as quick:
        counts = []
        for n in range(4):
            counts.append(room.send(n))
            quick.poll()
            if n == 0:
                second.poll()
        assert counts == [3, 3, 3, 2]
        assert room.receivers == 1
        assert [slow.poll() for _ in range(3)] == [0, 1, ENDED]
        assert [second.poll() for _ in range(3)] == [1, 2, ENDED]
        assert (slow.lagged, second.lagged, quick.lagged) == (1, 1, 0)
        assert quick.poll() is PENDING


def test_after_its_block_a_subscription_gives_what_it_has_and_ends() -> None:
    room: Broadcast[int] = Broadcast()
    with room.subscribe() as subscription:
        room.send(1)
    assert room.send(2) == 0
    assert [subscription.poll(), subscription.poll()] == [1, ENDED]
    subscription.close()


class Item:
    """Something that can be watched."""


def test_an_item_is_kept_once_and_only_until_the_last_receiver_has_taken_it() -> None:
    room: Broadcast[Item] = Broadcast()
    with room.subscribe() as one, room.subscribe() as two:
        item = Item()
        room.send(item)
        assert one.poll() is item
        watched = ref(item)
        del item
        assert watched() is not None
        assert two.poll() is watched()
        assert watched() is None


def test_a_slow_receiver_holds_no_more_than_the_capacity() -> None:
    room: Broadcast[Item] = Broadcast(capacity=3)
    items: list[ref[Item]] = []
    with room.subscribe(), room.subscribe():
        for _ in range(50):
            item = Item()
            items.append(ref(item))
            room.send(item)
            del item
        assert [each() is not None for each in items] == [False] * 47 + [True] * 3
    assert all(each() is None for each in items)


def test_a_subscription_that_nobody_holds_is_gone() -> None:
    room: Broadcast[Item] = Broadcast()
    subscription = room.subscribe()
    item = Item()
    assert room.send(item) == 1
    watched = ref(item)
    del item, subscription
    assert (room.receivers, watched()) == (0, None)


def test_an_abandoned_handler_takes_its_subscription_along() -> None:
    """Its coroutine is closed by the garbage collector, in the middle of whatever runs then."""
    room: Broadcast[int] = Broadcast()

    async def handler(held: list[object]) -> None:
        with room.subscribe():
            await Suspended()

    held: list[object] = []
    coroutine = handler(held)
    coroutine.send(None)
    held.append(coroutine)  # a cycle, which only the collector finds
    assert room.send(1) == 1
    del coroutine, held
    gc.collect()
    assert room.send(2) == 0


class Suspended:
    def __await__(self) -> Generator[None]:
        yield


class Interrupting:
    """A deque that lets something interrupt a change of the room at its most delicate point."""

    def __init__(self, inner: Any, interrupt: Any) -> None:
        self._inner = inner
        self._interrupt = interrupt

    def __len__(self) -> int:
        return len(self._inner)

    def __getitem__(self, index: int) -> Any:
        return self._inner[index]

    def append(self, item: Any) -> None:
        interrupt, self._interrupt = self._interrupt, lambda: None
        interrupt()
        self._inner.append(item)

    def popleft(self) -> Any:
        return self._inner.popleft()


def test_a_send_that_interrupts_a_send_comes_behind_it() -> None:
    """A finalizer, or a signal handler on the same thread: it must neither hang nor be lost."""
    room: Broadcast[int] = Broadcast()
    counts: list[int] = []
    with room.subscribe() as subscription:
        room._items = Interrupting(room._items, lambda: counts.append(room.send(2)))  # type: ignore[assignment]
        assert room.send(1) == 1
        assert counts == [1]
        assert drain(subscription) == [1, 2]


def test_an_end_that_interrupts_a_send_comes_behind_it() -> None:
    room: Broadcast[int] = Broadcast()
    held = [room.subscribe()]
    with room.subscribe() as subscription:
        room._items = Interrupting(room._items, held.clear)  # type: ignore[assignment]
        assert room.send(1) == 2
        assert room.receivers == 1
        assert drain(subscription) == [1]
        assert len(room._items) == 0


def test_signal_handlers_may_send_while_the_main_thread_sends() -> None:
    room: Broadcast[int] = Broadcast(capacity=1_000_000)
    came = 0

    def handler(*_: object) -> None:
        nonlocal came
        came += 1
        room.send(-came)

    before = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.0002, 0.0002)
        with room.subscribe() as subscription:
            sent, items = 0, []
            while came < 100:
                room.send(sent)
                sent += 1
                item = subscription.poll()
                if item is not PENDING:
                    items.append(item)
            signal.setitimer(signal.ITIMER_REAL, 0)
            items += drain(subscription)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert [item for item in items if item >= 0] == list(range(sent))
    assert sorted(-item for item in items if item < 0) == list(range(1, came + 1))


def test_threads_that_send_and_subscribe_at_once_lose_nothing() -> None:
    """Every receiver gets each sender's items in the sender's order, from some moment on."""
    room: Broadcast[tuple[int, int]] = Broadcast(capacity=100_000)
    senders, each = 4, 500
    ready = threading.Barrier(senders + 4)
    seen: list[list[tuple[int, int]]] = []

    def send(sender: int) -> None:
        ready.wait()
        for n in range(each):
            room.send((sender, n))

    def receive() -> None:
        ready.wait()
        for _ in range(20):
            with room.subscribe() as subscription:
                drain(subscription)

    threads = [threading.Thread(target=send, args=(n,)) for n in range(senders)]
    threads += [threading.Thread(target=receive) for _ in range(3)]
    with ExitStack() as stack:
        subscriptions = [stack.enter_context(room.subscribe()) for _ in range(5)]
        for thread in threads:
            thread.start()
        ready.wait()
        for thread in threads:
            thread.join()
        seen = [drain(subscription) for subscription in subscriptions]  # type: ignore[misc]
    for items in seen:
        assert items == seen[0]
        for sender in range(senders):
            assert [n for who, n in items if who == sender] == list(range(each))
    assert room.receivers == len(room._items) == 0


@pytest.mark.parametrize("options", [{"capacity": 0}, {"capacity": "1"}, {"on_lag": "wait"}])
def test_bad_options_say_what_was_expected(options: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="expected"):
        Broadcast(**options)  # type: ignore[arg-type]


def test_an_app_that_serves_takes_no_more_routes() -> None:
    app = App()

    @app.get("/users/{id:int}", name="user")
    async def user(ctx: Context) -> None: ...

    assert app.path_for("user", id=7) == "/users/7"

    @app.get("/more")
    async def more(ctx: Context) -> None: ...

    Lockstep(app)
    with pytest.raises(UsageError, match="already serves"):

        @app.get("/late")
        async def late(ctx: Context) -> None: ...
