"""Draw the table of docs/hosts.md: what holds where, by the table that the tests try."""

from __future__ import annotations

from pathlib import Path

from drawn import ROOT, draw, load


def table() -> str:
    """Return one row for what is asked, one column a host, and the reasons."""
    found = load(Path(ROOT) / "docs" / "examples" / "what_holds.py")
    reasons: list[str] = []
    lines = [f"| | {' | '.join(found.NAMES)} |", "|---" * (len(found.NAMES) + 1) + "|"]
    for row in found.ROWS:
        cells = []
        for host in found.NAMES:
            reason = found.NO.get((row, host))
            if reason is None:
                cells.append("yes")
                continue
            if reason not in reasons:
                reasons.append(reason)
            cells.append(f"no ({reasons.index(reason) + 1})")
        lines.append(f"| {row} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", *(f"{n}. {each}" for n, each in enumerate(reasons, 1))])


if __name__ == "__main__":
    draw("hosts.md", {"hosts": table})
