"""Timers and alarms: due exactly at their time, earliest first, one at a time."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import pytest

from anylane.errors import UsageError
from anylane.protocol.timers import NEVER, Alarms, Timer, Timers, deadline_after


def test_nothing_is_due_before_its_time_and_everything_at_it():
    timers = Timers()
    assert timers.next() == NEVER
    timers.set(Timer.HEAD, 5)
    assert timers.next() == 5
    assert timers.take_due(4.999) is None
    assert timers.take_due(5) is Timer.HEAD
    assert timers.take_due(5) is None
    assert not timers.is_set(Timer.HEAD)


def test_what_is_due_comes_earliest_first_and_may_clear_the_rest():
    timers = Timers()
    timers.set(Timer.HEAD, 3)
    timers.set(Timer.DRAIN, 1)
    timers.set(Timer.BODY, 1)
    assert timers.take_due(9) is Timer.BODY
    assert timers.take_due(9) is Timer.DRAIN
    timers.clear_all()
    assert timers.take_due(9) is None


def test_setting_again_replaces():
    timers = Timers()
    timers.set(Timer.PING, 1)
    timers.set(Timer.PING, 2)
    assert timers.take_due(1) is None
    timers.clear(Timer.PING)
    assert timers.next() == NEVER


def test_clearing_all_may_keep_some():
    timers = Timers()
    timers.set(Timer.HEAD, 1)
    timers.set(Timer.DRAIN, 2)
    timers.clear_all(Timer.DRAIN, Timer.WRITE_STALL)
    assert timers.next() == 2
    assert not timers.is_set(Timer.WRITE_STALL)


def test_alarms_fire_in_the_order_of_their_deadlines():
    alarms, fired = Alarms(), []
    late = alarms.set(2, lambda: fired.append("late"))
    early = alarms.set(1, lambda: fired.append("early"))
    silent = alarms.set(2)
    assert alarms.next() == 1
    alarms.fire(0.999)
    assert fired == []
    alarms.fire(2)
    assert fired == ["early", "late"]
    assert early.fired and late.fired and silent.fired
    assert alarms.next() == NEVER


def test_a_cancelled_alarm_does_not_fire_and_cancelling_twice_is_harmless():
    alarms = Alarms()
    alarm = alarms.set(1)
    alarms.cancel(alarm)
    alarms.cancel(alarm)
    alarms.fire(9)
    assert not alarm.fired
    other = alarms.set(1)
    alarms.fire(1)
    alarms.cancel(other)
    assert other.fired


def test_an_alarm_may_set_another_from_its_callback():
    alarms = Alarms()

    def again():
        alarms.set(2)

    alarms.set(1, again)
    alarms.fire(1)
    assert alarms.next() == 2


def test_cleared_alarms_are_forgotten():
    alarms = Alarms()
    alarms.set(1)
    alarms.clear()
    assert alarms.next() == NEVER


@pytest.mark.parametrize("seconds", ["5", None, math.nan, 10**400, [1], object()])
def test_a_time_that_is_no_number_of_seconds_is_refused(seconds: Any) -> None:
    with pytest.raises(UsageError, match="expected seconds, an int or a float"):
        deadline_after(1.5, seconds)


@pytest.mark.parametrize("seconds", [0, -1, 2.5, math.inf, Fraction(1, 2), True])
def test_what_can_be_added_to_a_clock_is_a_time(seconds: Any) -> None:
    assert deadline_after(1.5, seconds) == 1.5 + seconds
