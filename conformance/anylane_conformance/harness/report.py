"""Report: a table of chapters and lanes, and the figures that cases have measured."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Collection
from dataclasses import dataclass, field

from anylane_conformance.harness.case import in_order


@dataclass
class Report:
    """What is collected while the suite runs."""

    results: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    """chapter -> lane -> outcomes: "passed", "failed", "declared"."""
    figures: dict[str, dict[str, float]] = field(default_factory=dict)
    """name -> lane -> value."""
    declared: dict[str, dict[str, list[bool]]] = field(default_factory=dict)
    """capability that was missing -> lane -> for each case that needs it whether it held."""

    tried: dict[str, list[bool]] = field(default_factory=dict)
    """lane -> for each case that needs what the lane has not, whether it held."""

    def add(self, chapter: str, lane: str, outcome: str) -> None:
        """Note the outcome of one case: "passed", "failed" or "declared"."""
        self.results.setdefault(chapter, {}).setdefault(lane, []).append(outcome)

    def declare(self, chapter: str, lane: str, missing: Collection[str]) -> None:
        """Note that a case did not hold, or was not tried, because its lane has not what it needs.
        missing: those capabilities."""
        self.add(chapter, lane, "declared")
        self._try(lane, missing, held=False)

    def held(self, chapter: str, lane: str, missing: Collection[str] = ()) -> None:
        """Note that a case held, although its lane has said that it lacks what it needs."""
        self.add(chapter, lane, "passed")
        self._try(lane, missing, held=True)

    def _try(self, lane: str, missing: Collection[str], *, held: bool) -> None:
        if missing:
            self.tried.setdefault(lane, []).append(held)
        for name in missing:
            self.declared.setdefault(name, {}).setdefault(lane, []).append(held)

    def lanes(self) -> list[str]:
        """Return the lanes in the order in which they came first."""
        return list(dict.fromkeys(lane for row in self.results.values() for lane in row))

    def markdown(self) -> str:
        """Return the table: for each chapter and lane passed/all, and what is declared."""
        lanes = self.lanes()
        lines = [
            "| chapter | " + " | ".join(lanes) + " |",
            "|---|" + "---|" * len(lanes),
        ]
        for chapter in sorted(self.results, key=in_order):
            cells = [_cell(self.results[chapter].get(lane, [])) for lane in lanes]
            lines.append(f"| {chapter} | " + " | ".join(cells) + " |")
        for capability, missing in sorted(self.declared.items()):
            shown = ", ".join(f"{lane}{_but(held)}" for lane, held in sorted(missing.items()))
            lines.append(f"\ndeclared: no {capability} on {shown}")
        for name, values in sorted(self.figures.items()):
            shown = ", ".join(f"{lane} {value:,.0f}" for lane, value in values.items())
            lines.append(f"\n{name}: {shown}")
        return "\n".join(lines)

    def write(self, path: str) -> None:
        """Write the results to a file: JSON where its name ends in .json, else Markdown."""
        text = self.markdown() + "\n"
        if path.endswith(".json"):
            found = {
                "results": self.results,
                "tried": self.tried,
                "declared": self.declared,
                "figures": self.figures,
            }
            text = json.dumps(found, indent=2) + "\n"
        pathlib.Path(path).write_text(text, encoding="utf-8")


def _cell(outcomes: list[str]) -> str:
    ran = [outcome for outcome in outcomes if outcome != "declared"]
    passed = ran.count("passed")
    cell = f"{passed}/{len(ran)}" if passed == len(ran) else f"**{passed}/{len(ran)}**"
    declared = len(outcomes) - len(ran)
    return f"{cell} (+{declared} declared)" if declared else cell


def _but(held: list[bool]) -> str:
    return f" ({held.count(True)} of {len(held)} cases hold all the same)" if any(held) else ""
