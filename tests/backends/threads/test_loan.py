"""When the selector is lent, and when it is not."""

from __future__ import annotations

from threading import current_thread

import pytest

from anylane import App, ServerConfig
from anylane.lane.server_core import ServerCore
from anylane_backends.threads import loan as loan_module
from anylane_backends.threads.lane import Lane, ThreadsBackend, ThreadsWithoutLoanBackend
from anylane_backends.threads.loan import Lender
from anylane_backends.workers import Workers


def core() -> ServerCore:
    return ServerCore(
        App().freeze(),
        ServerConfig(),
        time=lambda: 0.0,
        date=lambda: b"Mon, 23 Nov 2026 00:00:00 GMT",
        token=bytes,
        log=lambda *_: None,
        lane="threads",
    )


@pytest.mark.parametrize("lends", [True, False])
def test_a_lender_lends_unless_it_is_told_not_to(
    lends: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loan_module, "_GIL", True)
    workers, turns = Workers(1, "anylane worker"), []
    lender = Lender(workers, lends=lends)

    def turn() -> None:
        turns.append(current_thread().name)
        assert lender._loan is not None
        lender._loan.recall()

    try:
        assert lender.lend(turn, core()) is lends
        assert turns == (["anylane worker 1"] if lends else [])
        assert not lender.lent
    finally:
        workers.close(None)


@pytest.mark.parametrize(
    ("backend", "lends"), [(ThreadsBackend(), True), (ThreadsWithoutLoanBackend(), False)]
)
def test_the_backend_says_whether_its_lane_lends(
    backend: ThreadsBackend, lends: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    lanes: list[Lane] = []

    def run(lane: Lane) -> None:
        lanes.append(lane)

    monkeypatch.setattr(loan_module, "_GIL", True)
    monkeypatch.setattr(Lane, "run", run)
    backend.run(core())
    (lane,) = lanes
    lane.selector.close()
    lane._wakeup.close()
    assert lane.lender._lends is lends
    assert backend.name == "threads"
