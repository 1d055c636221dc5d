"""`make conformance-asgi`: the conformance suite under each ASGI server, with all that the server
decides by itself. Writes interop.json, of which docs/neighbours.md shows a table."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from anylane_backends.hosting.loading import load_backend
from anylane_conformance.harness.lanes import VARIANTS

SERVERS = [name for name in VARIANTS if name.startswith("asgi-")]
FOUND = Path(__file__).with_suffix(".json")


def measured(name: str, *more: str) -> dict[str, Any]:
    """Run the suite under one server, and return what has held there. Exit if a case has failed.

    more: arguments for pytest.
    """
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        done = subprocess.run(  # ourselves
            [
                *(sys.executable, "-m", "anylane_conformance", "--backend", name, "--theirs"),
                *("--report", str(report), "-q", "-k", f"{name}-", *more),
                # Sockets that the other server leaves open at its end are its own.
                *("-W", "ignore::ResourceWarning"),
            ],
            check=False,
        )
        if done.returncode:
            sys.exit(f"the suite fails under {name}")
        found = json.loads(report.read_text(encoding="utf-8"))
    outcomes = [each for row in found["results"].values() for each in row[name]]
    tried = found["tried"].get(name, [])
    libraries: tuple[str, ...] = getattr(load_backend(VARIANTS[name]), "versions", ())
    return {
        "versions": {each: version(each) for each in libraries},
        "ours": outcomes.count("passed") - tried.count(True),
        "theirs": [tried.count(True), len(tried)],
        "rows": {
            row: [lanes[name].count(True), len(lanes[name])]
            for row, lanes in sorted(found["declared"].items())
            if name in lanes
        },
    }


def main() -> None:
    """Measure the servers that are named, or all of them."""
    for name in sys.argv[1:] or SERVERS:
        figures = measured(name)
        found = json.loads(FOUND.read_text(encoding="utf-8")) if FOUND.exists() else {}
        found[name] = figures
        kept = {name: found[name] for name in SERVERS if name in found}
        FOUND.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
