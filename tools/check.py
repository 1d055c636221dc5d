"""Everything that says whether a change is ready, run as stages of one check.

`make test` is `python -m tools.check test`. `make test ARGS=thorough`, `make test-pythons` and
`make coverage` run the other parts. Stages are begun and shown in this order: what is quick and
often wrong first, then the long ones. Four at a time keep two cores busy, because what talks to
real servers waits for real time: the conformance suite computes for a third of its time. What is
cut at every byte runs in memory and virtual time, so it disturbs none of them.
"""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Sequence
from pathlib import Path

from tools import pythons
from tools.stages import Stage, end_with_stages, run

BIN = Path(sys.executable).parent
"""The folder of this environment's commands."""

AUTOBAHN = (sys.executable, "-m", "anylane_conformance.autobahn")

CONFORMANCE = (BIN / "anylane-conformance",)

SERVERS = ("asgi-uvicorn", "asgi-hypercorn", "asgi-hypercorn-trio", "asgi-granian")

WHOLE, REAL = "not cut_at_every_byte", "not lockstep"


def lanes(*names: str) -> list[str]:
    """Return the arguments that choose these backends."""
    return [word for name in names for word in ("--backend", name)]


STAGES = (
    Stage(name="ruff check", command=[BIN / "ruff", "check"]),
    Stage(name="ruff format --check", command=[BIN / "ruff", "format", "--check"]),
    Stage(name="mypy", command=[BIN / "mypy"]),
    # In three parts, because it waits more than it computes.
    Stage(
        name="conformance of asyncio, uvloop",
        command=[*CONFORMANCE, *lanes("asyncio", "uvloop"), "-k", f"{WHOLE} and {REAL}"],
        counted=True,
    ),
    Stage(
        name="conformance of anyio, trio",
        command=[*CONFORMANCE, *lanes("anyio", "trio"), "-k", f"{WHOLE} and {REAL}"],
        counted=True,
    ),
    Stage(
        name="conformance of curio, threads, in memory",
        command=[*CONFORMANCE, *lanes("curio", "threads"), "-k", WHOLE],
        counted=True,
    ),
    Stage(name="examples", command=[BIN / "pytest", "docs/examples"], counted=True),
    Stage(name="tests", command=[BIN / "pytest", "tests"], counted=True),
    # Builds the site, with every warning as an error, and walks through it.
    Stage(name="site", command=[BIN / "pytest", "docs/website"], counted=True),
    Stage(name="pyright", command=[BIN / "pyright", "--pythonpath", sys.executable]),
    Stage(
        name="conformance cut at every byte",
        command=[BIN / "anylane-conformance", "--backend", "asyncio", "-k", "cut_at_every_byte"],
        counted=True,
    ),
    Stage(name="Autobahn, quick", command=[*AUTOBAHN, "--quick", "--backend", "asyncio"]),
)
"""What every change has to pass: format, rules, types, tests, conformance of all lanes."""


THOROUGH = (
    # Each case under one of the four servers, in turn; `make conformance-asgi` has them all.
    Stage(
        name="conformance under ASGI servers",
        command=[
            *CONFORMANCE,
            *lanes(*SERVERS),
            *("--in-turn", "-k", f"{WHOLE} and not quiet_connections"),
        ],
        counted=True,
    ),
    # Without the express lanes and eager tasks nothing may change but the speed.
    Stage(
        name="tests without lanes",
        command=[BIN / "pytest", "tests", "--without-lanes"],
        counted=True,
    ),
    # CPython 3.14, in WebAssembly.
    Stage(
        name="Pyodide, quick",
        command=[sys.executable, "-m", "tools.pyodide", "--quick"],
        counted=True,
    ),
    Stage(name="types of the wheel", command=[sys.executable, "tools/verify_types.py"]),
    Stage(name="extras", command=[sys.executable, "-m", "tools.extras"]),
    Stage(name="reproducible build", command=[sys.executable, "-m", "tools.reproducible"]),
    Stage(name="new project", command=[sys.executable, "-m", "tools.new_project"]),
    Stage(
        name="attacks, quick",
        command=[
            *(sys.executable, "benchmarks/attacks.py", "--quick", "--backend", "asyncio", "--only"),
            "pipelining,upload,inflating,chunks,fragments,idle,leave-unread,leave-stream,forms",
        ],
    ),
    Stage(
        name="description, quick",
        command=[sys.executable, "-m", "tools.description", "--max-examples", "10"],
    ),
    Stage(name="Autobahn, basic, all lanes", command=[*AUTOBAHN, "--basic", "--backend", "all"]),
)
"""What a change seldom breaks, and CI tries of each: other servers, odd environments, what is
shipped, hostile clients."""


MEASURED = tuple(
    Stage(
        name=f"{name}, measured",
        command=[BIN / "coverage", "run", "-m", *module],
        counted=True,
    )
    for name, module in (
        ("conformance of all lanes", ("anylane_conformance", "--backend", "all")),
        ("examples", ("pytest", "docs/examples")),
        ("tests", ("pytest", "tests")),
    )
)
"""What together has to reach the floor of coverage in pyproject.toml. Each run writes files of its
own, which `coverage combine` joins."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the parts of the check that are named; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.check", description=__doc__)
    parser.add_argument(
        "parts",
        nargs="+",
        choices=("test", "thorough", "pythons", "coverage"),
        metavar="PART",
        help="test: what every change has to pass. thorough: what it seldom breaks. pythons: the "
        "tests, on the other Pythons that are found. "
        "coverage: tests, examples and conformance, measured.",
    )
    parser.add_argument("--jobs", type=int, default=4, metavar="N", help="stages at a time")
    given = parser.parse_args(arguments)
    stages: list[Stage] = []
    notes: list[str] = []
    if "test" in given.parts:
        stages += STAGES
    if "thorough" in given.parts:
        stages += THOROUGH
    if "pythons" in given.parts:
        own = ".".join(platform.python_version_tuple()[:2])
        found, notes = pythons.others(pythons.claimed(), own)
        stages += pythons.stages(found)
    if "coverage" in given.parts:
        stages += MEASURED
    end_with_stages()
    folder = Path(sys.prefix) / "reports"
    return run(stages, folder=folder, jobs=given.jobs, notes=notes)


if __name__ == "__main__":
    sys.exit(main())
