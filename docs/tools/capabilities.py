"""Draw the table of docs/choose-a-backend.md: what each lane declares, and the reason."""

from __future__ import annotations

from drawn import draw
from lines import lanes as registered

from anylane_conformance.harness.capabilities import ROWS
from anylane_conformance.harness.lanes import LockstepLane, server_lane

# These rows concern users; the others tell the suite where a case can be run.
SHOWN = (
    "native_cancel",
    "concurrent_input",
    "parallel_blocking",
    "blocking_async",
    "virtual_time",
    "reset_after_eof",
)


def table() -> str:
    """Return one row a capability, one column a lane."""
    names = [name for group in registered().values() for name in group]
    lanes = {name: server_lane(name).capabilities for name in names}
    lanes["in memory"] = LockstepLane().capabilities
    lines = [f"| | {' | '.join(lanes)} | |", "|---" * (len(lanes) + 2) + "|"]
    for name in SHOWN:
        marks = ["yes" if name in capabilities else "no" for capabilities in lanes.values()]
        lines.append(f"| `{name}` | {' | '.join(marks)} | {ROWS[name].reason} |")
    return "\n".join(lines)


if __name__ == "__main__":
    draw("choose-a-backend.md", {"capabilities": table})
