"""The suite itself: the lane in memory, the same cut at every byte, and every lane against it."""

from __future__ import annotations

import functools
from collections.abc import Callable

import pytest

from anylane_conformance.cases import CASES
from anylane_conformance.harness import recordings
from anylane_conformance.harness.bounds import Stuck, bounded
from anylane_conformance.harness.capabilities import ROWS
from anylane_conformance.harness.case import Case, Missing
from anylane_conformance.harness.conversation import PATIENCE
from anylane_conformance.harness.lanes import Lane
from anylane_conformance.harness.report import Report
from anylane_conformance.harness.transcripts import Transcript, relaxed, unframed
from anylane_conformance.harness.wires import Cutter
from anylane_conformance.plugin import REPORT

SHORT = 1.0
"""Seconds to wait for bytes where it is declared that they may not come."""


@functools.cache
def expected(name: str, lacks: frozenset[str] = frozenset()) -> tuple[list[Transcript], int] | None:
    """Return the oracle's transcripts and how many bytes a case sends, None if it has no oracle.

    lacks: what belongs to another server, and is left out.
    """
    case = CASES[name]
    if not recordings.holds(case):
        return None
    conversation, sent = recordings.play(case, lacks)
    return conversation.transcripts, sent


def test_case(lane: Lane, case: Case, request: pytest.FixtureRequest) -> None:
    """The case holds on this lane, and its client sees what it sees in memory."""
    report = request.config.stash[REPORT]
    name = f"{lane.name}-{case.name}"
    try:
        theirs = request.config.option.anylane_theirs
        bounded(
            lambda: hold(lane, case, report, theirs=theirs),
            name,
            request.config.option.anylane_bound,
        )
    except Stuck:
        report.add(case.chapter, lane.name, "failed")
        raise


def hold(
    lane: Lane, case: Case, report: Report, *, patience: float = PATIENCE, theirs: bool = False
) -> None:
    """Hold the conversation, and note in the report what came of it.

    patience: seconds to wait for bytes. theirs: whether to try what another server decides.
    """
    missing = case.needs - lane.capabilities
    try:
        if missing:
            try_declared(lane, case, missing, theirs=theirs)
        else:
            play(lane, case, report, patience)
    except Missing as exc:
        names = [str(exc)] if not missing else sorted(missing)
        report.declare(case.chapter, lane.name, names)
        reason = "; ".join(f"declared: {ROWS[name].reason}" for name in names)
        (pytest.xfail if exc.__cause__ is not None else pytest.skip)(reason)
    except BaseException:
        report.add(case.chapter, lane.name, "failed")
        raise
    report.held(case.chapter, lane.name, missing)


def play(lane: Lane, case: Case, report: Report, patience: float) -> None:
    """Hold the conversation, and compare what its clients have received."""
    with lane.conversation(case, patience=patience) as conversation:
        case.script(conversation)
    if lane == recordings.ORACLE:
        recordings.check(case, conversation)
    oracle = expected(case.name, lane.lacks) if case.compare else None
    if oracle is not None:
        view: Callable[[Transcript], object] = relaxed
        if not conversation.has("own_wire"):
            view = functools.partial(unframed, handshake=conversation.has("handshake_headers"))
        assert list(map(view, conversation.transcripts)) == list(map(view, oracle[0]))
    for name, value in conversation.figures.items():
        report.figures.setdefault(name, {})[lane.name] = value


def try_declared(lane: Lane, case: Case, missing: frozenset[str], *, theirs: bool) -> None:
    """Hold the conversation where its lane has declared that something is missing. Return if it
    held because another server does by itself what was asked for; raise Missing if it failed, or
    if running it would only wait, and AssertionError if it has held where nothing is missing.

    theirs: whether to find out what another server does by itself.
    """
    rows = [ROWS[name] for name in missing]
    if all(row.theirs for row in rows):
        if not theirs:
            raise Missing
        try:
            play(lane, case, Report(), SHORT)
        except Exception as exc:
            raise Missing from exc
        return
    if not all(row.fails_fast and not row.theirs for row in rows):
        raise Missing
    try:
        with lane.conversation(case, patience=SHORT) as conversation:
            case.script(conversation)
    except (AssertionError, KeyError) as exc:
        raise Missing from exc
    names = ", ".join(sorted(missing))
    raise AssertionError(f"the case holds on {lane.name}, which has declared: no {names}")


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
    whole = list(map(relaxed, transcripts))
    scene = recordings.ORACLE.scene(case)
    for cutter in (Cutter(every_byte=True), *(Cutter(at) for at in range(1, size))):
        with recordings.ORACLE.conversation(case, cutter=cutter, scene=scene) as conversation:
            case.script(conversation)
        assert list(map(relaxed, conversation.transcripts)) == whole, f"cut at {cutter}"
