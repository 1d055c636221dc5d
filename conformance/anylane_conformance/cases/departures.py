"""Clients that leave behind input that is not read: the end of it does not reach the server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from anylane import App, Context, Disconnected
from anylane_conformance.cases import case
from anylane_conformance.contract.stage import Stage
from anylane_conformance.harness.conversation import Conversation
from anylane_conformance.harness.peer import Peer
from anylane_conformance.harness.websocket_peer import message_event

CHAPTER = "8 disconnects, deadlines"


def busy_handlers(app: App, stage: Stage) -> None:
    """Add handlers that do something else than read."""

    async def be_busy(ctx: Context) -> None:
        stage.note("busy")
        try:
            while not ctx.half_closed:
                await ctx.sleep(0.02)
            stage.note("half-closed")
            await ctx.sleep(3600)
        except Disconnected:
            stage.note("left")
            raise

    @app.websocket("/busy")
    async def busy(ctx: Context) -> None:
        await ctx.accept()
        await be_busy(ctx)

    @app.websocket("/busy-at-first")
    async def busy_at_first(ctx: Context) -> None:
        ws = await ctx.accept()
        stage.note("busy")
        await ctx.sleep(0.5)
        count = 0
        async for message in ws:
            count += len(message)
        stage.note(f"received {count}")

    @app.post("/busy")
    async def busy_upload(ctx: Context) -> str:
        await be_busy(ctx)
        return ""

    @app.post("/busy-until-half-closed")
    async def busy_until_half_closed(ctx: Context) -> dict[str, int]:
        stage.note("busy")
        while not ctx.half_closed:
            await ctx.sleep(0.02)
        return {"length": len(await ctx.request.body())}

    @app.get("/busy")
    async def busy_stream(ctx: Context) -> None:
        async with ctx.stream() as out:
            await out.write("first\n")
            await be_busy(ctx)

    @app.get("/busy-raw")
    async def busy_raw(ctx: Context) -> None:
        await ctx.take_over()
        await be_busy(ctx)


def held_back(wait: Callable[[float], None], peer: Peer, piece: bytes) -> None:
    """Send more than is read: some of it is held by the server, and some by its kernel."""
    for _ in range(3):
        peer.send(piece * (6000 // len(piece) + 1))
        wait(0.1)


HELD: dict[str, Any] = {
    "extra": busy_handlers,
    "limits": {"inbound_high": 2000, "inbound_low": 500, "pipeline": 2000},
    "timeouts": {"look": 0.2, "close": 0.3},
    "cuts": False,
    "compare": False,
}


@case(CHAPTER, "own_connections", **HELD)
def client_that_leaves_behind_unread_messages_is_noticed(conversation: Conversation) -> None:
    """A WebSocket handler that receives nothing learns that its client has left, with a close frame
    or without, and what the client held is given back."""
    helper = conversation.helper()
    for how in ("end", "close", "reset"):
        ws = conversation.websocket("/busy")
        assert helper.ask("/notes").body == b"busy"
        held_back(conversation.pause, ws.peer, ws.frame(message_event("x" * 100)))
        if how == "close":
            ws.close(1001)
        if how == "reset":
            ws.peer.reset()
        else:
            ws.peer.leave()
        assert helper.ask("/notes").body == b"left"
        if how == "close":
            assert ws.closed(answer=False) == (1001, "")
    conversation.rests(1)


@case(CHAPTER, "own_frames", **{**HELD, "timeouts": {"look": 0.1, "close": 10.0}})
def messages_of_a_client_that_has_left_are_received(conversation: Conversation) -> None:
    """A handler that goes on receiving gets every message, and the close frame behind them is
    answered."""
    helper = conversation.helper()
    ws = conversation.websocket("/busy-at-first")
    assert helper.ask("/notes").body == b"busy"
    held_back(conversation.pause, ws.peer, ws.frame(message_event("x" * 100)))
    ws.close(1001)
    ws.peer.leave()
    assert helper.ask("/notes").body in {b"received %d" % (3 * 100 * n) for n in range(50, 60)}
    assert ws.closed(answer=False) == (1001, "")


@case(CHAPTER, "own_connections", **HELD)
def client_that_leaves_behind_pipelined_input_is_noticed(conversation: Conversation) -> None:
    """A stream without heartbeats ends when its client leaves, although so much input is behind it
    that no more is read."""
    helper = conversation.helper()
    for how in ("end", "reset"):
        peer = conversation.connect()
        peer.get("/busy")
        peer.until(b"first\n\r\n")
        assert helper.ask("/notes").body == b"busy"
        held_back(conversation.pause, peer, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        if how == "reset":
            peer.reset()
        else:
            peer.leave()
        assert helper.ask("/notes").body == b"left"
    conversation.rests(1)


@case(CHAPTER, "own_connections", **HELD)
def client_that_leaves_behind_an_unread_body_is_noticed(conversation: Conversation) -> None:
    """A handler that does not read the body learns of a reset, and of a half-close, which is no
    disconnection: it still answers."""
    helper = conversation.helper()
    head = b"POST /busy HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n"
    peer = conversation.connect()
    peer.send(head)
    assert helper.ask("/notes").body == b"busy"
    held_back(conversation.pause, peer, b"x")
    peer.reset()
    assert helper.ask("/notes").body == b"left"
    conversation.rests(1)

    peer = conversation.connect()
    peer.send(b"POST /busy-until-half-closed HTTP/1.1\r\nHost: a\r\nContent-Length: 18003\r\n\r\n")
    assert helper.ask("/notes").body == b"busy"
    held_back(conversation.pause, peer, b"x")
    peer.leave()
    assert peer.answer().body == b'{"length":18003}'
    peer.closed()


@case(CHAPTER, "own_connections", **HELD)
def client_that_leaves_behind_raw_input_is_noticed(conversation: Conversation) -> None:
    """A handler that has taken the connection over and does not read learns of a reset, and of the
    end of input, which is no disconnection there."""
    helper = conversation.helper()
    peer = conversation.connect()
    peer.get("/busy-raw", "Connection: Upgrade", "Upgrade: raw")
    assert peer.answer().status == 101
    assert helper.ask("/notes").body == b"busy"
    held_back(conversation.pause, peer, b"x")
    peer.leave()
    assert helper.ask("/notes").body == b"half-closed"
    peer.reset()
    assert helper.ask("/notes").body == b"left"
    conversation.rests(1)
