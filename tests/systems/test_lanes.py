"""Lanes on what other systems have: what is Linux's alone is hidden, piece by piece and together.

What is left is as poor as macOS or Windows is, and no more like it. Nothing here was run there.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.systems.hiding import HIDDEN, SYSTEMS

ROOT = Path(__file__).parents[2]

SOME = (
    "requests.json_over_keep_alive",
    "requests.chunked_upload",
    "websockets.echo",
    "blocking.def_handler",
    "disconnects.half_closed_client_gets_all_answers",
    "disconnects.reset_is_noticed",
)
STALLED = (*SOME, "disconnects.stalled_reader_is_cut_off")
LEFT_BEHIND = (
    "disconnects.reset_is_noticed",
    "departures.client_that_leaves_behind_an_unread_body_is_noticed",
)

CASES = {
    "epoll": SOME,
    "poll": STALLED,
    "POLLRDHUP": SOME,
    "POLLRDHUP, and there is kqueue": LEFT_BEHIND,
    "accept4": SOME,
    "SIOCOUTQ": STALLED,
    "fcntl": STALLED,
    "TCP_NOTSENT_LOWAT": STALLED,
    "SO_REUSEPORT": SOME[:1],
    "abstract sockets": SOME[:1],
    "unix sockets": SOME,
    "signals": SOME[:1],
    "readers in loops": SOME[:1],
    "what Python 3.14 has removed": SOME,
}
"""What is hidden alone -> the cases that depend on it. The rest is hidden with its system."""


def held(hidden: list[str], lanes: list[str], cases: tuple[str, ...]) -> dict[str, Any]:
    """Return what `tests.systems.held` prints, from a process of its own."""
    told = [json.dumps(each) for each in (hidden, lanes, cases)]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.systems.held", *told],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def failures(found: dict[str, Any]) -> dict[str, str]:
    assert found["results"], "no case was held"
    return {name: told for name, told in found["results"].items() if told != "passed"}


SELECTORS = {"epoll": "PollSelector", "poll": "SelectSelector"}
"""What is hidden -> what loops wait with then."""


@pytest.mark.parametrize("hidden", CASES)
def test_what_one_system_has_is_not_needed(hidden: str) -> None:
    found = held([hidden], ["asyncio", "threads"], CASES[hidden])
    assert not failures(found)
    assert found["selector"] == SELECTORS.get(hidden, "EpollSelector")


def test_lanes_on_what_macos_has() -> None:
    lanes = ["memory", "asyncio", "anyio", "curio", "threads"]
    cases = (
        *SOME,
        "lane.drained_server_ends_by_itself",
        "files.file_is_sent_with_its_type_and_validators",
    )
    found = held(["macOS"], lanes, cases)
    assert not failures(found)
    assert found["selector"] == "PollSelector"


def test_other_lanes_on_what_macos_has() -> None:
    """trio takes the system's name for its choice, so epoll stays; libuv is asked by no name."""
    hidden = [each for each in SYSTEMS["macOS"] if each != "epoll"]
    assert not failures(held(hidden, ["trio", "uvloop"], SOME))


def test_lanes_on_what_windows_has() -> None:
    """asyncio, threads and in memory; a directory of files is refused there."""
    cases = (*STALLED, "lane.drained_server_ends_by_itself")
    found = held(["Windows"], ["memory", "asyncio", "threads"], cases)
    assert not failures(found)
    assert found["selector"] == "SelectSelector"


def test_every_system_hides_what_is_known() -> None:
    assert {each for names in SYSTEMS.values() for each in names} <= HIDDEN.keys()
    assert CASES.keys() <= HIDDEN.keys()
