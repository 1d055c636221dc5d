"""Hold some cases of the conformance suite on a system without this or that.

    python -m tests.systems.held '["epoll"]' '["asyncio", "threads"]' '["websockets.echo"]'

Prints JSON: what loops wait with, and how each case went on each lane ("memory": in memory). Only
the modules of these cases are imported, which saves most of the time.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module

from tests.systems.hiding import hide


def main(hidden: list[str], lanes: list[str], cases: list[str]) -> dict[str, object]:
    """Return the results."""
    hide(hidden)
    import selectors

    import pytest

    from anylane_conformance.cases import CASES
    from anylane_conformance.harness.lanes import LockstepLane, server_lane
    from anylane_conformance.harness.report import Report
    from anylane_conformance.test_conformance import hold

    results: dict[str, str] = {}
    for name in lanes:
        lane = LockstepLane() if name == "memory" else server_lane(name)
        for case in cases:
            module, _, script = case.partition(".")
            import_module(f"anylane_conformance.cases.{module}")
            try:
                hold(lane, CASES[script], Report())
                told = "passed"
            except pytest.skip.Exception as exc:
                told = str(exc)
            except BaseException as exc:  # noqa: BLE001  # It is told.
                notes = " ".join(getattr(exc, "__notes__", ()))
                told = f"{type(exc).__name__}: {exc} {notes}"[:2000]
            results[f"{name}: {case}"] = told
    return {"selector": selectors.DefaultSelector.__name__, "results": results}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(*map(json.loads, sys.argv[1:]))))
