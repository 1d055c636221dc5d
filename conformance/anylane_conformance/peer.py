"""Peer: the client's side of one connection, scripted by what was received, never by time."""

from __future__ import annotations

import select
import socket
import ssl
import struct
from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import wsproto.events as ws_events
from wsproto.connection import CLIENT
from wsproto.connection import Connection as WebSocketConnection
from wsproto.extensions import PerMessageDeflate

from anylane.testing import Lockstep
from anylane_conformance.rules import Transcript

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
"""The handshake key of RFC 6455 §1.3."""


class Silence(AssertionError):
    """The case waits for bytes that do not come."""


@dataclass(frozen=True)
class Answer:
    """One response."""

    status: int
    headers: dict[str, str]
    body: bytes


class Peer(ABC):
    """One connection to the server under test.

    refused: the server has reset the connection while we were still sending.
    """

    def __init__(self) -> None:
        self.transcript = Transcript()
        self.refused = False
        self._buffer = bytearray()
        self._ended = False

    # -- what a lane supplies

    @abstractmethod
    def send(self, data: bytes) -> None:
        """Send bytes."""

    @abstractmethod
    def eof(self) -> None:
        """Send no more."""

    @abstractmethod
    def reset(self) -> None:
        """Be gone without a goodbye."""

    @abstractmethod
    def hold(self) -> None:
        """Stop reading."""

    @abstractmethod
    def release(self) -> None:
        """Go on reading."""

    @abstractmethod
    def _more(self) -> bytes:
        """The next bytes, b"" at the end; waits for them; raises Silence when none come."""

    @abstractmethod
    def nothing_yet(self) -> bool:
        """Whether nothing can be read just now."""

    @abstractmethod
    def finish(self) -> None:
        """The case is over."""

    # -- HTTP

    def get(self, target: str, *headers: str, method: str = "GET") -> None:
        """Send a request without a body."""
        lines = [f"{method} {target} HTTP/1.1", "Host: conformance", *headers, "", ""]
        self.send("\r\n".join(lines).encode())

    def post(self, target: str, body: bytes, *headers: str) -> None:
        lines = [f"POST {target} HTTP/1.1", "Host: conformance", f"Content-Length: {len(body)}"]
        self.send("\r\n".join([*lines, *headers, "", ""]).encode() + body)

    def ask(self, target: str, *headers: str) -> Answer:
        """GET and its answer."""
        self.get(target, *headers)
        return self.answer()

    def answer(self, *, to_head: bool = False) -> Answer:
        """The next response, framed as its head says."""
        head = self.until(b"\r\n\r\n").decode("latin-1")
        line, *fields = head[:-4].split("\r\n")
        status = int(line.split(" ")[1])
        if status == 100:
            return self.answer(to_head=to_head)
        headers = {}
        for each in fields:
            name, _, value = each.partition(":")
            headers[name.lower()] = value.strip()
        if to_head or status in (101, 204, 304):
            body = b""
        elif "content-length" in headers:
            body = self.exactly(int(headers["content-length"]))
        elif headers.get("transfer-encoding") == "chunked":
            body = self._chunks()
        else:
            body = self.rest()
        return Answer(status, headers, body)

    def _chunks(self) -> bytes:
        body = b""
        while size := int(self.until(b"\r\n"), 16):
            body += self.exactly(size)
            assert self.exactly(2) == b"\r\n"
        self.until(b"\r\n")
        return body

    def until(self, marker: bytes) -> bytes:
        """Everything up to and including `marker`."""
        searched = 0
        while (at := self._buffer.find(marker, max(0, searched - len(marker)))) < 0:
            searched = len(self._buffer)
            self._fill(f"{marker!r}")
        return self._take(at + len(marker))

    def exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._fill(f"{size} bytes")
        return self._take(size)

    def rest(self) -> bytes:
        """Everything up to the end of the connection."""
        while not self._ended:
            self._read()
        return self._take(len(self._buffer))

    def closed(self) -> None:
        """The server closes now, and sends nothing before."""
        rest = self.rest()
        assert not rest, f"expected the end of the connection, received {rest[:80]!r}"

    def _fill(self, wanted: str) -> None:
        if not self._read():
            seen = bytes(self._buffer[:200])
            raise AssertionError(f"expected {wanted}, but the connection ended after {seen!r}")

    def _read(self) -> bool:
        data = b"" if self._ended else self._more()
        if not data:
            self._ended = True
            if self.transcript.end == "open":
                self.transcript.end = "eof"
            return False
        self._buffer += data
        return True

    def _take(self, size: int) -> bytes:
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        self.transcript.http += data
        return data

    # -- WebSocket

    def websocket(self, path: str, *headers: str) -> WebSocketPeer:
        """Open a WebSocket on this connection."""
        self.handshake(path, *headers)
        answer = self.answer()
        assert answer.status == 101, f"expected 101, received {answer}"
        return WebSocketPeer(self, answer.headers.get("sec-websocket-extensions"))

    def handshake(self, path: str, *headers: str) -> None:
        """Ask for a WebSocket."""
        self.get(
            path,
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {KEY}",
            *headers,
        )


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


class SocketPeer(Peer):
    """A blocking client socket. patience: seconds that a case waits for bytes."""

    def __init__(self, address: Any, patience: float, receive_buffer: int | None) -> None:
        super().__init__()
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        if receive_buffer is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._socket.settimeout(patience)
        self._socket.connect(address)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, data: bytes) -> None:
        try:
            self._socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            self.refused = True  # In most cases its answer is what counts.

    def eof(self) -> None:
        self._socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def hold(self) -> None:
        """Whoever does not read, holds."""

    def release(self) -> None:
        """Reading is all it takes."""

    def nothing_yet(self) -> bool:
        return not select.select([self._socket], [], [], 0)[0]

    def _more(self) -> bytes:
        try:
            return self._socket.recv(1 << 20)
        except TimeoutError:
            seen = bytes(self._buffer[:200])
            raise Silence(f"nothing came within the patience of the case, after {seen!r}") from None
        except ConnectionResetError:
            self.transcript.end = "reset"
            return b""

    def finish(self) -> None:
        self._socket.close()


class TlsPeer(Peer):
    """A TLS client over another peer, the same on every lane. What is compared is decrypted.

    alert: why the server ended the session, as OpenSSL names it.
    """

    def __init__(self, wire: Peer, context: ssl.SSLContext, server_name: str = "localhost") -> None:
        super().__init__()
        self.wire = wire
        self.alert: str | None = None
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_name)
        while True:
            try:
                self._tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self._flush()
                self._receive()
        self._flush()

    def send(self, data: bytes) -> None:
        self._tls.write(data)
        self._flush()
        self.refused = self.wire.refused

    def eof(self) -> None:
        """A close_notify; TCP stays open in both directions."""
        self._take_in()
        with suppress(ssl.SSLWantReadError):
            self._tls.unwrap()
        self._flush()

    def cut_short(self) -> None:
        """The end of TCP without a close_notify."""
        self.wire.eof()

    def reset(self) -> None:
        self.wire.reset()

    def hold(self) -> None:
        self.wire.hold()

    def release(self) -> None:
        self.wire.release()

    def nothing_yet(self) -> bool:
        while not self._take_in():
            if self.wire.nothing_yet():
                return True
            self._receive()
        return False

    def finish(self) -> None:
        self.wire.finish()

    def _flush(self) -> None:
        if data := self._outgoing.read():
            self.wire.send(data)

    def _receive(self) -> None:
        data = bytes(self.wire._buffer) or self.wire._more()
        self.wire._buffer.clear()
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    def _take_in(self) -> bool:
        """Decrypt what is there; whether there was anything, or the end."""
        size = len(self._buffer)
        try:
            while data := self._tls.read(1 << 16):
                self._buffer += data
        except ssl.SSLWantReadError:
            return len(self._buffer) > size
        except ssl.SSLError:
            pass
        return True

    def _more(self) -> bytes:
        while True:
            try:
                data = self._tls.read(1 << 16)
            except ssl.SSLWantReadError:
                self._receive()
                continue
            except ssl.SSLZeroReturnError:
                data = b""
            except ssl.SSLEOFError:
                reset = self.wire.transcript.end == "reset"
                self.transcript.end = "reset" if reset else "cut short"
                return b""
            except ssl.SSLError as exc:
                self.alert = self.transcript.end = exc.reason or str(exc)
                return b""
            if not data:
                self.transcript.end = "eof"
                rest = self.wire.rest()  # The close_notify is followed by the end of TCP.
                assert not rest, f"after the close_notify came {rest[:80]!r}"
            return data


class Cutter:
    """Cuts what a case sends: at one offset of all its bytes, or after each byte.

    sent: bytes so far.
    """

    def __init__(self, at: int | None = None, *, every_byte: bool = False) -> None:
        self._at = at
        self._every_byte = every_byte
        self.sent = 0

    def cut(self, data: bytes) -> list[bytes]:
        start = self.sent
        self.sent += len(data)
        if self._every_byte:
            return [data[index : index + 1] for index in range(len(data))]
        if self._at is not None and start < self._at < self.sent:
            return [data[: self._at - start], data[self._at - start :]]
        return [data]


class LockstepPeer(Peer):
    """A connection in memory. Waiting lets virtual time jump to the next deadline."""

    def __init__(self, wire: Lockstep, cutter: Cutter) -> None:
        super().__init__()
        self.wire = wire
        self._cutter = cutter

    def send(self, data: bytes) -> None:
        for piece in self._cutter.cut(data):
            self.wire.receive(piece)
        self.refused = self.wire.reset_sent

    def eof(self) -> None:
        self.wire.eof()

    def reset(self) -> None:
        self.wire.lose()

    def finish(self) -> None:
        """Nothing is held."""

    def hold(self) -> None:
        self.wire.stall()

    def release(self) -> None:
        self.wire.resume()

    def nothing_yet(self) -> bool:
        data = self.wire.take()
        self._buffer += data
        return not data and not self.wire.eof_sent

    def _more(self) -> bytes:
        while not (data := self.wire.take()):
            if self.wire.eof_sent:
                if self.wire.reset_sent:
                    self.transcript.end = "reset"
                return b""
            if not self.wire.world.jump():
                raise Silence("nothing will ever come: no deadline is armed")
            self.wire.world.run()
        return data
