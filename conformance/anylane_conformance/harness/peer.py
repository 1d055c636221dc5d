"""Peer: the client's side of one connection, scripted by what was received, never by time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from anylane_conformance.harness.transcripts import Transcript
from anylane_conformance.harness.websocket_peer import KEY, WebSocketPeer


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
