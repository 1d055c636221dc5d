"""What finding a route costs with 1, 100 and 10,000 of them.

    python benchmarks/router.py [ROUNDS]

Everything is timed in turn, round after round, in CPU time of one process. Every figure is a ratio
within its round: the median over the rounds and, behind it, the middle half of them. No figure is a
time: machines differ, and so do their moods. tests/routing/test_router_cost.py guards the same
tables by counting steps.
"""

from __future__ import annotations

import re
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from anylane import Router
from anylane.routing.route_table import RouteTable

SIZES = (1, 100, 10_000)

_CLASSES = ("{plain}", "fixed", "{u:uuid}", "{i:int}", "{f:float}", "{r:[a-z]+}")

KINDS: dict[str, tuple[Callable[[int], str], Callable[[int], str]]] = {
    "static": (
        lambda n: f"/api/v1/things{n}/all",
        lambda n: f"/api/v1/things{n}/all",
    ),
    "dynamic, told apart early": (
        lambda n: f"/things{n}/{{id:int}}/parts/{{part}}",
        lambda n: f"/things{n}/7/parts/wheel",
    ),
    "dynamic, told apart late": (
        lambda n: f"/{{tenant}}/{{id:int}}/parts/things{n}",
        lambda n: f"/acme/7/parts/things{n}",
    ),
    "regex": (
        lambda n: f"/things{n}/{{key:[a-z]+-[0-9]+}}",
        lambda n: f"/things{n}/abc-123",
    ),
    "tail": (
        lambda n: f"/things{n}/{{rest:path}}",
        lambda n: f"/things{n}/a/b/c",
    ),
    "six classes at one place": (
        lambda n: f"/things{n // 6}/{_CLASSES[n % 6]}",
        lambda n: f"/things{n // 6}/PLAIN",
    ),
    "no such path": (
        lambda n: f"/{{tenant}}/{{id:int}}/parts/things{n}",
        lambda n: f"/acme/7/parts/nothing{n}",
    ),
}
"""Route number n, and a path for it."""


@dataclass
class Work:
    """A table, and a path for its last route: the one that a list would find last."""

    table: RouteTable
    patterns: tuple[str, ...]
    path: str

    @cached_property
    def expressions(self) -> list[re.Pattern[str]]:
        """The road not taken: one regular expression after the other."""
        return [_expression(text) for text in self.patterns]

    def find(self) -> object:
        return self.table.resolve("GET", self.path)

    def find_in_list(self) -> object:
        path = self.path
        return next((each for each in self.expressions if each.fullmatch(path)), None)


def make(kind: str, size: int) -> Work:
    """The first `size` routes of that kind."""
    pattern, path = KINDS[kind]
    router = Router()
    patterns = tuple(pattern(number) for number in range(size))
    for text in patterns:
        router.get(text)(_handler)
    work = Work(RouteTable(router.routes), patterns, path(size - 1))
    assert (work.find() is None) is (kind == "no such path")
    return work


def _handler(ctx: object) -> None:
    """Is never called."""


def _expression(pattern: str) -> re.Pattern[str]:
    named = {
        "": "[^/]+",
        "int": "[0-9]+",
        "float": "[0-9.]+",
        "uuid": "[0-9a-f-]{36}",
        "path": ".*",
    }

    def group(parameter: re.Match[str]) -> str:
        return f"({named.get(parameter[1], parameter[1])})"

    return re.compile(re.sub(r"\{\w+:?([^}]*)\}", group, pattern))


def timed(func: Callable[[], object], seconds: float = 0.002) -> float:
    """CPU seconds of one call, over as many calls as fill some time."""
    calls = 0
    began = now = time.process_time()
    while now - began < seconds:
        for _ in range(20):
            func()
        calls += 20
        now = time.process_time()
    return (now - began) / calls


def measure(rounds: int) -> dict[tuple[str, str], list[float]]:
    """Ratios by (kind, what), one a round."""
    works = {(kind, size): make(kind, size) for kind in KINDS for size in SIZES}
    ratios: dict[tuple[str, str], list[float]] = {}
    for done in range(rounds):
        print(f"\rround {done + 1} of {rounds}", end="", file=sys.stderr, flush=True)
        unit = timed(works["static", 1].find)
        for kind in KINDS:
            times = {size: timed(works[kind, size].find) for size in SIZES}
            work = works[kind, 100]
            assert (work.find_in_list() is None) is (work.find() is None)
            listed = timed(work.find_in_list)
            figures = {
                "1": times[1] / unit,
                "100 : 1": times[100] / times[1],
                "10,000 : 1": times[10_000] / times[1],
                "list of 100": listed / times[100],
            }
            for what, ratio in figures.items():
                ratios.setdefault((kind, what), []).append(ratio)
    print(file=sys.stderr)
    return ratios


def table(ratios: dict[tuple[str, str], list[float]]) -> str:
    columns = {
        "1": "1 route, to 1 static route",
        "100 : 1": "100 routes, to 1",
        "10,000 : 1": "10,000 routes, to 1",
        "list of 100": "100 expressions in a list, to 100 routes",
    }
    lines = [f"| | {' | '.join(columns.values())} |", "|---" + "|---:" * len(columns) + "|"]
    for kind in KINDS:
        cells = []
        for what in columns:
            low, median, high = statistics.quantiles(ratios[kind, what], n=4)
            cells.append(f"{median:.2f} ({low:.2f} to {high:.2f})")
        lines.append(f"| {kind} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 31)))
