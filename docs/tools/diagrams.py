"""Draw the state diagrams of docs/states.md from the tables in the code."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

from drawn import draw

from anylane.protocol.http1.states import READING, WRITING
from anylane.protocol.websocket.phases import PHASES

Table = Mapping[Any, Mapping[Any, Enum]]


def diagram(table: Table) -> str:
    """Return a Mermaid state diagram: an arrow for each entry that leads to another state."""
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {next(iter(table)).name}"]
    for state, row in table.items():
        lines += [
            f"    {state.name} --> {target.name}: {event.name.lower()}"
            for event, target in row.items()
            if target is not state
        ]
    return "\n".join([*lines, "```"])


if __name__ == "__main__":
    draw(
        "states.md",
        {
            "reading": lambda: diagram(READING),
            "writing": lambda: diagram(WRITING),
            "websocket": lambda: diagram(PHASES),
        },
    )
