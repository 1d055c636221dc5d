"""Give every case every lane that was asked for."""

from __future__ import annotations

import itertools

import pytest

from anylane_backends.hosting.loading import installed
from anylane_conformance.cases import load
from anylane_conformance.harness.lanes import Lane, LockstepLane, server_lane
from anylane_conformance.harness.report import Report
from anylane_conformance.plugin import REPORT


def pytest_configure(config: pytest.Config) -> None:
    """Begin a report."""
    config.stash[REPORT] = Report()


def _lanes(config: pytest.Config) -> list[Lane]:
    names: list[str] = []
    for name in config.getoption("--anylane-backend") or ():
        names += installed() if name == "all" else [name]
    memory = LockstepLane()
    secure = LockstepLane("lockstep+tls", memory.capabilities - {"plain_wire"}, tls=True)
    plain = LockstepLane("lockstep-h11", memory.capabilities, express=False)
    lanes: list[Lane] = [memory, plain, secure]
    for name in dict.fromkeys(names):
        lanes.append(server_lane(name))
        if name in ("asyncio", "uvloop", "asyncio+tls", "uvloop+tls"):
            lanes.append(server_lane(name, lazy=True))
        if name == "threads":
            lanes.append(server_lane("threads-no-loan"))
    return lanes


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a test of each case and lane; of each case that is cut, where no lane is asked for."""
    cases = load().values()
    if "lane" in metafunc.fixturenames:
        lanes = _lanes(metafunc.config)
        if metafunc.config.getoption("--anylane-in-turn"):
            asked = [lane for lane in lanes if not isinstance(lane, LockstepLane)]
            pairs = list(zip(itertools.cycle(asked), cases, strict=False))
        else:
            pairs = [(lane, case) for lane in lanes for case in cases]
        metafunc.parametrize(
            ("lane", "case"), pairs, ids=[f"{lane.name}-{case.name}" for lane, case in pairs]
        )
    elif "case" in metafunc.fixturenames:
        chosen = [case for case in cases if case.cuts]
        metafunc.parametrize("case", chosen, ids=[case.name for case in chosen])
