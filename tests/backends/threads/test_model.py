"""The threads lane in any order of its threads: input, wake-ups, blocking handlers, ends.

Its threads are switched between any two of their lines (`Scheduler`). However they interleave, a
connection has one owner at a time, one thread selects at a time, and nothing is lost: each request
is answered whole, each wake-up is seen, and the server ends.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anylane.lane.arrivals.places import Places
from anylane.lane.wake_queue import WakeQueue
from anylane_backends.threads.driver import ThreadsDriver
from anylane_backends.threads.link import ThreadsLink
from anylane_backends.threads.loan import Loan
from anylane_backends.threads.relief import RelievableDriver
from anylane_backends.workers import Workers
from tests.backends.threads.stage import (
    SECONDS,
    Client,
    Ending,
    Parting,
    Play,
    Request,
    Step,
    perform,
)

steps = st.tuples(st.sampled_from(Step), st.sampled_from(SECONDS))
requests = st.builds(
    Request,
    steps=st.lists(steps, max_size=4).map(tuple),
    body=st.lists(st.binary(min_size=1, max_size=3), max_size=3).map(tuple),
    size=st.sampled_from((0, 1, 40, 400)),
)
clients = st.builds(
    Client,
    requests=st.lists(requests, min_size=1, max_size=3).map(tuple),
    pipelines=st.booleans(),
    parting=st.sampled_from(Parting),
    room=st.sampled_from((1000, 90)),
    pauses=st.lists(st.sampled_from((0.0, 0.0, *SECONDS)), max_size=4).map(tuple),
)
plays = st.builds(
    Play,
    clients=st.lists(clients, min_size=1, max_size=3).map(tuple),
    workers=st.integers(1, 3),
    lends=st.sampled_from((True, True, False)),
    ending=st.sampled_from((Ending.DRAIN, Ending.DRAIN, *Ending)),
    places=st.sampled_from((100, 100, 1, 2)),
    request_timeout=st.sampled_from((60.0, 60.0, 0.1)),
)


RESTLESS = (0.02, 0.1, 0.3)


@given(play=plays, seed=st.integers(0, 2**32 - 1), restlessness=st.sampled_from(RESTLESS))
def test_nothing_is_lost_and_there_is_one_owner_at_a_time(
    play: Play, seed: int, restlessness: float
) -> None:
    perform(play, seed, restlessness)


# --- plays in which something could be lost -----------------------------------------------------


def one(
    *of: Request,
    parting: Parting = Parting.CLOSES,
    room: int = 1000,
    pauses: tuple[float, ...] = (),
) -> Client:
    return Client(of, pipelines=False, parting=parting, room=room, pauses=pauses)


def times(number: int, step: Step) -> Request:
    return Request(((step, 0.0),) * number, (), 1)


def drained(*of: Client, workers: int = 3, lends: bool = True) -> Play:
    return Play(of, workers, lends, Ending.DRAIN)


def ended(*of: Client, ending: Ending) -> Play:
    return Play(of, 3, False, ending)


def late(*of: Client, workers: int = 2, lends: bool = False) -> Play:
    return Play(of, workers, lends, Ending.DRAIN, request_timeout=0.1)


QUICK = Request((), (), 1)
STUCK = Request(((Step.BLOCK, 0.4),), (), 1)
STUCK_TWICE = Request(((Step.BLOCK, 0.2), (Step.HOOK, 0.2), (Step.WAIT, 0)), (), 1)
# The deadline, and the patience that a handler is given.
BACK_IN_TIME = Request(
    ((Step.BLOCK, 0.15), (Step.HINT, 0), (Step.HINT, 0), (Step.WRITE, 0), (Step.LOOK, 0)),
    (b"a",),
    40,
)
PARKED = Request(((Step.SLEEP, 0.2), (Step.BLOCK, 0.2)), (), 1)
ENDS = Request(((Step.BLOCK, 0.001),), (), 1)
BLOCKS = Request(((Step.BLOCK, 0.04),), (), 1)
BLOCKS_THEN_CALLS = Request(((Step.BLOCK, 0.2), (Step.CALL, 0)), (), 1)
WRITES_THEN_BLOCKS = Request(((Step.WRITE, 0), (Step.BLOCK, 0.04)), (), 400)
LATE_TWICE = Request(((Step.LATE, 0.04), (Step.LATE, 0.04)), (b"a", b"b", b"c"), 1)
LEAVES = Request(((Step.LEAVE, 0.2), (Step.LEAVE, 0.001)), (), 1)
READS = Request(((Step.LOOK, 0), (Step.BODY, 0)), (b"a",) * 8, 1)

PLAYS = {
    "wake-ups in the moment of parking": drained(
        one(times(6, Step.WAIT), times(6, Step.WAIT)),
        one(times(6, Step.WAIT)),
        workers=2,
        lends=False,
    ),
    "wake-ups in the moment of blocking": drained(
        one(times(6, Step.CALL), times(6, Step.CALL)), one(times(6, Step.CALL)), lends=False
    ),
    "a job behind one that blocks": drained(one(BLOCKS), one(BLOCKS)),
    "a handler blocks beside another's loan": drained(
        one(BLOCKS_THEN_CALLS),
        one(QUICK, QUICK, QUICK, pauses=(0.2, 0.001, 0.001)),
        one(QUICK, QUICK, QUICK, pauses=(0.2, 0.004, 0.001)),
    ),
    "input while the handler blocks": drained(
        one(LATE_TWICE, pauses=(0.0, 0.0001, 0.001, 0.04)), workers=1, lends=False
    ),
    "input while the handler runs": drained(
        one(READS, READS), one(READS, READS), workers=2, lends=False
    ),
    "room for output while the handler blocks": drained(
        one(WRITES_THEN_BLOCKS, room=90), workers=1, lends=False
    ),
    "background work that fills its workers": drained(
        one(LEAVES, LEAVES, QUICK), one(LEAVES, QUICK, pauses=(0.001, 0.04)), workers=1
    ),
    "a drain while handlers block": ended(
        one(BLOCKS, parting=Parting.STAYS),
        one(BLOCKS, parting=Parting.STAYS),
        ending=Ending.EARLY_DRAIN,
    ),
    "a drain while the last answer is on its way": ended(
        one(Request((), (), 40), parting=Parting.STAYS, room=90, pauses=(0.0, 0.001)),
        ending=Ending.EARLY_DRAIN,
    ),
    "a drain as handlers end": ended(
        one(ENDS, ENDS, ENDS, parting=Parting.STAYS),
        one(ENDS, ENDS, ENDS, parting=Parting.STAYS),
        ending=Ending.EARLY_DRAIN,
    ),
    "an abort while background work blocks": ended(
        one(LEAVES, parting=Parting.STAYS), one(BLOCKS), ending=Ending.ABORT
    ),
    "newcomers in a full house": Play(
        (one(ENDS), one(ENDS, ENDS, parting=Parting.STAYS), one(ENDS, parting=Parting.STAYS)) * 2,
        workers=2,
        lends=False,
        ending=Ending.DRAIN,
        places=2,
    ),
    "newcomers for one place": Play(
        (one(BLOCKS, parting=Parting.STAYS),) * 5,
        workers=2,
        lends=False,
        ending=Ending.DRAIN,
        places=1,
    ),
    "handlers that are stuck": late(
        one(QUICK, STUCK), one(STUCK, QUICK), one(STUCK), one(QUICK, pauses=(0.04,)), workers=2
    ),
    "handlers that are stuck in a loan": late(
        one(QUICK, STUCK), one(QUICK, QUICK, STUCK, pauses=(0.001, 0.001)), workers=3, lends=True
    ),
    "hooks that are stuck, too": late(one(STUCK_TWICE), one(STUCK_TWICE), one(PARKED), workers=1),
    "handlers that come back as they are relieved": late(
        one(BACK_IN_TIME, BACK_IN_TIME), one(BACK_IN_TIME, parting=Parting.STAYS)
    ),
    "a drain while handlers are stuck": Play(
        (one(STUCK, parting=Parting.STAYS), one(STUCK_TWICE), one(PARKED)),
        workers=2,
        lends=False,
        ending=Ending.EARLY_DRAIN,
        request_timeout=0.1,
    ),
    "an abort while handlers are stuck": Play(
        (one(STUCK, parting=Parting.STAYS), one(STUCK_TWICE), one(PARKED)),
        workers=2,
        lends=False,
        ending=Ending.ABORT,
        request_timeout=0.1,
    ),
    "an abort while handlers block": ended(
        one(BLOCKS, parting=Parting.STAYS), one(BLOCKS), ending=Ending.ABORT
    ),
}


@pytest.mark.parametrize("name", PLAYS)
def test_nothing_is_lost_where_it_could_be(name: str) -> None:
    for seed in range(30):
        perform(PLAYS[name], seed, RESTLESS[seed % 3])


def nudge(driver: ThreadsDriver) -> None:
    driver._owned = True
    driver.hand_over(selecting=True)


def notify(link: ThreadsLink) -> None:
    link.transport.nudge()
    link.latched = True


def spread(workers: Workers, spread: Callable[[Workers], None] = Workers.spread) -> None:
    if "background" not in workers._name:
        spread(workers)


def if_free(driver: ThreadsDriver, func: Callable[[], bool]) -> bool:
    if driver._owned:
        return False
    driver._owned = True
    gone = func()
    driver.hand_over(selecting=True)
    return gone


def reenter(driver: RelievableDriver) -> None:
    taken, driver._taken = driver._taken, False
    if taken:
        driver._do(driver._lose_client)


@dataclass(frozen=True)
class Broken:
    """What is put in the place of a method, and how that shows in a play."""

    owner: type
    method: str
    value: Callable[..., Any]
    play: str
    shows: str


BROKEN = {
    "two owners": Broken(
        ThreadsDriver,
        "nudge",
        nudge,
        "wake-ups in the moment of parking",
        "two threads own|does not own|without its role",
    ),
    "a wake-up is lost": Broken(
        ThreadsLink, "notify", notify, "wake-ups in the moment of parking", "news, and no owner"
    ),
    "a kick is lost": Broken(
        WakeQueue,
        "__bool__",
        lambda queue: bool(queue._queue),
        "wake-ups in the moment of parking",
        "put into the queue does not run",
    ),
    "two leaders": Broken(
        Loan,
        "returned",
        lambda loan: loan._end() or True,
        "a job behind one that blocks",
        "two threads select",
    ),
    "background work is lost": Broken(
        Workers,
        "spread",
        spread,
        "background work that fills its workers",
        "a job waits, and a worker is free",
    ),
    "one that became idle is forgotten": Broken(
        Places,
        "note",
        lambda places, guest: None,
        "newcomers in a full house",
        "a client waits, and an idle connection could go",
    ),
    "one that was owned is forgotten": Broken(
        ThreadsDriver,
        "if_free",
        if_free,
        "newcomers for one place",
        "a client waits, and an idle connection could go",
    ),
    "a client is taken away in the middle": Broken(
        RelievableDriver,
        "reenter",
        reenter,
        "handlers that come back as they are relieved",
        "taken away from a thread that writes",
    ),
    "a client that was taken away is still written to": Broken(
        RelievableDriver,
        "_lose_client",
        lambda driver: None,
        "handlers that come back as they are relieved",
        "taken away from a thread that writes",
    ),
    "a handler that is stuck is not noticed": Broken(
        RelievableDriver,
        "attend",
        lambda driver: None,
        "handlers that are stuck",
        "waits for a handler that is late",
    ),
    "input is lost": Broken(
        ThreadsDriver,
        "_post",
        lambda driver, func: None,
        "input while the handler blocks",
        "input that its owner does not know of",
    ),
}


def perform_often(play: Play) -> None:
    for seed in range(200):
        perform(play, seed, RESTLESS[seed % 3])


@pytest.mark.parametrize("name", BROKEN)
def test_the_model_sees_what_is_broken(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = BROKEN[name]
    monkeypatch.setattr(broken.owner, broken.method, broken.value)
    with pytest.raises(AssertionError, match=broken.shows):
        perform_often(PLAYS[broken.play])
