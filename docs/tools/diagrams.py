"""Draw the state diagrams of docs/states.md from the tables in the code.

`--check` exits 1 when they are not current.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from anylane.protocol.http_states import READING, WRITING
from anylane.protocol.websocket_phase import PHASES

PAGE = Path(__file__).parents[1] / "states.md"
Table = Mapping[Any, Mapping[Any, Enum]]


def diagram(table: Table) -> str:
    """A Mermaid state diagram: one arrow a table entry, entries that stay put left out."""
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {next(iter(table)).name}"]
    for state, row in table.items():
        lines += [
            f"    {state.name} --> {target.name}: {event.name.lower()}"
            for event, target in row.items()
            if target is not state
        ]
    return "\n".join([*lines, "```"])


def drawn(text: str) -> str:
    """The page with its diagrams drawn anew."""
    tables: dict[str, Table] = {"reading": READING, "writing": WRITING, "websocket": PHASES}
    for name, table in tables.items():
        begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
        before, _, rest = text.partition(begin)
        _, found, after = rest.partition(end)
        if not found:
            sys.exit(f"{PAGE.name} has no {begin} ... {end}")
        text = f"{before}{begin}\n{diagram(table)}\n{end}{after}"
    return text


def main() -> None:
    text = PAGE.read_text(encoding="utf-8")
    new = drawn(text)
    if "--check" in sys.argv[1:]:
        if new != text:
            sys.exit("the diagrams in docs/states.md are not current: run `make lines`")
    else:
        PAGE.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    main()
