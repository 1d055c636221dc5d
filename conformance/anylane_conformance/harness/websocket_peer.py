"""WebSocketPeer: the client's side of a WebSocket, frame by frame."""

from __future__ import annotations

from typing import Any

import wsproto.events as ws_events
from wsproto.connection import CLIENT
from wsproto.connection import Connection as WebSocketConnection
from wsproto.extensions import PerMessageDeflate

from anylane_conformance.harness.peer import Peer
from anylane_conformance.harness.transcripts import Transcript


class WebSocketPeer:
    """A WebSocket over a Peer. Frames are checked by wsproto, as a client sees them.

    extensions: what the server has agreed to, as its header says.
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

    @classmethod
    def open(cls, peer: Peer, path: str, *headers: str) -> WebSocketPeer:
        """Open a WebSocket on a connection; raise AssertionError if the server declines."""
        peer.handshake(path, *headers)
        answer = peer.answer()
        assert answer.status == 101, f"expected 101, received {answer}"
        return cls(peer, answer.headers.get("sec-websocket-extensions"))

    @property
    def transcript(self) -> Transcript:
        """What the connection's client received."""
        return self.peer.transcript

    def frame(self, event: ws_events.Event) -> bytes:
        """Return an event as bytes, which are not sent."""
        return self._frames.send(event)

    def send(self, message: str | bytes) -> None:
        """Send one message."""
        self.peer.send(self.frame(message_event(message)))

    def ping(self, payload: bytes) -> None:
        """Send a ping."""
        self.peer.send(self.frame(ws_events.Ping(payload)))

    def answer_ping(self) -> None:
        """Wait for the server's next ping, and answer it."""
        self.peer.send(self.frame(ws_events.Pong(self.pinged())))

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Send a close frame."""
        self.peer.send(self.frame(ws_events.CloseConnection(code, reason)))

    def receive(self) -> str | bytes:
        """Return the next message."""
        while not self._messages:
            self._more("a message")
        return self._messages.pop(0)

    def receive_or_end(self) -> str | bytes | None:
        """Return the next message, None if the server's close frame comes instead."""
        while not self._messages:
            if self.transcript.close is not None:
                return None
            self._more("a message or a close frame")
        return self._messages.pop(0)

    def pong(self) -> bytes:
        """Return the payload of the next pong."""
        return self._next_control("pong")

    def pinged(self) -> bytes:
        """Return the payload of the server's next ping."""
        return self._next_control("ping")

    def closed(self, *, answer: bool = True) -> tuple[int, str]:
        """Return code and reason of the server's close frame, after the end of the connection.

        answer: whether to answer it; False where this side's close frame was the first.
        """
        close = self.close_frame()
        if answer:
            self.peer.send(self.frame(ws_events.CloseConnection(close[0])))
        self.peer.closed()
        return close

    def close_frame(self) -> tuple[int, str]:
        """Return code and reason of the server's close frame, which is not answered."""
        while self.transcript.close is None:
            self._more("a close frame")
        return self.transcript.close

    def _next_control(self, wanted: str) -> bytes:
        while not self._controls:
            self._more(f"a {wanted}")
        kind, payload = self._controls.pop(0)
        assert kind == wanted, f"expected a {wanted}, received a {kind}"
        return payload

    def _more(self, wanted: str) -> None:
        data = self.peer.inner()
        assert data, f"expected {wanted}, but the connection ended"
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
    """Return a frame that wsproto would not build; it is masked, but with zeros."""
    assert len(payload) < 126
    return bytes([fin << 7 | rsv << 4 | opcode, 0x80 | len(payload), 0, 0, 0, 0]) + payload


def message_event(message: str | bytes) -> ws_events.Event:
    """Return the event with which wsproto sends a message."""
    if isinstance(message, str):
        return ws_events.TextMessage(message)
    return ws_events.BytesMessage(message)
