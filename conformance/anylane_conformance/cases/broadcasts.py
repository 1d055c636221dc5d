"""ctx.select and broadcasts, from any thread."""

from __future__ import annotations

from anylane_conformance.cases import case
from anylane_conformance.lanes import Talk

CHAPTER = "4 select, broadcast"


@case(CHAPTER)
def select_over_a_websocket_and_a_broadcast(talk: Talk) -> None:
    """One handler, no task, serves its socket and a room."""
    ws = talk.connect().websocket("/select")
    ws.send("one")
    assert ws.receive() == "ws one"
    assert talk.helper().ask("/send/two").body == b'{"receivers":1}'
    assert ws.receive() == "room two"
    ws.send("three")
    assert ws.receive() == "ws three"
    ws.close()
    assert ws.closed(answer=False) == (1000, "")


@case(CHAPTER)
def broadcast_from_another_thread(talk: Talk) -> None:
    """send() may be called from any thread and wakes every subscriber."""
    sockets = [talk.connect().websocket("/select") for _ in range(3)]
    for ws in sockets:
        ws.send("ready")
        assert ws.receive() == "ws ready"
    counts: list[int] = []
    talk.in_thread(lambda: counts.extend(talk.stage.room.send(str(n)) for n in range(50)))
    assert counts == [3] * 50
    for ws in sockets:
        assert [ws.receive() for _ in range(50)] == [f"room {n}" for n in range(50)]
    for ws in sockets:
        ws.close()
        ws.closed(answer=False)


@case(CHAPTER)
def select_can_be_left_and_entered_again(talk: Talk) -> None:
    """`break` loses no item, and a source can be selected again."""
    ws = talk.connect().websocket("/select-again")
    for message in ("one", "two", "three"):
        ws.send(message)
    assert [ws.receive() for _ in range(3)] == ["one", "two", "three"]
    ws.close()
    ws.closed(answer=False)


@case(CHAPTER)
def no_subscription_outlives_its_client(talk: Talk) -> None:
    """A subscriber that vanishes is forgotten."""
    ws = talk.connect().websocket("/select")
    ws.send("ready")
    assert ws.receive() == "ws ready"
    ws.peer.reset()
    helper = talk.helper()
    for _ in range(500):
        if helper.ask("/send/x").body == b'{"receivers":0}':
            return
        talk.pause(0.01)
    raise AssertionError("the subscription is still there")
