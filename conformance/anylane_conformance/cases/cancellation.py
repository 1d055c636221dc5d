"""Native cancellation: whole frames in order, or the end."""

from __future__ import annotations

from anylane_conformance.cases import case
from anylane_conformance.contract.stage import BLOB, CHUNK
from anylane_conformance.harness.conversation import Conversation

CHAPTER = "6 cancellation"


@case(CHAPTER, "exact_marks", cuts=False)
def cancelled_send_leaves_whole_frames(conversation: Conversation) -> None:
    """A cancel in the middle of 20 MB cuts no frame: it arrives whole, and so does what follows."""
    ws = conversation.websocket("/large-message", receive_buffer=65536)
    ws.peer.hold()
    ws.send("go")
    helper = conversation.helper()
    assert helper.ask("/notes").body == b"sending"
    assert helper.ask("/cancel").body == b"cancelled"
    ws.peer.release()
    assert ws.receive() == b"y" * BLOB
    sent = 0
    while (message := ws.receive()) == CHUNK:
        sent += 1
    assert message == f"cancelled: True, whole messages: {sent}"
    assert ws.closed() == (1000, "")


@case(CHAPTER, "exact_marks", cuts=False)
def cancelled_write_leaves_whole_chunks(conversation: Conversation) -> None:
    """A cancel in the middle of a streamed response cuts no chunk."""
    peer = conversation.connect(receive_buffer=65536)
    peer.hold()
    peer.get("/large-cancelled")
    helper = conversation.helper()
    assert helper.ask("/notes").body == b"sending"
    assert helper.ask("/cancel").body == b"cancelled"
    peer.release()
    body = peer.answer().body
    assert body[:BLOB] == b"z" * BLOB
    assert body[BLOB:] == b"cancelled: True"
    assert peer.ask("/").status == 200


@case(CHAPTER)
def cancel_at_every_await(conversation: Conversation) -> None:
    """A conversation goes on consistently wherever its handler is cancelled."""
    helper = conversation.helper()
    for step in ("receiving", "listening", "sleeping"):
        ws = conversation.websocket("/cancellable")
        if step != "receiving":
            ws.send("hello")
            assert ws.receive() == "got hello"
            assert ws.receive() == "listening"
        if step == "sleeping":
            helper.ask("/send/news")
            assert ws.receive() == "news"
            assert ws.receive() == "sleeping"
        # What came in before the pong has been handled: the handler sits in its next await.
        ws.ping(b"settled")
        assert ws.pong() == b"settled"
        assert helper.ask("/cancel").body == b"cancelled"
        assert ws.receive() == "cancelled: True"
        assert ws.closed() == (1000, "")


@case(CHAPTER, "own_frames")
def cancelled_close_is_still_a_close(conversation: Conversation) -> None:
    """A cancel while close() waits for the peer leaves the close frame sent, and nothing follows
    it."""
    ws = conversation.websocket("/cancel-close")
    helper = conversation.helper()
    # The handler may not have come to its close() yet; then there is nothing to cancel.
    assert any(helper.ask("/cancel").status == 200 for _ in range(500))
    assert helper.ask("/notes").body == b"cancelled: True"
    assert ws.closed() == (4001, "bye")


@case(CHAPTER)
def cancelled_exchange_ends_the_session(conversation: Conversation) -> None:
    """A handler that fails after its cancellation ends its session with 1011."""
    ws = conversation.websocket("/cancel-whole")
    assert ws.receive() == "waiting"
    assert conversation.helper().ask("/cancel").body == b"cancelled"
    assert ws.closed() == (1011, "")
