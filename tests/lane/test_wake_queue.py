"""Many wake-ups, one wake-up of the loop."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial

import pytest

from anylane.lane.wake_queue import WakeQueue


def test_any_number_of_functions_kick_once():
    kicks: list[int] = []
    ran: list[int] = []
    queue = WakeQueue(lambda: kicks.append(1))
    for number in range(3):
        queue.put(partial(ran.append, number))
    assert (len(kicks), bool(queue)) == (1, True)
    queue.run()
    assert (ran, bool(queue)) == ([0, 1, 2], False)


def test_after_a_run_the_next_one_kicks_again():
    kicks: list[int] = []
    queue = WakeQueue(lambda: kicks.append(1))
    queue.put(lambda: None)
    queue.run()
    queue.put(lambda: None)
    assert len(kicks) == 2


def test_what_is_put_while_running_waits_for_the_next_run():
    kicks, ran = [], []
    queue = WakeQueue(lambda: kicks.append(1))
    queue.put(lambda: queue.put(lambda: ran.append(1)))
    queue.run()
    assert (ran, len(kicks)) == ([], 2)
    queue.run()
    assert ran == [1]


def test_running_an_empty_queue_is_harmless():
    WakeQueue(lambda: None).run()


def test_what_raises_does_not_hold_up_the_others():
    kicks, ran = [], []
    queue = WakeQueue(lambda: kicks.append(1))
    queue.put(lambda: 1 / 0)
    queue.put(lambda: ran.append(1))
    with pytest.raises(ZeroDivisionError):
        queue.run()
    assert len(kicks) == 2
    queue.run()
    assert ran == [1]


def test_a_kick_that_found_nothing_to_run_is_not_forgotten():
    """A lane that is awake needs no kick. Between what is put and the kick it may have run it: then
    it must not go to sleep before it has run once more, for until then nothing kicks."""
    kicks: list[int] = []
    queue = WakeQueue(lambda: kicks.append(1))

    class Overtaken(deque[Callable[[], object]]):
        def append(self, func: Callable[[], object]) -> None:
            super().append(func)
            queue.run()

    queue._queue, put = Overtaken(), lambda: queue.put(lambda: None)
    put()
    assert (len(kicks), len(queue._queue), bool(queue)) == (1, 0, True)
    queue.run()
    assert not queue
    put()
    assert len(kicks) == 2
