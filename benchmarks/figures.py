"""From samples to ratios: the median over the rounds, and the least and the most of them.

A ratio is always taken within one round, so that what slowed the whole machine cancels out.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from peers import BARE, MAIN, PEERS

SATURATED = 0.9
"""A server that was busy for less of its core waited for its load: its ratio is a lower bound."""

Samples = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Ratio:
    """Over the rounds."""

    median: float
    least: float
    most: float

    def __str__(self) -> str:
        return f"{number(self.median)} ({number(self.least)}–{number(self.most)})"


def number(value: float) -> str:
    """Three digits, not more: the spread seldom deserves as many."""
    if value >= 100:
        return f"{value:.0f}"
    if value >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if value >= 0.1 else f"{value:.3f}"


def beside(found: Ratio, wanted: float) -> str:
    """The ratio with as many digits as it takes to see on which side of `wanted` it is."""
    shown, digits = number(found.median), 3
    while found.median < wanted <= float(shown) and digits < 6:
        shown = f"{found.median:.{digits}f}"
        digits += 1
    return f"{shown} ({number(found.least)}–{number(found.most)})"


def ratio(values: Iterable[float]) -> Ratio | None:
    found = list(values)
    return Ratio(statistics.median(found), min(found), max(found)) if found else None


def per_round(samples: Samples, work: str, peer: str, key: str = "rate") -> dict[int, float]:
    return {e["round"]: e[key] for e in samples if (e["work"], e["peer"]) == (work, peer)}


def against(
    samples: Samples, work: str, peer: str, other: str, *, other_work: str = "", key: str = "rate"
) -> Ratio | None:
    """`peer` at `work`, divided by `other` in the same round."""
    mine = per_round(samples, work, peer, key)
    theirs = per_round(samples, other_work or work, other, key)
    return ratio(mine[turn] / theirs[turn] for turn in mine if theirs.get(turn))


def of_bare(samples: Samples, work: str, peer: str) -> Ratio | None:
    """Against the bare protocol's plaintext, whatever the work."""
    return against(samples, work, peer, BARE, other_work="plaintext")


def unit(samples: Samples, work: str) -> str:
    """Which of our peers is 1 in a work: the usual one, or the first that there is for it."""
    there = {e["peer"] for e in samples if e["work"] == work}
    return next((name for name in (MAIN, *PEERS) if name in there and PEERS[name].ours), MAIN)


def of_ours(samples: Samples, work: str, peer: str) -> Ratio | None:
    return against(samples, work, peer, unit(samples, work))


def core_time(samples: Samples, work: str, peer: str, other: str = "") -> Ratio | None:
    """Seconds of its core for one request or message, against another's: fair to who waited.

    other: ours if it is not given.
    """
    mine, ours = (
        {
            e["round"]: e["core"] / e["requests"]
            for e in samples
            if (e["work"], e["peer"]) == (work, p)
        }
        for p in (peer, other or unit(samples, work))
    )
    return ratio(mine[turn] / ours[turn] for turn in mine if ours.get(turn))


def busy(samples: Samples, work: str, peer: str) -> float:
    return statistics.median(per_round(samples, work, peer, "busy").values())


def peers_of(samples: Samples, work: str) -> list[str]:
    """Fastest first, by the ratio that is shown; by the rate where we did not take part."""

    def rank(peer: str) -> float:
        shown = of_ours(samples, work, peer)
        return shown.median if shown else statistics.median(per_round(samples, work, peer).values())

    return sorted({e["peer"] for e in samples if e["work"] == work}, key=rank, reverse=True)


def disturbed(samples: Samples) -> float:
    """The share of samples at full load in which neither server nor load could use its core."""
    full = [e for e in samples if not e["work"].startswith("latency")]
    idle = [e for e in full if max(e["busy"], e["load_busy"]) < SATURATED]
    return len(idle) / len(full) if full else 0.0


def works_of(samples: Samples) -> list[str]:
    return list(dict.fromkeys(e["work"] for e in samples))
