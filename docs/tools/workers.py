"""Draw the figures of docs/workers.md from what `make losses`, `make spread` and
`make interpreters` have saved."""

from __future__ import annotations

import json
from typing import Any

from drawn import ROOT, draw

RESULTS = ROOT / "benchmarks" / "results"


def saved(name: str) -> dict[str, Any]:
    """Return a file of results."""
    found: dict[str, Any] = json.loads((RESULTS / name).read_text(encoding="utf-8"))
    return found


def losses() -> str:
    """Return the table of what clients lost."""
    found = saved("losses.json")
    head = (
        f"{found['backend']}, 2 workers, {found['clients']} clients, Python {found['python']}, "
        f"{found['cpus']} CPUs:"
    )
    rows = [
        f"| {row['what']} | {row['requests']:,} | {row['lost']} | {row['refused']} | "
        f"{row['note']} |"
        for row in found["rows"]
    ]
    columns = "| what happens | requests | lost | refused | |", "|---|---:|---:|---:|---|"
    return _table(head, *columns, *rows).replace("|  |", "| |")


def spread() -> str:
    """Return the table of how connections are spread."""
    found = saved("spread.json")
    head = f"Python {found['python']}, {found['cpus']} CPUs:"
    columns = ("of 20", "of 20 before", "of 1000", "of 1000 before")
    rows = [
        f"| {row['backend']} | {row['workers']} | "
        f"{' | '.join(_pair(row[each]) for each in columns)} | {row['new connections, ratio']} |"
        for row in found["rows"]
    ]
    return _table(
        head,
        "| lane | workers | 20 at once | alone | 1,000 at once | alone | new connections, ratio |",
        "|---|---:|---|---|---|---|---:|",
        *rows,
    )


def interpreters() -> str:
    """Return the table of two kinds of workers."""
    found = saved("interpreters.json")
    head = f"asyncio, Python {found['python']}, {found['cpus']} CPUs:"
    rows = [
        f"| {row['workers']} | {row['kind']} | {row['ratio']} | {row['memory']} | "
        f"{max(0, round(row['each renewal']))} |"
        for row in found["rows"]
    ]
    return _table(
        head,
        "| workers | kind | requests that compute, ratio | MB | MB more for each renewal |",
        "|---:|---|---:|---:|---:|",
        *rows,
    )


def _table(head: str, *lines: str) -> str:
    return "\n".join([head, "", *lines])


def _pair(counts: list[int]) -> str:
    return f"{counts[0]} : {counts[1]}"


if __name__ == "__main__":
    draw("workers.md", {"losses": losses, "spread": spread, "interpreters": interpreters})
