"""The suite under other servers: it shows their faults, and says what they decide by themselves."""

from __future__ import annotations

import subprocess
import sys

import pytest

from anylane_conformance.cases import load
from anylane_conformance.harness.capabilities import OWN, ROWS
from anylane_conformance.harness.case import Case
from anylane_conformance.harness.lanes import Lane, LockstepLane, server_lane
from anylane_conformance.harness.report import Report
from anylane_conformance.test_conformance import hold

CASES = load()
FAULTY = "tests.conformance.faulty_hosts:"
SERVERS = ("asgi-uvicorn", "asgi-hypercorn", "asgi-hypercorn-trio", "asgi-granian")

FAULTS = (
    ("LosesHeaders", "iterators_are_streamed"),
    ("LosesPieces", "call_from_a_def_generator"),
    ("RepeatsMessages", "echo"),
    ("HidesCloseCodes", "close_from_the_server"),
)


@pytest.mark.parametrize(("fault", "case"), FAULTS)
def test_a_fault_is_shown(fault: str, case: str):
    with pytest.raises(AssertionError):
        hold(server_lane(f"{FAULTY}{fault}Backend"), CASES[case], Report(), patience=2.0)


@pytest.mark.parametrize("case", [case for _, case in FAULTS])
def test_what_carries_the_faults_has_none_itself(case: str):
    hold(server_lane(f"{FAULTY}FaultlessBackend"), CASES[case], Report())


@pytest.mark.parametrize("server", SERVERS)
def test_a_server_carries_a_case(server: str):
    report = Report()
    for name in ("json_over_keep_alive", "echo", "state_is_there_until_the_end"):
        hold(server_lane(server), CASES[name], report)
    assert {row[server][0] for row in report.results.values()} == {"passed"}


# --- what another server decides ------------------------------------------------------------------


def lane() -> Lane:
    return server_lane("asgi-uvicorn")


def outcome(case: Case, *, theirs: bool) -> tuple[str, Report]:
    """Hold a case, and return how that ended for pytest, and what was noted."""
    report = Report()
    try:
        hold(lane(), case, report, theirs=theirs)
    except pytest.skip.Exception:
        return "skipped", report
    except pytest.xfail.Exception:
        return "xfailed", report
    return "passed", report


@pytest.mark.parametrize(
    ("name", "theirs", "ended", "noted", "held"),
    [
        ("malformed_request_is_refused", False, "skipped", "declared", [False]),
        ("malformed_request_is_refused", True, "xfailed", "declared", [False]),
        ("http_1_0_closes_unless_asked", True, "xfailed", "declared", [False]),
        ("chunk_overhead_limit", False, "skipped", "declared", [False]),
    ],
)
def test_a_case_that_another_server_decides_is_declared(
    name: str, theirs: bool, ended: str, noted: str, held: list[bool]
):
    found, report = outcome(CASES[name], theirs=theirs)
    assert found == ended
    assert report.results == {CASES[name].chapter: {"asgi-uvicorn": [noted]}}
    assert report.declared == {"own_wire": {"asgi-uvicorn": held}}


def test_a_case_that_another_server_decides_alike_holds():
    plain = CASES["json_over_keep_alive"]
    case = Case(plain.name, plain.chapter, plain.script, frozenset({"own_wire"}))
    found, report = outcome(case, theirs=True)
    assert found == "passed"
    assert report.declared == {"own_wire": {"asgi-uvicorn": [True]}}
    assert "asgi-uvicorn (1 of 1 cases hold all the same)" in report.markdown()
    assert outcome(case, theirs=False)[0] == "skipped"


def test_what_is_missing_on_no_other_servers_account_must_fail():
    plain = CASES["json_over_keep_alive"]
    case = Case(plain.name, plain.chapter, plain.script, frozenset({"read_size"}))
    with pytest.raises(AssertionError, match="has declared: no read_size"):
        hold(lane(), case, Report())


def test_servers_by_themselves_have_all_that_others_may_lack():
    assert {name for name, row in ROWS.items() if row.theirs} == OWN
    for own in (LockstepLane(), server_lane("asyncio"), server_lane("threads+tls")):
        assert own.capabilities >= OWN
        assert not own.lacks
    for server in SERVERS:
        assert server_lane(server).lacks


# --- what can go wrong ----------------------------------------------------------------------------


def test_a_server_that_is_not_installed_is_named():
    done = subprocess.run(  # ourselves
        [
            sys.executable,
            "-c",
            (
                "import sys; sys.modules['uvicorn'] = None\n"
                "from anylane_conformance.__main__ import main\n"
                "sys.exit(main(['--backend', 'asgi-uvicorn']))"
            ),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode not in (0, 1)
    said = done.stderr.strip().splitlines()[-1]
    assert "backend 'asgi-uvicorn' needs uvicorn: install it, or check the name" in said
