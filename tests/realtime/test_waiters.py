"""One queue entry and one wake-up for each runtime and call, however many wait."""

from __future__ import annotations

import gc
import weakref
from _thread import RLock
from collections.abc import Callable
from typing import Any, cast

import pytest

from anylane import Broadcast
from anylane.lane.link import Link
from anylane.lane.wake_queue import WakeQueue
from anylane.realtime.source import ENDED, PENDING
from anylane.realtime.waiters import RuntimeWaiters, Waiters


class CountingQueue(WakeQueue):
    """Counts its entries and its kicks."""

    def __init__(self) -> None:
        self.puts = 0
        self.kicks = 0
        super().__init__(self._count)

    def _count(self) -> None:
        self.kicks += 1

    def put(self, func: Callable[[], object]) -> None:
        self.puts += 1
        super().put(func)


class Waiter:
    """As much of a Link as waiting takes."""

    def __init__(self, wakes: WakeQueue) -> None:
        self.wakes = wakes
        self.notified = 0

    def woken(self) -> None:
        self.notified += 1

    def wake(self) -> None:
        self.wakes.put(self.woken)


def waiter(wakes: WakeQueue) -> Any:
    return cast(Link, Waiter(wakes))


def test_a_send_wakes_each_runtime_once_however_many_wait() -> None:
    room: Broadcast[int] = Broadcast()
    runtimes = [CountingQueue() for _ in range(3)]
    links = [waiter(runtime) for runtime in runtimes for _ in range(2000)]
    subscriptions = [room.subscribe() for _ in links]
    for subscription, link in zip(subscriptions, links, strict=True):
        subscription.attach(link)
    assert room.send(1) == 6000
    assert [(runtime.puts, runtime.kicks) for runtime in runtimes] == [(1, 1)] * 3
    for runtime in runtimes:
        runtime.run()
    assert {link.notified for link in links} == {1}


def test_many_sends_before_the_loop_comes_wake_it_once() -> None:
    waiters, runtime = Waiters(RLock()), CountingQueue()
    link = waiter(runtime)
    waiters.add(link)
    for _ in range(10):
        waiters.wake()
    runtime.run()
    waiters.wake()
    runtime.run()
    assert (runtime.puts, runtime.kicks, link.notified) == (2, 2, 2)


def test_a_link_that_waits_twice_is_woken_once_and_stays_until_it_waits_no_more() -> None:
    waiters, runtime = Waiters(RLock()), CountingQueue()
    link = waiter(runtime)
    waiters.add(link)
    waiters.add(link)
    waiters.remove(link)
    waiters.wake()
    runtime.run()
    assert link.notified == 1
    waiters.remove(link)
    waiters.wake()
    assert runtime.puts == 1


def test_who_comes_while_a_wake_up_is_under_way_is_woken_too() -> None:
    waiters, runtime = Waiters(RLock()), CountingQueue()
    first, second = waiter(runtime), waiter(runtime)
    waiters.add(first)
    waiters.wake()
    waiters.add(second)
    waiters.wake()
    runtime.run()
    assert (first.notified, second.notified) == (1, 1)


def test_nobody_waits_nobody_is_woken() -> None:
    room: Broadcast[int] = Broadcast()
    runtime = CountingQueue()
    with room.subscribe() as subscription:
        link = waiter(runtime)
        subscription.attach(link)
        subscription.detach(link)
        room.send(1)
    assert runtime.puts == 0
    assert not room._waiters._runtimes, "a server that has ended must not be held by a room"


def test_closing_a_subscription_wakes_who_waits_on_it() -> None:
    room: Broadcast[int] = Broadcast()
    runtime = CountingQueue()
    with room.subscribe() as one, room.subscribe() as other:
        link = waiter(runtime)
        one.attach(link)
        other.close()
        assert runtime.puts == 0
        one.close()
        runtime.run()
        assert link.notified == 1
        one.detach(link)


def test_who_expects_a_wake_up_has_one_and_no_more() -> None:
    waiters, runtime = Waiters(RLock()), CountingQueue()
    once, lasting = waiter(runtime), waiter(runtime)
    waiters.expect(once)
    waiters.expect(once)
    waiters.add(lasting)
    waiters.add(once)
    for notified in ((1, 1), (2, 2)):
        waiters.wake()
        runtime.run()
        assert (once.notified, lasting.notified) == notified
    waiters.remove(once)
    waiters.remove(lasting)
    assert not waiters._runtimes
    waiters.expect(once)
    waiters.wake()
    runtime.run()
    assert once.notified == 3
    assert not waiters._runtimes, "no link is left"
    waiters.expect(once)
    assert waiters.forget(once)
    assert not waiters.forget(once)
    waiters.drop_if_idle(runtime)
    waiters.wake()
    assert not waiters._runtimes
    assert runtime.puts == 3


def test_a_subscription_expects_only_when_it_has_nothing() -> None:
    room: Broadcast[int] = Broadcast()
    runtime = CountingQueue()
    link = waiter(runtime)
    with room.subscribe() as subscription:
        room.send(1)
        assert subscription.poll(link) == 1
        room.send(2)
        assert runtime.puts == 0, "it had an item, and waits for nothing"
        assert [subscription.poll(link), subscription.poll(link)] == [2, PENDING]
        room.send(3)
        room.send(4)
        runtime.run()
        assert (runtime.puts, link.notified) == (1, 1)
        room.send(5)
        assert runtime.puts == 1, "it was woken, and did not ask again"


@pytest.mark.parametrize("how", ["closed", "dropped"])
def test_a_subscription_that_is_over_holds_nobody(how: str) -> None:
    room: Broadcast[int] = Broadcast()
    runtime = CountingQueue()
    link = waiter(runtime)
    subscription, other = room.subscribe(), room.subscribe()
    assert subscription.poll(link) is other.poll(link) is PENDING
    alive = weakref.ref(link)
    if how == "closed":
        subscription.close()
    else:
        del subscription
        gc.collect()
    runtime.run()
    assert link.notified == 1, "the other of its subscriptions has to be asked again"
    assert other.poll(link) is PENDING
    other.close()
    runtime.run()
    assert not room._waiters._runtimes
    del link
    gc.collect()
    assert alive() is None


def test_a_subscription_that_two_handlers_share_is_closed_for_both() -> None:
    room: Broadcast[int] = Broadcast()
    runtimes = CountingQueue(), CountingQueue()
    links = [waiter(runtime) for runtime in runtimes]
    subscription = room.subscribe()
    assert [subscription.poll(link) for link in links] == [PENDING, PENDING]
    subscription.close()
    for runtime in runtimes:
        runtime.run()
    assert all(link.notified for link in links)
    assert subscription.poll(links[0]) is ENDED


def test_what_a_finalizer_sends_while_a_subscription_looks_wakes_who_is_about_to_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    room: Broadcast[str] = Broadcast()
    runtime = CountingQueue()
    link = waiter(runtime)
    expect = Waiters.expect

    def interrupted(waiters: Waiters, waiting: Link) -> None:
        room.send("from a finalizer")  # As the garbage collector may, at any allocation.
        expect(waiters, waiting)

    monkeypatch.setattr(Waiters, "expect", interrupted)
    with room.subscribe() as subscription:
        assert subscription.poll(link) is PENDING
        runtime.run()
        assert link.notified == 1
        assert subscription.poll() == "from a finalizer"


def test_a_subscription_that_vanishes_takes_no_runtime_from_who_is_about_to_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    room: Broadcast[int] = Broadcast()
    runtime = CountingQueue()
    vanishing = [room.subscribe()]
    assert vanishing[0].poll(waiter(runtime)) is PENDING
    find = Waiters._runtime

    def interrupted(waiters: Waiters, wakes: WakeQueue) -> RuntimeWaiters:
        found = find(waiters, wakes)
        vanishing.clear()  # As the garbage collector may, at any call.
        return found

    monkeypatch.setattr(Waiters, "_runtime", interrupted)
    link = waiter(runtime)
    with room.subscribe() as subscription:
        subscription.attach(link)
        assert room.send(1) == 1
        runtime.run()
        assert link.notified == 1
        subscription.detach(link)
    assert not room._waiters._runtimes
