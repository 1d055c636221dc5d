"""Finding a route costs the same however many there are: counted in steps, never timed.

The tables are those of benchmarks/router.py, which measures what a count cannot see: the work
inside of a dict or of an expression.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from tests.benchmark_module import load

benchmark = load("router")


def steps(func: Callable[[], object]) -> int:
    """Lines of Python that a call runs, those of what it calls included."""
    count = 0

    def trace(frame: FrameType, event: str, arg: object) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    gc.disable()  # Callbacks of a collection run lines too: hypothesis has one.
    sys.settrace(trace)
    try:
        func()
    finally:
        sys.settrace(before)
        gc.enable()
    return count


def test_steps_are_counted() -> None:
    def loop(turns: int) -> None:
        for _ in range(turns):
            str(turns)

    assert 2 * 90 <= steps(lambda: loop(100)) - steps(lambda: loop(10)) <= 2 * 91


@pytest.mark.parametrize("kind", benchmark.KINDS)
def test_the_number_of_routes_costs_no_step(kind: str) -> None:
    # Whole groups of "six classes at one place", or its last one would lack some.
    few, many, most = (steps(benchmark.make(kind, size).find) for size in (6, 120, 3000))
    assert few == many == most


def test_a_static_route_costs_the_fewest() -> None:
    costs = {kind: steps(benchmark.make(kind, 100).find) for kind in benchmark.KINDS}
    assert min(costs, key=costs.__getitem__) == "static"
    assert costs["static"] < 10


def test_the_list_that_it_replaces_costs_a_step_for_each_route() -> None:
    # So the count would see it, if the tree came to such a thing.
    few, many = (steps(benchmark.make("static", size).find_in_list) for size in (10, 1000))
    assert many - few >= 900
