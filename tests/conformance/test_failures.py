"""What the suite shows of a server that fails, and how long it waits for one that never ends."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from anylane_conformance.cases import load
from anylane_conformance.harness.bounds import Stuck, bounded, left_behind
from anylane_conformance.harness.lanes import LockstepLane, server_lane
from anylane_conformance.harness.peer import Silence
from anylane_conformance.harness.report import Report
from anylane_conformance.test_conformance import hold
from tests.conformance import faulty

CASES = load()
FAULTY = "tests.conformance.faulty:"


def test_a_server_that_has_failed_is_not_waited_for_and_its_error_is_shown():
    began = time.monotonic()
    with pytest.raises(Silence, match="the server has ended") as caught:
        hold(server_lane(FAULTY + "FailsBackend"), CASES["def_handler"], Report(), patience=60)
    assert time.monotonic() - began < 30
    faulty.held.pop().close()
    (shown,) = caught.value.__notes__
    assert "error: the server failed: RuntimeError('the lane has fallen over')" in shown
    assert "in run\n" in shown, "with its traceback"


def test_a_failure_shows_the_log_of_its_server():
    with (
        pytest.raises(AssertionError) as caught,
        server_lane("threads").conversation(CASES["def_handler"]) as conversation,
    ):
        assert conversation.connect().ask("/boom").status == 200
    (shown,) = caught.value.__notes__
    assert "a handler of the conformance suite that fails" in shown
    assert "Traceback" in shown


def test_a_failure_in_memory_shows_the_log_too():
    with (
        pytest.raises(AssertionError) as caught,
        LockstepLane().conversation(CASES["def_handler"]) as conversation,
    ):
        assert conversation.connect().ask("/boom").status == 200
    assert "a handler of the conformance suite that fails" in caught.value.__notes__[0]


def test_a_server_that_is_never_ready_is_a_failure():
    case = CASES["def_handler"]
    with pytest.raises(TimeoutError, match=r"not ready within 0\.2 seconds"):
        bounded(
            lambda: hold(server_lane(FAULTY + "NeverReadyBackend"), case, Report(), patience=0.2),
            case.name,
        )


def test_a_case_that_never_ends_is_left_behind_and_shows_where_it_is():
    released = threading.Event()

    def wait_here() -> None:
        released.wait()

    try:
        with pytest.raises(Stuck, match=r"has not ended after 0\.1 seconds(.|\n)*in wait_here"):
            bounded(wait_here, "endless", 0.1)
        assert left_behind == ["endless"]
    finally:
        left_behind.clear()
        released.set()


def test_the_run_goes_on_behind_stuck_cases_and_ends():
    done = subprocess.run(
        [
            *(sys.executable, "-m", "anylane_conformance", "-q"),
            *("--backend", FAULTY + "NeverEndsBackend", "--anylane-bound=1"),
            *("-k", "(urlencoded_form or request_trailers) and not cut"),
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
        timeout=60,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "2 failed, 6 passed" in done.stdout
    assert "Stuck: the case has not ended after 1 seconds" in done.stdout
    assert "**0/2**" in done.stdout, "in the table of results too"
