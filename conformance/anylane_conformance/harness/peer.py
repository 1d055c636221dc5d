"""Peer: the client's side of one connection, scripted by what was received, never by time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from anylane_conformance.harness.transcripts import Transcript

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

    A wire supplies how bytes are sent and received; HTTP is read here. What is read goes into the
    transcript, and each reading method raises AssertionError if the connection ends before it has
    what it asks for, Silence if nothing comes.

    refused: whether the server has reset the connection while this side was still sending.
    """

    def __init__(self) -> None:
        self.transcript: Transcript = Transcript()
        self.refused = False
        self._buffer = bytearray()
        self._ended = False

    # -- what a wire supplies

    @abstractmethod
    def send(self, data: bytes) -> None:
        """Send bytes."""

    @abstractmethod
    def press(self, data: bytes) -> int:
        """Send as much of *data* as the server and the kernels between take, and return how many
        bytes that is. Where it is not all, the connection is of no use for sending any more."""

    @abstractmethod
    def eof(self) -> None:
        """End this side's output; what the server sends can still be read."""

    def leave(self) -> None:
        """End this side's output as a client does that closes: under TLS that of TCP, too."""
        self.eof()

    @abstractmethod
    def reset(self) -> None:
        """Reset the connection, as a client does that has crashed."""

    @abstractmethod
    def hold(self) -> None:
        """Stop reading."""

    @abstractmethod
    def release(self) -> None:
        """Go on reading."""

    @abstractmethod
    def sip(self, size: int) -> None:
        """Read so many bytes at most, and stop again. Reading methods find them."""

    @abstractmethod
    def nothing_yet(self) -> bool:
        """Return whether nothing can be read just now."""

    @abstractmethod
    def finish(self) -> None:
        """Release what the peer holds: the case is over."""

    @abstractmethod
    def _more(self) -> bytes:
        """Wait for the next bytes and return them, b"" at the end; raise Silence if none come."""

    # -- requests

    def get(self, target: str, *headers: str, method: str = "GET") -> None:
        """Send a request without a body. headers: whole lines."""
        lines = [f"{method} {target} HTTP/1.1", "Host: conformance", *headers, "", ""]
        self.send("\r\n".join(lines).encode())

    def post(self, target: str, body: bytes, *headers: str) -> None:
        """Send a POST with its body. headers: whole lines."""
        lines = [f"POST {target} HTTP/1.1", "Host: conformance", f"Content-Length: {len(body)}"]
        self.send("\r\n".join([*lines, *headers, "", ""]).encode() + body)

    def ask(self, target: str, *headers: str) -> Answer:
        """Send a GET and return its answer."""
        self.get(target, *headers)
        return self.answer()

    def handshake(self, path: str, *headers: str) -> None:
        """Send the client's half of a WebSocket handshake (RFC 6455 §4.1)."""
        self.get(
            path,
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {KEY}",
            *headers,
        )

    # -- answers

    def answer(self, *, to_head: bool = False) -> Answer:
        """Return the next response, framed as its head says; 100 Continue is passed over.

        to_head: whether it answers a HEAD and so has no body.
        """
        begin = len(self.transcript.http)
        head = self.until(b"\r\n\r\n").decode("latin-1")
        line, *fields = head[:-4].split("\r\n")
        status = int(line.split(" ")[1])
        if status == 100:
            return self.answer(to_head=to_head)
        if to_head:
            self.transcript.bodiless.add(begin)
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
        """Return everything up to and including *marker*."""
        searched = 0
        while (at := self._buffer.find(marker, max(0, searched - len(marker)))) < 0:
            searched = len(self._buffer)
            self._fill(f"{marker!r}")
        return self._take(at + len(marker))

    def exactly(self, size: int) -> bytes:
        """Return the next *size* bytes."""
        while len(self._buffer) < size:
            self._fill(f"{size} bytes")
        return self._take(size)

    def rest(self) -> bytes:
        """Return everything up to the end of the connection."""
        while not self._ended:
            self._read()
        return self._take(len(self._buffer))

    def closed(self) -> None:
        """Wait for the end of the connection; raise AssertionError if bytes come before it."""
        rest = self.rest()
        assert not rest, f"expected the end of the connection, received {rest[:80]!r}"

    def inner(self) -> bytes:
        """Return the next bytes of a protocol inside, which are not noted; b"" at the end."""
        if not self._buffer:
            self._read()
        data = bytes(self._buffer)
        self._buffer.clear()
        return data

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
