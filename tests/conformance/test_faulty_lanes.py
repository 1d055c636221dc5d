"""The suite shows each fault of a lane, by the case that is about it."""

from __future__ import annotations

import pytest

from anylane_conformance.cases import load
from anylane_conformance.harness.lanes import server_lane
from anylane_conformance.harness.report import Report
from anylane_conformance.test_conformance import hold

CASES = load()
FAULTY = "tests.conformance.faulty:"

FAULTS = (
    ("EndsWhenAborted", "def_handler", "the server did not end by itself within 2 seconds"),
    ("EndsWhenAborted", "drained_server_ends_by_itself", "the server did not end by itself"),
    ("ServesFirstListener", "all_listeners_are_served", "nothing came after"),
    ("Spins", "quiet_server_uses_no_processor", "without a connection, .*% of a processor"),
    ("SpinsWhenFull", "full_server_uses_no_processor", "clients in the backlog, .*% of a proc"),
    ("IgnoresMaxThreads", "max_threads_bounds_what_blocks", "4 == 2"),
    ("ClosesLate", "end_comes_with_the_answer", r"after_a_refusal the end came 1\.5 seconds late"),
    ("IgnoresBufferSize", "http_buffer_size_bounds_a_read", "<= 1024"),
    ("StreamsWithoutDate", "every_answer_has_a_date", "/count/3"),
)


@pytest.mark.parametrize(("fault", "case", "shown"), FAULTS, ids=lambda value: value)
def test_a_fault_is_shown(fault: str, case: str, shown: str):
    with pytest.raises(AssertionError, match=shown):
        hold(server_lane(f"{FAULTY}{fault}Backend"), CASES[case], Report(), patience=2.0)


@pytest.mark.parametrize("case", dict.fromkeys(case for _, case, _ in FAULTS))
def test_what_carries_the_faults_has_none_itself(case: str):
    hold(server_lane(f"{FAULTY}FaultlessBackend"), CASES[case], Report())
