"""ctx.select and broadcasts, from any thread."""

from __future__ import annotations

from contextlib import ExitStack

from anylane import Server, ServerConfig
from anylane_backends.hosting.loading import load_backend
from anylane_conformance.cases import case
from anylane_conformance.contract import app as contract
from anylane_conformance.harness.conversation import PATIENCE, Conversation
from anylane_conformance.harness.websocket_peer import WebSocketPeer
from anylane_conformance.harness.wires import SocketPeer

CHAPTER = "4 select, broadcast"


@case(CHAPTER)
def select_over_a_websocket_and_a_broadcast(conversation: Conversation) -> None:
    """One handler serves its socket and a room by ctx.select, without a task."""
    ws = conversation.websocket("/select")
    ws.send("one")
    assert ws.receive() == "ws one"
    assert conversation.helper().ask("/send/two").body == b'{"receivers":1}'
    assert ws.receive() == "room two"
    ws.send("three")
    assert ws.receive() == "ws three"
    ws.close()
    assert ws.closed(answer=False) == (1000, "")


@case(CHAPTER)
def broadcast_from_another_thread(conversation: Conversation) -> None:
    """send() may be called from any thread and wakes every subscriber."""
    sockets = [conversation.websocket("/select") for _ in range(3)]
    for ws in sockets:
        ws.send("ready")
        assert ws.receive() == "ws ready"
    counts: list[int] = []
    conversation.in_thread(
        lambda: counts.extend(conversation.stage.room.send(str(n)) for n in range(50))
    )
    assert counts == [3] * 50
    for ws in sockets:
        assert [ws.receive() for _ in range(50)] == [f"room {n}" for n in range(50)]
    for ws in sockets:
        ws.close()
        ws.closed(answer=False)


@case(CHAPTER)
def select_can_be_left_and_entered_again(conversation: Conversation) -> None:
    """A select that is left by `break` loses no item, and its sources can be selected again."""
    ws = conversation.websocket("/select-again")
    for message in ("one", "two", "three"):
        ws.send(message)
    assert [ws.receive() for _ in range(3)] == ["one", "two", "three"]
    ws.close()
    ws.closed(answer=False)


@case(CHAPTER)
def no_subscription_outlives_its_client(conversation: Conversation) -> None:
    """A subscriber that vanishes is forgotten."""
    ws = conversation.websocket("/select")
    ws.send("ready")
    assert ws.receive() == "ws ready"
    ws.peer.reset()
    helper = conversation.helper()
    for _ in range(500):
        if helper.ask("/send/x").body == b'{"receivers":0}':
            return
        conversation.pause(0.01)
    raise AssertionError("the subscription is still there")


@case(CHAPTER)
def broadcast_from_a_def_handler(conversation: Conversation) -> None:
    """send() may be called in the pool."""
    ws = conversation.websocket("/select")
    ws.send("ready")
    assert ws.receive() == "ws ready"
    assert conversation.helper().ask("/def-send/one").body == b'{"receivers":1}'
    assert ws.receive() == "room one"
    ws.close()
    ws.closed(answer=False)


@case(CHAPTER, "parallel_blocking", cuts=False)
def def_handlers_wait_for_a_room(conversation: Conversation) -> None:
    """ctx.call(anext, subscription) blocks its own thread only."""
    peer = conversation.connect()
    peer.get("/def-receive")
    helper = conversation.helper()
    assert helper.ask("/notes").body == b"listening"
    assert helper.ask("/send/one").body == b'{"receivers":1}'
    conversation.in_thread(lambda: conversation.stage.room.send("two"))
    assert peer.answer().body == b"one two"


# The order between two connections is not promised, so the transcripts are not compared.
@case(CHAPTER, cuts=False, compare=False)
def a_cancelled_select_loses_nothing(conversation: Conversation) -> None:
    """Time-outs at any moment of a select lose neither messages nor items."""
    ws = conversation.websocket("/impatient-select")
    helper = conversation.helper()
    for n in range(10):
        ws.send(f"message {n}")
        helper.ask(f"/send/item{n}")
        if n % 3 == 0:
            conversation.pause(0.003)
    received = [str(ws.receive()) for _ in range(20)]
    for kind in ("message ", "item"):
        texts = [text for text in received if text.startswith(kind)]
        assert texts == [f"{kind}{n}" for n in range(10)]
    assert ws.closed() == (1000, "")


@case(CHAPTER, "real_sockets")
def one_room_for_servers_on_different_backends(conversation: Conversation) -> None:
    """Servers of one process share a Broadcast, whatever backends they run on."""
    ws = conversation.websocket("/select")
    ws.send("ready")
    assert ws.receive() == "ws ready"
    sockets = [ws]
    with ExitStack() as stack:
        for name in ("asyncio", "threads"):
            app = contract.build(conversation.stage)
            server = Server(app, ServerConfig(port=0), load_backend(name))
            server.start().wait_ready()
            stack.callback(server.wait, PATIENCE)
            stack.callback(server.shutdown, grace=1)
            peer = SocketPeer(server.addresses[0], PATIENCE, None)
            stack.callback(peer.finish)
            sockets.append(WebSocketPeer.open(peer, "/select"))
            sockets[-1].send("ready")
            assert sockets[-1].receive() == "ws ready"
        assert conversation.helper().ask("/send/one").body == b'{"receivers":3}'
        conversation.in_thread(lambda: conversation.stage.room.send("two"))
        for each in sockets:
            assert [each.receive(), each.receive()] == ["room one", "room two"]
    ws.close()
    ws.closed(answer=False)
