"""Draw the table of docs/smuggling.md from the conformance suite's catalogue."""

from __future__ import annotations

from drawn import draw

from anylane_conformance.cases.smuggling_inputs import CATALOGUE


def table() -> str:
    """Return one row a kind, one heading a group."""
    lines: list[str] = []
    for group, kinds in CATALOGUE.items():
        lines += ["", f"## {group[0].upper()}{group[1:]}", "", "| kind | answer | source |"]
        lines.append("|---|---|---|")
        lines += [f"| {kind.name} | {kind.verdict} | {kind.source} |" for kind in kinds]
    total = sum(len(kinds) for kinds in CATALOGUE.values())
    return "\n".join([f"{total} kinds.", *lines, ""])


if __name__ == "__main__":
    draw("smuggling.md", {"catalogue": table})
