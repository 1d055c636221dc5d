"""What ready-made parts add to a request: counted, never timed, as in test_core_cost.py.

A number here is what it was when it was last made smaller, with a little room for the versions of
Python; a change that needs more says why.
"""

from __future__ import annotations

import pytest

from tests.benchmark_module import load
from tests.test_core_cost import EAGER, LATER, LATER_WORK

pytestmark = pytest.mark.lanes

benchmark = load("part_costs")
MAX = {
    "0 parts": (31, 7.7),
    "3 parts": (92, 13.5),
    "10 parts": (226, 27.2),
    "OpenTelemetry": (95, 14.8),
}
"""Calls inside of anylane, and instructions, the reference loop's = 1."""


@pytest.mark.parametrize("name", MAX)
def test_a_request_with_parts_enters_no_more_functions_than_that(name: str) -> None:
    entered, most = benchmark.calls(name), MAX[name][0] + LATER * (not EAGER)
    assert most * 0.7 < len(entered) <= most, "\n".join(entered)


@pytest.mark.parametrize("name", MAX)
def test_a_request_with_parts_executes_no_more_instructions_than_that(name: str) -> None:
    most = MAX[name][1] + LATER_WORK * (not EAGER)
    assert most * 0.7 < benchmark.work(name) <= most
