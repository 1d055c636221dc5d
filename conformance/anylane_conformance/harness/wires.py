"""Wires: the ways a peer reaches the server: by socket, over TLS, in memory, cut in pieces."""

from __future__ import annotations

import select
import socket
import ssl
import struct
from contextlib import suppress
from typing import Any

from anylane.testing import Lockstep
from anylane_conformance.harness.peer import Peer, Silence

_PIECE = 64 * 1024
"""Bytes that `press` sends at a time."""

_STALLED = 0.7
"""Seconds in which no byte is taken, after which `press` takes the other side to have stopped."""


class SocketPeer(Peer):
    """A blocking client socket. patience: seconds that a case waits for bytes."""

    def __init__(self, address: Any, patience: float, receive_buffer: int | None) -> None:
        super().__init__()
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        if receive_buffer is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._patience = patience
        self._socket.settimeout(patience)
        self._socket.connect(address)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, data: bytes) -> None:
        try:
            self._socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            self.refused = True  # in most cases the answer is what counts

    def press(self, data: bytes) -> int:
        taken = 0
        self._socket.settimeout(_STALLED)
        with suppress(TimeoutError, BrokenPipeError, ConnectionResetError):
            while taken < len(data):
                taken += self._socket.send(data[taken : taken + _PIECE])
        self._socket.settimeout(self._patience)
        return taken

    def eof(self) -> None:
        self._socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def hold(self) -> None:
        """Do nothing: a socket that is not read is held."""

    def release(self) -> None:
        """Do nothing: reading goes on when the case reads."""

    def sip(self, size: int) -> None:
        if not self.nothing_yet():
            try:
                self._buffer += self._socket.recv(size)
            except ConnectionResetError:
                self.transcript.end = "reset"
                self._ended = True

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
        self.refused: bool = self.wire.refused

    def press(self, data: bytes) -> int:
        taken = 0
        while taken < len(data):
            piece = data[taken : taken + _PIECE]
            self._tls.write(piece)
            sealed = self._outgoing.read()
            if self.wire.press(sealed) < len(sealed):
                break
            taken += len(piece)
        return taken

    def eof(self) -> None:
        """Send a close_notify; TCP stays open in both directions."""
        self._take_in()
        with suppress(ssl.SSLWantReadError):
            self._tls.unwrap()
        self._flush()

    def leave(self) -> None:
        self.eof()
        self.wire.eof()

    def cut_short(self) -> None:
        """End TCP without a close_notify."""
        self.wire.eof()

    def reset(self) -> None:
        self.wire.reset()

    def hold(self) -> None:
        self.wire.hold()

    def release(self) -> None:
        self.wire.release()

    def sip(self, size: int) -> None:
        self.wire.sip(size)

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
        if data := self.wire.inner():
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    def _take_in(self) -> bool:
        """Decrypt what is there; return whether there was anything, or the end."""
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
                rest = self.wire.rest()  # the close_notify is followed by the end of TCP
                assert not rest, f"after the close_notify came {rest[:80]!r}"
            return data


class Cutter:
    """Cuts what a case sends: at one offset of all its bytes, or after each byte.

    at: the offset. every_byte: cut after each one. Without either nothing is cut.
    sent: how many bytes were sent so far.
    """

    def __init__(self, at: int | None = None, *, every_byte: bool = False) -> None:
        self._at = at
        self._every_byte = every_byte
        self.sent: int = 0

    def cut(self, data: bytes) -> list[bytes]:
        """Return the pieces in which the next bytes are sent."""
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
        self.refused: bool = self.wire.reset_sent

    def press(self, data: bytes) -> int:
        sent = 0
        while sent < len(data) and not self.wire.unread:
            piece = data[sent : sent + _PIECE]
            self.wire.receive(piece)
            sent += len(piece)
        return sent - self.wire.unread

    def eof(self) -> None:
        self.wire.eof()

    def reset(self) -> None:
        self.wire.lose()

    def finish(self) -> None:
        """Do nothing: no socket is held."""

    def hold(self) -> None:
        self.wire.stall()

    def release(self) -> None:
        self.wire.resume()

    def sip(self, size: int) -> None:
        self.wire.resume(size)
        self._buffer += self.wire.take()

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
