"""What a request costs the core: counted in calls of Python functions and in bytecode
instructions, these as a ratio to a fixed loop in the same run; never timed.

The cases are those of benchmarks/core.py, which measures what a count cannot see. A number here is
what it was when it was last made smaller, with a little room for the versions of Python; a
change that needs more says why.
"""

from __future__ import annotations

import sys

import pytest

from tests.benchmark_module import load

pytestmark = pytest.mark.lanes

MAX_CALLS = {
    "plaintext": 31,
    "JSON": 32,
    "a parameter of ctx": 32,
    "a typed parameter": 33,
    "typed query, body, answer": 75,
    "route, three middleware": 47,
    "the same, heads differ": 58,
    "JSON echoed, three middleware": 55,
    "browser's headers": 47,
    "browser's headers, heads differ": 58,
    "16 pipelined": 16 * 25,
    "WebSocket echo, 64 B": 30,
    "WebSocket echo, 4 of 64 B at once": 45,
    "WebSocket echo, 4 KiB": 37,
}
"""Calls inside of anylane from the arrival of the data to the answer."""

MAX_CALLS_EACH = {
    ("WebSockets", 1): 36,
    ("WebSockets", 4): 16,
    ("server-sent events", 1): 41,
    ("server-sent events", 4): 23,
    ("relayed to WebSockets", 1): 14,
    ("relayed to WebSockets", 4): 3.9,
    ("relayed as server-sent events", 1): 14,
    ("relayed as server-sent events", 4): 3.9,
}
"""For one item and one receiver of a broadcast, where so many items are sent together."""

MAX_WORK = {
    "plaintext": 7.1,
    "JSON": 7.2,
    "a parameter of ctx": 7.4,
    "a typed parameter": 7.4,
    "typed query, body, answer": 14.2,
    "route, three middleware": 9.2,
    "the same, heads differ": 12.5,
    "JSON echoed, three middleware": 10.4,
    "browser's headers": 9.2,
    "browser's headers, heads differ": 12.5,
    "16 pipelined": 6.2,
    "WebSocket echo, 64 B": 5.2,
    "WebSocket echo, 4 of 64 B at once": 2.45,
    "WebSocket echo, 4 KiB": 6.6,
}
"""Instructions inside of anylane for one request, the reference loop's = 1."""

LATER, LATER_WORK = 12, 1.5
"""More of both on Python 3.11, where no task is eager: a handler begins in the loop's next turn."""

TYPED = "anylane.typed"

benchmark = load("core")
EAGER = sys.version_info >= (3, 12)
# Where handlers begin later, the sixteen are not answered by one write.
CASES = [case for case in MAX_CALLS if EAGER or case != "16 pipelined"]


def begins_later(case: str) -> bool:
    return not EAGER and not case.startswith("WebSocket")


def test_every_case_has_its_number() -> None:
    assert MAX_CALLS.keys() == MAX_WORK.keys() == benchmark.CASES.keys()


# A number far above the count would let a slow change pass: hence the lower bounds.


@pytest.mark.parametrize("case", CASES)
def test_a_request_enters_no_more_functions_than_that(case: str) -> None:
    entered, most = benchmark.calls(case), MAX_CALLS[case] + LATER * begins_later(case)
    assert most * 0.7 < len(entered) <= most, "\n".join(entered)


@pytest.mark.parametrize("case", CASES)
def test_a_request_executes_no_more_instructions_than_that(case: str) -> None:
    most = MAX_WORK[case] + LATER_WORK * begins_later(case)
    assert most * 0.7 < benchmark.work(case) <= most


@pytest.mark.parametrize(("crowd", "items"), MAX_CALLS_EACH)
def test_a_receiver_of_a_broadcast_enters_no_more_functions_than_that(
    crowd: str, items: int
) -> None:
    entered = benchmark.each(crowd, items)
    assert MAX_CALLS_EACH[crowd, items] * 0.7 < entered <= MAX_CALLS_EACH[crowd, items]


def test_the_count_is_always_the_same() -> None:
    assert benchmark.calls("plaintext") == benchmark.calls("plaintext")


def test_a_typed_parameter_of_the_path_costs_one_call() -> None:
    # The function that takes it out of `ctx.params`. The handler's coroutine is the only one.
    by_hand, typed = (
        [each for each in benchmark.calls(case) if each.startswith(("anylane.handling", TYPED))]
        for case in ("a parameter of ctx", "a typed parameter")
    )
    typed.remove(f"{TYPED}.arguments.code:endpoint")
    assert typed == by_hand


def test_heads_that_differ_cost_hardly_more() -> None:
    # The lane remembers heads; a load that never repeats one must not fall off a cliff.
    same = len(benchmark.calls("browser's headers"))
    assert len(benchmark.calls("browser's headers, heads differ")) <= same + 17
