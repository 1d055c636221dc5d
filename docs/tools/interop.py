"""Draw the table of docs/neighbours.md from what `make conformance-asgi` has found."""

from __future__ import annotations

import json
from typing import Any

from drawn import ROOT, draw

from anylane_conformance.harness.capabilities import OWN, ROWS

FOUND: dict[str, Any] = json.loads(
    (ROOT / "tests" / "neighbours" / "interop.json").read_text(encoding="utf-8")
)

NAMES = {
    "asgi-uvicorn": "uvicorn",
    "asgi-hypercorn": "Hypercorn, asyncio",
    "asgi-hypercorn-trio": "Hypercorn, trio",
    "asgi-granian": "Granian",
}


OURS = "what an App promises on every lane"


def versions() -> str:
    """Return the versions with which the servers were measured, in words."""
    told = dict.fromkeys(
        f"{library} {version}"
        for found in FOUND.values()
        for library, version in found["versions"].items()
    )
    return f"Measured with {', '.join(told)}."


def table() -> str:
    """Return a row for what is ours and for each thing that a server may decide, and how many of
    the cases about it hold under each."""
    lines = [
        f"| | {' | '.join(NAMES[name] for name in FOUND)} | |",
        "|---" * (len(FOUND) + 2) + "|",
        f"| all else | {' | '.join(_all(found['ours']) for found in FOUND.values())} | {OURS} |",
    ]
    for row in (name for name in ROWS if name in OWN):
        cells = [
            _of(found["rows"][row]) if row in found["rows"] else "yes" for found in FOUND.values()
        ]
        if set(cells) != {"yes"}:
            lines.append(f"| `{row}` | {' | '.join(cells)} | {ROWS[row].reason} |")
    return "\n".join(lines)


def _all(count: int) -> str:
    return f"all {count}"


def _of(held: list[int]) -> str:
    return f"{held[0]} of {held[1]}"


if __name__ == "__main__":
    draw("neighbours.md", {"interop": table, "interop-versions": versions})
