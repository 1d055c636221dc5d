"""What the report of the benchmarks says of a target agrees with the figure beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.benchmark_module import load


@pytest.fixture
def targets(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "benchmarks")
    return load("targets")


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "benchmarks")
    return load("figures")


@pytest.mark.parametrize(
    ("rounds", "shown", "verdict"),
    [
        ((0.9, 0.997, 1.1), "0.997 (0.90–1.10)", "**missed**, but not in every round"),
        ((0.9, 0.99996, 0.99999), "0.99996 (0.90–1.00)", "**missed**"),
        ((0.9, 1.0, 1.1), "1.00 (0.90–1.10)", "met, but not in every round"),
        ((1.0, 1.001, 1.1), "1.00 (1.00–1.10)", "met"),
        ((0.5, 0.6, 0.7), "0.60 (0.50–0.70)", "**missed**"),
    ],
)
def test_a_target_that_is_missed_never_looks_met(
    targets: Any, figures: Any, rounds: tuple[float, ...], shown: str, verdict: str
) -> None:
    target = targets.Target("as fast as that", "plaintext", "ours", 1.0)
    found = figures.ratio(rounds)
    assert figures.beside(found, target.factor) == shown
    assert targets.verdict(target, found) == verdict


def test_a_target_that_nobody_measured_is_neither_met_nor_missed(targets: Any) -> None:
    rows = list(targets.answers([]))
    assert [found for _, _, found, _ in rows] == [None] * len(targets.TARGETS)
    assert {targets.verdict(target, found) for target, _, found, _ in rows} == {"not measured"}
