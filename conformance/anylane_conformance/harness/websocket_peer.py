"""WebSocketPeer: the client's side of a WebSocket, frame by frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import wsproto.events as ws_events
from wsproto.connection import CLIENT
from wsproto.connection import Connection as WebSocketConnection
from wsproto.extensions import PerMessageDeflate

from anylane_conformance.harness.transcripts import Transcript

if TYPE_CHECKING:
    from anylane_conformance.harness.peer import Peer


KEY = "dGhlIHNhbXBsZSBub25jZQ=="
"""The handshake key of RFC 6455 §1.3."""


class WebSocketPeer:
    """A WebSocket over a Peer. Frames are checked by wsproto, as a client sees them.

    extensions: that the server has agreed to, as it says.
    """

    def __init__(self, peer: Peer, extensions: str | None = None) -> None:
        self.peer = peer
        self.extensions = extensions
        deflate = PerMessageDeflate()
        if extensions is not None:
            deflate.finalize(extensions)
        self._frames = WebSocketConnection(CLIENT, [deflate])
        self._parts: list[Any] = []
        self._messages: list[str | bytes] = []
        self._controls: list[tuple[str, bytes]] = []

    @property
    def transcript(self) -> Transcript:
        return self.peer.transcript

    def frame(self, event: ws_events.Event) -> bytes:
        """An event as bytes, not sent."""
        return self._frames.send(event)

    def send(self, message: str | bytes) -> None:
        self.peer.send(self.frame(message_event(message)))

    def ping(self, payload: bytes) -> None:
        self.peer.send(self.frame(ws_events.Ping(payload)))

    def answer_ping(self) -> None:
        """Wait for the next ping of the server, and answer it."""
        while not self._controls:
            self._more("a ping")
        kind, payload = self._controls.pop(0)
        assert kind == "ping", f"expected a ping, received a {kind}"
        self.peer.send(self.frame(ws_events.Pong(payload)))

    def close(self, code: int = 1000, reason: str = "") -> None:
        self.peer.send(self.frame(ws_events.CloseConnection(code, reason)))

    def receive(self) -> str | bytes:
        """The next message."""
        while not self._messages:
            self._more("a message")
        return self._messages.pop(0)

    def receive_or_end(self) -> str | bytes | None:
        """The next message, None when the server's close frame comes instead."""
        while not self._messages:
            if self.transcript.close is not None:
                return None
            self._more("a message or a close frame")
        return self._messages.pop(0)

    def pong(self) -> bytes:
        """The payload of the next pong."""
        while not self._controls:
            self._more("a pong")
        kind, payload = self._controls.pop(0)
        assert kind == "pong", f"expected a pong, received a {kind}"
        return payload

    def pinged(self) -> bytes:
        """The payload of the next ping of the server's own."""
        while not self._controls:
            self._more("a ping")
        kind, payload = self._controls.pop(0)
        assert kind == "ping", f"expected a ping, received a {kind}"
        return payload

    def closed(self, *, answer: bool = True) -> tuple[int, str]:
        """The server's close frame, answered unless we sent one, then the end."""
        while self.transcript.close is None:
            self._more("a close frame")
        if answer:
            code, _ = self.transcript.close
            self.peer.send(self.frame(ws_events.CloseConnection(code)))
        self.peer.closed()
        return self.transcript.close

    def _more(self, wanted: str) -> None:
        if not self.peer._buffer:
            self.peer._fill(wanted)
        data = bytes(self.peer._buffer)
        self.peer._buffer.clear()
        self._frames.receive_data(data)
        for event in self._frames.events():
            self._on(event)

    def _on(self, event: ws_events.Event) -> None:
        match event:
            case ws_events.Message():
                self._parts.append(event.data)
                if event.message_finished:
                    empty: Any = "" if isinstance(event.data, str) else b""
                    message = empty.join(self._parts)
                    self._parts.clear()
                    self._messages.append(message)
                    self.transcript.messages.append(message)
            case ws_events.Pong():
                self._control("pong", bytes(event.payload))
            case ws_events.Ping():
                self._control("ping", bytes(event.payload))
            case ws_events.CloseConnection():
                self.transcript.close = (int(event.code), event.reason or "")
            case _:
                raise AssertionError(f"unexpected {event}")

    def _control(self, kind: str, payload: bytes) -> None:
        self._controls.append((kind, payload))
        self.transcript.controls.append((kind, payload))


def raw_frame(opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0) -> bytes:
    """A frame that wsproto would not build; masked, but with zeros."""
    assert len(payload) < 126
    return bytes([fin << 7 | rsv << 4 | opcode, 0x80 | len(payload), 0, 0, 0, 0]) + payload


def message_event(message: str | bytes) -> ws_events.Event:
    if isinstance(message, str):
        return ws_events.TextMessage(message)
    return ws_events.BytesMessage(message)
