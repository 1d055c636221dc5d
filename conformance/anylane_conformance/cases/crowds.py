"""Many connections, and handlers that do not belong on a lane."""

from __future__ import annotations

import resource
import threading

from anylane_conformance.cases import case
from anylane_conformance.lanes import Talk

CHAPTER = "9 crowds"
CROWD = 1000


@case(CHAPTER, cuts=False)
def quiet_connections_hold_no_thread(talk: Talk) -> None:
    """1,000 idle connections and 1,000 quiet WebSockets on 8 worker threads."""
    _allow_descriptors(4 * CROWD + 500)
    before = set(threading.enumerate())
    idle = [talk.connect() for _ in range(CROWD)]
    for peer in idle:
        assert peer.ask("/").status == 200
    sockets = [talk.connect().websocket("/many") for _ in range(CROWD)]
    threads = len(set(threading.enumerate()) - before)
    talk.measure("threads for 1,000 idle connections and 1,000 WebSockets", threads)
    assert threads <= 8
    for number, ws in enumerate(sockets):
        ws.send(str(number))
        assert ws.receive() == f"got {number}"
    for peer in idle:
        assert peer.ask("/def/1").status == 200
    for ws in sockets:
        assert ws.closed() == (1000, "")


def _allow_descriptors(wanted: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        assert hard == resource.RLIM_INFINITY or hard >= wanted, (
            f"this case needs {wanted} descriptors and the hard limit is {hard}: ulimit -Hn"
        )
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


@case(CHAPTER, "foreign_refused")
def foreign_await_is_named(talk: Talk) -> None:
    """A handler that awaits asyncio.sleep where no loop runs: 500, and the log names it."""
    peer = talk.connect()
    assert peer.ask("/asyncio-sleep").status == 500
    assert peer.ask("/").status == 200
    errors = [message for level, message in talk.log if level == "error"]
    assert len(errors) == 1
    assert "asyncio.sleep" in errors[0]
    assert "/asyncio-sleep" in errors[0]
