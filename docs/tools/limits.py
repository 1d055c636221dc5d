"""Draw docs/limits.md from the settings, their reasons, and the rows of tests/whole/test_limits.py.

What the page says happens at a limit is what the row of the tests has seen happen.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from configuration import shown
from drawn import ROOT, draw, load

from anylane import Limits, ServerConfig, Timeouts
from anylane_backends.hosting.cli.flags import reasons

TESTS = ROOT / "tests" / "whole" / "test_limits.py"


def rows() -> dict[str, list[Any]]:
    """Return for each setting the rows that show it, in the order of the tests."""
    found: dict[str, list[Any]] = defaultdict(list)
    for row in load(TESTS).ROWS:
        found[row.setting].append(row)
    return found


HEAD = (
    "| limit | default | within | beyond | shown by | on every lane |",
    "|---|---:|---|---|---|---|",
)


def table(settings: Iterable[tuple[str, Any, str]]) -> str:
    """Return the table of these settings.

    settings: name, default and reason of each.
    """
    found = rows()
    lines = [*HEAD]
    for name, default, reason in settings:
        for number, row in enumerate(found[name]):
            first = (f"`{name}`", reason) if not number else ("″",)
            what = "<br>".join(filter(None, (*first, row.note)))
            cells = [
                what,
                shown(default) if not number else "",
                row.within,
                row.beyond,
                f"`{row.test}`",
                ", ".join(f"`{each}`" for each in row.lanes),
            ]
            lines.append(f"| {' | '.join(cells)} |".replace("|  |", "| |"))
    return "\n".join(lines)


def of(kind: type, table_name: str = "") -> list[tuple[str, Any, str]]:
    """Return name, default and reason of each field of a class that has a row."""
    default, why = kind(), reasons(kind)
    prefix = f"{table_name}." if table_name else ""
    return [
        (f"{prefix}{each.name}", getattr(default, each.name), why[each.name])
        for each in fields(kind)
        if f"{prefix}{each.name}" in rows()
    ]


def fixed() -> list[tuple[str, Any, str]]:
    """Return the bounds that are no settings: the rows whose limit is a constant of a module."""
    return [
        (name, found[0].limit, "") for name, found in rows().items() if name.startswith("anylane")
    ]


if __name__ == "__main__":
    draw(
        "limits.md",
        {
            "limits": lambda: table(of(Limits, "limits")),
            "timeouts": lambda: table(of(Timeouts, "timeouts")),
            "server": lambda: table(of(ServerConfig)),
            "fixed": lambda: table(fixed()),
        },
    )
