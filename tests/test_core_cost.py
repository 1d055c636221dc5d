"""What a request costs the core: counted in calls of Python functions, never timed.

The cases are those of benchmarks/core.py, which measures what a count cannot see. A number here is
what it was when somebody last made it smaller, with a little room for the versions of Python; a
change that needs more says why.
"""

from __future__ import annotations

import sys

import pytest

from tests.benchmark_module import load

MOST = {
    "plaintext": 31,
    "JSON": 32,
    "route, three middleware": 47,
    "the same, heads differ": 61,
    "JSON echoed, three middleware": 55,
    "browser's headers": 47,
    "browser's headers, heads differ": 61,
    "16 pipelined": 16 * 25,
    "WebSocket echo, 64 B": 30,
    "WebSocket echo, 4 of 64 B at once": 45,
    "WebSocket echo, 4 KiB": 37,
}
"""Calls inside of anylane from the arrival of the data to the answer."""

MOST_EACH = {
    ("WebSockets", 1): 36,
    ("WebSockets", 4): 16,
    ("server-sent events", 1): 41,
    ("server-sent events", 4): 23,
}
"""For one item and one receiver of a broadcast, where so many items are sent together."""

pytestmark = pytest.mark.skipif(
    sys.version_info < (3, 12), reason="without eager tasks handlers begin in the loop's next turn"
)

benchmark = load("core")


def test_every_case_has_its_number() -> None:
    assert MOST.keys() == benchmark.CASES.keys()


@pytest.mark.parametrize("case", MOST)
def test_a_request_enters_no_more_functions_than_that(case: str) -> None:
    entered = benchmark.calls(case)
    assert len(entered) <= MOST[case], "\n".join(entered)


@pytest.mark.parametrize("case", MOST)
def test_the_number_is_not_out_of_date(case: str) -> None:
    # A number far above the count would let a slow change pass.
    assert len(benchmark.calls(case)) > MOST[case] * 0.7


@pytest.mark.parametrize(("crowd", "items"), MOST_EACH)
def test_a_receiver_of_a_broadcast_enters_no_more_functions_than_that(
    crowd: str, items: int
) -> None:
    entered = benchmark.each(crowd, items)
    assert MOST_EACH[crowd, items] * 0.7 < entered <= MOST_EACH[crowd, items]


def test_the_count_is_always_the_same() -> None:
    assert benchmark.calls("plaintext") == benchmark.calls("plaintext")


def test_heads_that_differ_cost_hardly_more() -> None:
    # The lane remembers heads; a load that never repeats one must not fall off a cliff.
    same = len(benchmark.calls("browser's headers"))
    assert len(benchmark.calls("browser's headers, heads differ")) <= same + 17
