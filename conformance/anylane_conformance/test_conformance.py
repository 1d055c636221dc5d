"""The suite itself: the lane in memory, the same cut at every byte, and every lane against it."""

from __future__ import annotations

import functools

import pytest

from anylane_conformance.cases import CASES
from anylane_conformance.harness import recordings
from anylane_conformance.harness.bounds import Stuck, bounded
from anylane_conformance.harness.capabilities import ROWS
from anylane_conformance.harness.case import Case, Missing
from anylane_conformance.harness.conversation import PATIENCE, Conversation
from anylane_conformance.harness.lanes import Lane
from anylane_conformance.harness.report import Report
from anylane_conformance.harness.transcripts import relaxed
from anylane_conformance.harness.wires import Cutter
from anylane_conformance.plugin import REPORT


@functools.cache
def expected(name: str) -> tuple[list[tuple[object, ...]], int] | None:
    """Return the oracle's transcripts and how many bytes a case sends, None if it has no oracle."""
    case = CASES[name]
    if not recordings.holds(case):
        return None
    conversation, sent = recordings.play(case)
    return seen(conversation), sent


def seen(conversation: Conversation) -> list[tuple[object, ...]]:
    """Return what must be the same on all lanes."""
    return [relaxed(transcript) for transcript in conversation.transcripts]


def test_case(lane: Lane, case: Case, request: pytest.FixtureRequest) -> None:
    """The case holds on this lane, and its client sees what it sees in memory."""
    report = request.config.stash[REPORT]
    name = f"{lane.name}-{case.name}"
    try:
        bounded(lambda: hold(lane, case, report), name, request.config.option.anylane_bound)
    except Stuck:
        report.add(case.chapter, lane.name, "failed")
        raise


def hold(lane: Lane, case: Case, report: Report, *, patience: float = PATIENCE) -> None:
    """Hold the conversation, and note in the report what came of it.

    patience: seconds to wait for bytes.
    """
    missing = case.needs - lane.capabilities
    if missing:
        for capability in missing:
            report.declared.setdefault(capability, set()).add(lane.name)
        report.add(case.chapter, lane.name, "declared")
        reason = "; ".join(f"declared: {ROWS[name].reason}" for name in sorted(missing))
        if not all(ROWS[name].fails_fast for name in missing):
            pytest.skip(reason)
        with (
            pytest.raises((AssertionError, KeyError)),
            lane.conversation(case, patience=1.0) as conversation,
        ):
            case.script(conversation)
        pytest.xfail(reason)
    try:
        with lane.conversation(case, patience=patience) as conversation:
            case.script(conversation)
        if lane == recordings.ORACLE:
            recordings.check(case, conversation)
        oracle = expected(case.name)
        if oracle is not None and case.compare:
            assert seen(conversation) == oracle[0]
    except Missing as exc:
        capability = str(exc)
        report.declared.setdefault(capability, set()).add(lane.name)
        report.add(case.chapter, lane.name, "declared")
        pytest.skip(f"declared: {ROWS[capability].reason}")
    except BaseException:
        report.add(case.chapter, lane.name, "failed")
        raise
    report.add(case.chapter, lane.name, "passed")
    for name, value in conversation.figures.items():
        report.figures.setdefault(name, {})[lane.name] = value


def test_cut_at_every_byte(case: Case, request: pytest.FixtureRequest) -> None:
    """However the network cuts what the client sends, the client sees the same."""
    report = request.config.stash[REPORT]
    try:
        bounded(lambda: cut(case), f"cut-{case.name}", request.config.option.anylane_bound)
    except pytest.skip.Exception:
        raise
    except BaseException:
        report.add(case.chapter, "lockstep, cut", "failed")
        raise
    report.add(case.chapter, "lockstep, cut", "passed")


def cut(case: Case) -> None:
    """Hold the conversation cut at each offset, and after each byte."""
    oracle = expected(case.name)
    if oracle is None:
        pytest.skip("the oracle cannot run this case: " + ", ".join(sorted(case.needs)))
    transcripts, size = oracle
    scene = recordings.ORACLE.scene(case)
    for cutter in (Cutter(every_byte=True), *(Cutter(at) for at in range(1, size))):
        with recordings.ORACLE.conversation(case, cutter=cutter, scene=scene) as conversation:
            case.script(conversation)
        assert seen(conversation) == transcripts, f"cut at {cutter}"
