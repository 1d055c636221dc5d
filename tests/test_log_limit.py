"""LogLimit: a flood writes a bounded number of lines, and each is counted, in virtual time."""

from __future__ import annotations

import re
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from anylane.log_limit import MAX_LINES, LogKind, LogLimit
from anylane.request_tag import request_id

CATS = LogKind("cats")
DOGS = LogKind("dogs", lines=1, seconds=60.0)


class Log:
    """A log and its clock."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.lines: list[tuple[str, str]] = []
        self.limit = LogLimit(self._take, lambda: self.now)

    def _take(self, level: str, message: str) -> None:
        self.lines.append((level, message))

    def flood(self, number: int, kind: LogKind = CATS) -> None:
        for each in range(number):
            self.limit.log(kind, "info", f"{kind.name} {each}")

    @property
    def messages(self) -> list[str]:
        return [message for _, message in self.lines]


def test_a_few_lines_are_all_written() -> None:
    log = Log()
    log.flood(MAX_LINES)
    assert log.messages == [f"cats {each}" for each in range(MAX_LINES)]
    assert not log.limit.counting


def test_more_in_a_second_are_counted_and_told_with_the_next() -> None:
    log = Log()
    log.flood(MAX_LINES + 1234)
    assert len(log.lines) == MAX_LINES
    log.now += 0.999
    log.flood(1)
    assert len(log.lines) == MAX_LINES
    log.now += 0.001
    log.flood(1)
    assert log.messages[MAX_LINES:] == ["cats: 1,235 more in the last 1 s", "cats 0"]


def test_a_flood_that_goes_on_writes_so_many_lines_in_each_second() -> None:
    log = Log()
    for _ in range(100):
        log.flood(1000)
        log.now += 0.1
    assert len(log.lines) == 10 * MAX_LINES + 9


def test_the_number_is_told_when_anything_else_happens_behind_the_second() -> None:
    log = Log()
    log.flood(MAX_LINES + 3)
    assert log.limit.counting
    log.limit.tell_due()
    assert len(log.lines) == MAX_LINES
    log.now += 5
    log.limit.tell_due()
    assert log.messages[MAX_LINES:] == ["cats: 3 more in the last 5 s"]
    log.limit.tell_due()
    log.limit.tell_all()
    assert len(log.lines) == MAX_LINES + 1


def test_the_number_is_told_at_the_end() -> None:
    log = Log()
    log.flood(MAX_LINES + 3)
    log.flood(2, DOGS)
    log.limit.tell_all()
    assert log.messages[-2:] == ["cats: 3 more in the last 1 s", "dogs: 1 more in the last 60 s"]


def test_kinds_are_counted_apart_and_each_has_its_own_bound() -> None:
    log = Log()
    log.flood(3, DOGS)
    log.flood(3, CATS)
    assert log.messages == ["dogs 0", "cats 0", "cats 1", "cats 2"]
    log.now += 59
    log.flood(1, DOGS)
    assert len(log.lines) == 4
    log.now += 1
    log.flood(1, DOGS)
    assert log.messages[4:] == ["dogs: 3 more in the last 60 s", "dogs 0"]


def test_the_number_has_the_level_of_its_lines() -> None:
    log = Log()
    for _ in range(3):
        log.limit.log(DOGS, "warning", "bark")
    log.limit.tell_all()
    assert log.lines == [("warning", "bark"), ("warning", "dogs: 2 more in the last 60 s")]


def test_a_clock_that_jumps_back_ends_the_second() -> None:
    log = Log()
    log.flood(MAX_LINES + 5)
    log.now -= 3600
    log.flood(1)
    assert log.messages[MAX_LINES:] == ["cats: 5 more in the last 1 s", "cats 0"]


@dataclass(frozen=True)
class Event:
    number: int
    seconds: float
    due: bool


events = st.builds(
    Event, st.integers(0, 40), st.sampled_from((0.0, 0.1, 0.999, 1.0, 7.0, -50.0)), st.booleans()
)


@given(st.lists(events))
def test_every_line_is_written_or_counted(played: list[Event]) -> None:
    log = Log()
    for event in played:
        log.flood(event.number)
        log.now += event.seconds
        if event.due:
            log.limit.tell_due()
    log.limit.tell_all()
    told = [re.fullmatch(r"cats: ([\d,]+) more in the last \d+ s", each) for each in log.messages]
    counted = [int(found[1].replace(",", "")) for found in told if found]
    assert len(log.lines) - len(counted) + sum(counted) == sum(each.number for each in played)


def test_the_number_of_lines_is_told_in_no_requests_context() -> None:
    log, seen = Log(), []
    log.limit = LogLimit(
        lambda _level, message: seen.append((message, request_id.get())), lambda: log.now
    )
    before = request_id.set("one")
    try:
        log.flood(MAX_LINES + 1)
        log.now += 1
        log.flood(1)
    finally:
        request_id.reset(before)
    assert seen[-2:] == [("cats: 1 more in the last 1 s", None), ("cats 0", "one")]
