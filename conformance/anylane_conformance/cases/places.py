"""Places: who goes when all are taken, who stays, and what a newcomer gets."""

from __future__ import annotations

from anylane_conformance.cases import case
from anylane_conformance.harness.conversation import Conversation
from anylane_conformance.harness.peer import Peer

CHAPTER = "15 places"
PATIENT = {"keep_alive": 60.0}
"""No idle connection goes by itself while a case waits."""


def arrive(conversation: Conversation, count: int) -> list[Peer]:
    """Open connections one after the other, each a moment after the server has the last one."""
    peers: list[Peer] = []
    for _ in range(count):
        before = conversation.connections
        peers.append(conversation.connect())
        assert conversation.steady(lambda: conversation.connections) == before + 1
        conversation.pause(0.01)
    return peers


def later(conversation: Conversation, peer: Peer) -> None:
    """Let a client ask for something, a moment after all that was before."""
    conversation.pause(0.01)
    assert peer.ask("/").status == 200


@case(CHAPTER, "own_connections", config={"max_connections": 3}, timeouts=PATIENT)
def the_one_idle_longest_goes(conversation: Conversation) -> None:
    """When all places are taken, the connection goes for a newcomer whose last byte is oldest, one
    that never sent any among them, and it is closed in order."""
    first, silent, third = arrive(conversation, 3)
    for peer in (third, first):
        later(conversation, peer)
    for goes in (silent, third, first):
        newcomer = conversation.connect()
        later(conversation, newcomer)
        goes.closed()
        assert goes.transcript.end == "eof"
        later(conversation, newcomer)


@case(CHAPTER, "own_connections", config={"max_connections": 3}, timeouts=PATIENT, cuts=False)
def idle_sockets_lock_nobody_out(conversation: Conversation) -> None:
    """However many connect and send nothing, a newcomer is answered at once."""
    idle = [conversation.bare() for _ in range(40)]
    for _ in range(5):
        assert conversation.connect().ask("/").status == 200
    for peer in idle:
        peer.closed()


@case(
    CHAPTER,
    "own_connections",
    "real_sockets",
    "plain_wire",
    config={"max_connections": 3},
    timeouts=PATIENT,
)
def who_has_asked_is_not_idle(conversation: Conversation) -> None:
    """A connection does not go whose request is in its socket, however late it is read."""
    oldest, other = conversation.connect(), conversation.connect()
    later(conversation, oldest)
    later(conversation, other)
    busy = conversation.connect()
    busy.get("/hog")
    conversation.pause(0.1)
    newcomer = conversation.connect()
    newcomer.get("/")
    conversation.pause(0.05)
    if not oldest.nothing_yet():  # On threads the lane is not held up: it has gone already.
        oldest, other = other, oldest
    oldest.get("/def/1")
    assert oldest.answer().body == b'{"n":1}'
    assert newcomer.answer().status == 200
    assert busy.answer().body == b"done"
    other.closed()


@case(CHAPTER, "own_connections", config={"max_connections": 4}, timeouts=PATIENT)
def who_is_busy_keeps_its_place(conversation: Conversation) -> None:
    """A connection whose handler runs does not go, nor does a WebSocket or an event stream."""
    slow, stream = conversation.connect(), conversation.connect()
    slow.get("/notes")
    stream.get("/events/room")
    assert stream.until(b": listening\n\n\r\n")
    ws = conversation.websocket("/echo")
    newcomers = [conversation.connect() for _ in range(3)]
    later(conversation, newcomers[-1])
    ws.send("still here")
    assert ws.receive() == "still here"
    conversation.stage.room.send("news")
    conversation.stage.note("noted")
    conversation.pause(0)
    assert stream.until(b"data: news\n\n")
    assert slow.answer().body == b"noted"
    assert newcomers[-1].ask("/").status == 200
    for peer in newcomers[:-1]:
        peer.closed()


@case(
    CHAPTER,
    "own_connections",
    "real_sockets",
    "plain_wire",
    config={"max_connections": 2},
    timeouts=PATIENT,
)
def who_waits_is_served_when_another_is_idle(conversation: Conversation) -> None:
    """While no connection is idle a newcomer waits; it is served as soon as a handler has ended."""
    first, second = conversation.connect(), conversation.connect()
    first.get("/notes")
    second.get("/notes")
    assert conversation.steady(lambda: conversation.connections) == 2
    third = conversation.connect()
    third.get("/")
    assert conversation.steady(lambda: int(third.nothing_yet())) == 1
    conversation.stage.note("go on")
    assert third.answer().status == 200
    assert third.ask("/").status == 200


@case(
    CHAPTER,
    "own_connections",
    config={"max_connections": 2, "when_full": "refuse"},
    timeouts=PATIENT,
)
def a_full_house_can_refuse(conversation: Conversation) -> None:
    """With when_full = "refuse" a newcomer gets 503 with Retry-After while no connection is idle,
    before it has asked for anything, over TLS too, and no connection goes for it."""
    sockets = [conversation.websocket("/echo") for _ in range(2)]
    for asks in (False, True):
        newcomer = conversation.connect()
        if asks:
            newcomer.get("/")
        answer = newcomer.answer()
        assert answer.status == 503
        assert int(answer.headers["retry-after"]) > 0
        assert answer.headers["connection"] == "close"
        newcomer.closed()
        newcomer.leave()
    for ws in sockets:
        ws.send("still here")
        assert ws.receive() == "still here"
    sockets[0].close()
    assert sockets[0].closed(answer=False) == (1000, "")
    sockets[0].peer.leave()
    assert conversation.steady(lambda: conversation.connections) == 1
    for _ in range(2):
        conversation.pause(0.1)  # A client may have its answer before its handler has ended.
        newcomer = conversation.connect()
        later(conversation, newcomer)
    sockets[1].send("still here")
    assert sockets[1].receive() == "still here"


@case(
    CHAPTER,
    "own_connections",
    "plain_wire",
    config={"max_connections_per_address": 2},
    timeouts=PATIENT,
)
def a_client_can_be_bound(conversation: Conversation) -> None:
    """With max_connections_per_address, connections of one client beyond it are closed at once, and
    those that it has stay."""
    first, second = arrive(conversation, 2)
    assert conversation.connect().rest() == b""
    for peer in (first, second):
        later(conversation, peer)
    first.eof()
    first.closed()
    assert conversation.steady(lambda: conversation.connections) == 1
    later(conversation, conversation.connect())
    later(conversation, second)
    assert [level for level, _ in conversation.log] == ["warning"]


@case(
    CHAPTER, "own_connections",
    "plain_wire",
    config={"max_connections_per_network": 1, "when_full": "refuse"},
    timeouts=PATIENT,
)  # fmt: skip
def a_network_can_be_bound(conversation: Conversation) -> None:
    """With max_connections_per_network, connections of one network beyond it are refused, with 503
    if when_full = "refuse"."""
    (first,) = arrive(conversation, 1)
    other = conversation.connect()
    assert other.answer().status == 503
    other.closed()
    later(conversation, first)


@case(
    CHAPTER,
    "own_connections",
    "real_sockets",
    "plain_wire",
    config={"max_connections": 2},
    timeouts=PATIENT,
)
def a_full_house_is_told_once(conversation: Conversation) -> None:
    """That all places are taken is logged once, however many come and go."""
    for _ in range(10):
        assert conversation.connect().ask("/").status == 200
    told = [(level, text) for level, text in conversation.log if "places are taken" in text]
    assert [level for level, _ in told] == ["warning"]
    assert "all 2 places" in told[0][1]
    assert len(conversation.log) == 1
