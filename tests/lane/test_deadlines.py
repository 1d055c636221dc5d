"""One heap of deadlines for a lane without timers of its own."""

from __future__ import annotations

from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from anylane.lane.deadlines import Deadlines


def test_deadlines_fire_at_their_time_in_order_and_once():
    fired: list[str] = []
    deadlines = Deadlines()
    for name, at in [("b", 2), ("a", 1), ("c", 2)]:
        deadlines.arm(at, partial(fired.append, name))
    assert deadlines.next() == 1
    deadlines.fire(0.999)
    assert fired == []
    deadlines.fire(2)
    assert fired == ["a", "b", "c"]
    deadlines.fire(9)
    assert fired == ["a", "b", "c"]
    assert deadlines.next() is None


def test_a_cancelled_deadline_neither_fires_nor_counts():
    deadlines, fired = Deadlines(), []
    first = deadlines.arm(1, lambda: fired.append(1))
    deadlines.arm(2, lambda: fired.append(2))
    first.cancel()
    assert deadlines.next() == 2
    deadlines.fire(2)
    assert fired == [2]


def test_what_is_armed_while_firing_waits_for_the_next_call():
    deadlines, fired = Deadlines(), []

    def again():
        fired.append(1)
        deadlines.arm(0, again)

    deadlines.arm(0, again)
    deadlines.fire(1)
    assert fired == [1]


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans())))
def test_what_is_left_fires_in_order(rows):
    fired: list[int] = []
    deadlines = Deadlines()
    for at, cancelled in rows:
        deadline = deadlines.arm(at, partial(fired.append, at))
        if cancelled:
            deadline.cancel()
    deadlines.fire(9)
    assert fired == sorted(at for at, cancelled in rows if not cancelled)
