"""One queue entry and one wake-up for each runtime and call, however many wait."""

from __future__ import annotations

from _thread import RLock
from collections.abc import Callable
from typing import Any, cast

from anylane import Broadcast
from anylane.link import Link
from anylane.waiters import Waiters
from anylane.wake_queue import WakeQueue


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
