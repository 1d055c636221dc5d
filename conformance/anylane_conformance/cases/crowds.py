"""Many connections, and handlers that do not belong on a lane."""

from __future__ import annotations

import threading

from anylane_conformance.cases import case
from anylane_conformance.harness.conversation import Conversation
from anylane_conformance.harness.websocket_peer import WebSocketPeer

CHAPTER = "9 crowds"
CROWD = 1000
FANS = 200


# A busy machine takes longer for so many than an idle connection is kept by default.
@case(CHAPTER, cuts=False, timeouts={"keep_alive": 120.0, "ping": 120.0})
def quiet_connections_hold_no_thread(conversation: Conversation) -> None:
    """1,000 idle connections and 1,000 quiet WebSockets need 8 worker threads, and a send reaches
    all."""
    _allow_descriptors(4 * CROWD + 500)
    before = set(threading.enumerate())
    idle = [conversation.connect() for _ in range(CROWD)]
    for peer in idle:
        assert peer.ask("/").status == 200
    sockets = [conversation.websocket("/select") for _ in range(CROWD)]
    threads = len(set(threading.enumerate()) - before)
    conversation.measure("threads for 1,000 idle connections and 1,000 WebSockets", threads)
    assert threads <= 8
    for number, ws in enumerate(sockets):
        ws.send(str(number))
        assert ws.receive() == f"ws {number}"
    assert idle[0].ask("/send/news").body == b'{"receivers":1000}'
    for peer in idle[1:]:
        assert peer.ask("/def/1").status == 200
    for ws in sockets:
        assert ws.receive() == "room news"
        ws.close()
    for ws in sockets:
        assert ws.closed(answer=False) == (1000, "")


@case(CHAPTER, cuts=False)
def a_slow_subscriber_disturbs_nobody(conversation: Conversation) -> None:
    """A subscriber that reads nothing, one of 200, is closed by the room's policy behind what it
    had been sent, and the others get everything in order."""
    quick = [conversation.websocket("/strict/1") for _ in range(FANS)]
    slow = WebSocketPeer.open(conversation.helper(), f"/strict/{1 << 18}")
    for ws in (slow, *quick):
        assert ws.receive() == "ready"
    slow.peer.hold()
    receivers = []
    for start in range(0, 64, 8):
        receivers += [conversation.stage.strict.send(chr(48 + n)) for n in range(start, start + 8)]
        for ws in quick:
            assert [ws.receive() for _ in range(8)] == [chr(48 + start + n) for n in range(8)]
    assert receivers[0] == FANS + 1
    assert receivers[-1] == FANS
    slow.peer.release()
    told = []
    while (message := slow.receive_or_end()) is not None:
        assert message == message[0] * (1 << 18)
        told.append(message[0])
    assert 0 < len(told) < 60
    assert told == [chr(48 + n) for n in range(len(told))]
    assert conversation.helper().ask("/notes").body == b"ended, lagged 1"
    for ws in quick:
        ws.close()
        assert ws.closed(answer=False) == (1000, "")


def _allow_descriptors(wanted: int) -> None:
    try:
        import resource
    except ImportError:  # On Windows nothing bounds them.
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        assert hard == resource.RLIM_INFINITY or hard >= wanted, (
            f"this case needs {wanted} descriptors and the hard limit is {hard}: ulimit -Hn"
        )
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


@case(CHAPTER, "foreign_refused")
def foreign_await_is_named(conversation: Conversation) -> None:
    """A handler that awaits asyncio.sleep where no loop runs is answered 500, and the log names the
    await."""
    peer = conversation.connect()
    assert peer.ask("/asyncio-sleep").status == 500
    assert peer.ask("/").status == 200
    errors = [message for level, message in conversation.log if level == "error"]
    assert len(errors) == 1
    assert "asyncio.sleep" in errors[0]
    assert "/asyncio-sleep" in errors[0]
