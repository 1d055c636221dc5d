"""What one hostile client, or a crowd of them, does to a server: each play is one attack.

Clients are blocking sockets on 127.0.0.1 and end with the play. Each play says what became of it,
and whether that is right; how much memory it took and how long others waited is measured outside.
"""

from __future__ import annotations

import json
import socket
import struct
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Self

PATIENCE = 20.0
"""Seconds that a client waits for bytes."""

Outcome = tuple[str, bool]
"""What became of an attack, and whether that is right."""


@dataclass(frozen=True)
class Play:
    """One attack.

    memory: MiB above its start that the server may take. settings: see attacked.py; a deadline that
    is judged is shorter than by default, so that a play takes seconds.
    """

    name: str
    title: str
    run: Callable[[Target], Outcome]
    memory: int
    settings: dict[str, Any] = field(default_factory=dict)


class Target:
    """The server that is attacked. scale: 1 for the whole attack, less for a quick form of it."""

    def __init__(self, port: int, backend: str, scale: float) -> None:
        self.port = port
        self.backend = backend
        self.scale = scale
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def connect(self, receive_buffer: int | None = None) -> socket.socket:
        """Return a client that is closed when the play ends."""
        sock = self._stack.enter_context(socket.socket())
        if receive_buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.settimeout(PATIENCE)
        sock.connect(("127.0.0.1", self.port))
        return sock

    def websocket(
        self, path: str, *headers: str, receive_buffer: int | None = None
    ) -> socket.socket:
        """Return a client whose handshake was accepted."""
        sock = self.connect(receive_buffer)
        lines = (
            f"GET {path} HTTP/1.1", "Host: a", "Upgrade: websocket", "Connection: Upgrade",
            "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", *headers,
        )  # fmt: skip
        sock.sendall("\r\n".join((*lines, "", "")).encode())
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += sock.recv(1)
        assert answer.startswith(b"HTTP/1.1 101 "), answer
        return sock

    def figures(self) -> dict[str, dict[str, int]]:
        """Return how many handlers of each path have begun, and how many are running."""
        with socket.create_connection(("127.0.0.1", self.port), PATIENCE) as sock:
            sock.sendall(b"GET /figures HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            answer = b"".join(iter(lambda: sock.recv(65536), b""))
        return json.loads(answer.partition(b"\r\n\r\n")[2])  # type: ignore[no-any-return]

    def running(self, path: str, wanted: int, seconds: float) -> int:
        """Return how many handlers of a path are running: once they are few enough, or late."""
        end = time.monotonic() + seconds
        while (count := self.figures()["running"].get(path, 0)) > wanted:
            if time.monotonic() > end:
                break
            time.sleep(0.1)
        return count


def frame(payload: bytes, first: int = 0x82) -> bytes:
    """Return a masked frame; the key is zero, so that the payload stays as it is."""
    size = len(payload)
    if size < 126:
        head = bytes((first, 0x80 | size))
    elif size < 65536:
        head = struct.pack("!BBH", first, 0x80 | 126, size)
    else:
        head = struct.pack("!BBQ", first, 0x80 | 127, size)
    return head + bytes(4) + payload


def push(sock: socket.socket, data: bytes, seconds: float) -> int:
    """Send what the server takes within the time, and return how many bytes that was."""
    view, sent, end = memoryview(data), 0, time.monotonic() + seconds
    sock.settimeout(0.05)
    while sent < len(view) and time.monotonic() < end:
        try:
            sent += sock.send(view[sent : sent + 65536])
        except TimeoutError:
            pass
        except OSError:
            break
    sock.settimeout(PATIENCE)
    return sent


def answer(sock: socket.socket) -> str:
    """Return the status of the next answer, "reset" or "closed"."""
    try:
        head = sock.recv(65536)
    except TimeoutError:
        return "no answer"
    except OSError:
        return "reset"
    return head[9:12].decode() if head else "closed"


# -- the plays -----------------------------------------------------------------------------------


def pipelining(target: Target) -> Outcome:
    sock = target.connect()
    request = b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n"
    push(sock, request * (62_000 // len(request)), 1)
    time.sleep(6 * target.scale)
    begun = target.figures()["begun"].get("/large", 0)
    return f"{begun} answers of 20 MB begun for a client that reads nothing", begun <= 2


def unread_upload(target: Target) -> Outcome:
    sock, size = target.connect(), 200 << 20
    sock.sendall(b"POST /deaf HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    piece = b"10000\r\n" + bytes(65536) + b"\r\n"
    taken = push(sock, piece * (int(size * target.scale) // len(piece)), 4 * target.scale)
    return f"{taken / (1 << 20):.1f} MiB taken of an upload that nobody reads", taken < 16 << 20


def _bombs(target: Target, path: str) -> Outcome:
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = (deflate.compress(bytes(1_000_000)) + deflate.flush(zlib.Z_SYNC_FLUSH))[:-4]
    data = frame(bomb, 0xC2) * 250
    extension = "Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover"
    count = max(4, int(50 * target.scale))
    for _ in range(count):
        push(target.websocket(path, extension), data, 0.3)
    time.sleep(4 * target.scale)
    return f"{count} clients, each 250 messages of 1 KB that unfold to 1 MB", True


def inflating_unread(target: Target) -> Outcome:
    return _bombs(target, "/deaf-socket")


def inflating_echo(target: Target) -> Outcome:
    return _bombs(target, "/echo")


def tiny_chunks(target: Target) -> Outcome:
    sock = target.connect()
    sock.sendall(b"POST /body HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    push(sock, b"1\r\nx\r\n" * int(1_000_000 * target.scale), 30)
    push(sock, b"0\r\n\r\n", 5)
    said = answer(sock)
    return f"6 MB in chunks of one byte: {said}", said in ("200", "400", "413", "reset")


def tiny_fragments(target: Target) -> Outcome:
    sock = target.websocket("/echo")
    push(sock, frame(b"x", 0x02) + frame(b"x", 0x00) * int(900_000 * target.scale), 30)
    push(sock, frame(b"x", 0x80), 5)
    try:
        head = sock.recv(65536)
    except OSError:
        head = b""
    code = int.from_bytes(head[2:4], "big") if head[:1] == b"\x88" else 0
    said = f"close {code}" if code else "echoed" if head else "reset"
    return f"a message of 6 MB in fragments of one byte: {said}", True


def tiny_messages(target: Target) -> Outcome:
    sock = target.websocket("/echo")
    taken = push(sock, frame(b"x") * int(900_000 * target.scale), 4 * target.scale)
    return f"{taken:,} bytes of messages of one byte taken from a client that reads nothing", True


def idle_crowd(target: Target) -> Outcome:
    for _ in range(200):
        target.connect()
    time.sleep(3 * target.scale)
    began = time.perf_counter()
    try:
        target.figures()
    except OSError:
        return f"200 idle clients and 50 places: a newcomer waits over {PATIENCE:g} s", False
    waited = time.perf_counter() - began
    return f"200 idle clients and 50 places: a newcomer waits {waited:.2f} s", waited < 5


def slow_reader(target: Target) -> Outcome:
    sock, read, end = target.connect(4096), 0, time.monotonic() + 12 * max(0.5, target.scale)
    sock.sendall(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
    while time.monotonic() < end:
        try:
            read += len(sock.recv(2000))
        except OSError:
            return f"a reader of 40 KB/s was cut off after {read:,} bytes", False
        time.sleep(0.05)
    return f"a reader of 40 KB/s is served for six times the deadline: {read:,} bytes", True


def drip_reader(target: Target) -> Outcome:
    sock, end = target.connect(4096), time.monotonic() + 12 * max(0.7, target.scale)
    sock.sendall(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
    while time.monotonic() < end:
        try:
            sock.recv(1)
        except OSError:
            return "a reader of 10 bytes a second was cut off", True
        time.sleep(0.1)
        if not target.figures()["running"].get("/large") and _is_reset(sock):
            return "a reader of 10 bytes a second was cut off", True
    return "a reader of 10 bytes a second lives on", False


def _is_reset(sock: socket.socket) -> bool:
    return sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0 or (
        # tcp(7): the first byte of TCP_INFO is the state, and 7 is CLOSE.
        sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == 7
    )


def drip_sender(target: Target) -> Outcome:
    sock, end = target.connect(), time.monotonic() + 12 * max(0.7, target.scale)
    sock.sendall(b"POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n")
    sock.settimeout(0.1)
    while time.monotonic() < end:
        try:
            sock.send(b"x")
            said = sock.recv(65536)[9:12].decode()
        except TimeoutError:
            continue
        except OSError:
            said = "reset"
        return f"a body of 10 bytes a second was answered with {said}", True
    return "a body of 10 bytes a second lives on", False


def slow_frame(target: Target) -> Outcome:
    sock, data = target.websocket("/echo"), frame(bytes(900_000))
    step = len(data) // int(60 * max(0.5, target.scale))
    for at in range(0, len(data), step):
        try:
            sock.sendall(data[at : at + step])
        except OSError:
            return "a frame that takes six times the deadline of a pong was cut off", False
        time.sleep(0.1)
    received = b""
    try:
        while len(received) < 900_000:
            more = sock.recv(1 << 20)
            if not more:
                break
            received += more
    except OSError:
        pass
    whole = len(received) >= 900_000
    said = "echoed" if whole else "cut off"
    return f"a frame of 900 KB, six times as slow as the deadline of a pong: {said}", whole


def slow_socket_reader(target: Target) -> Outcome:
    sock = target.websocket("/talk", receive_buffer=4096)
    end, read = time.monotonic() + 8 * max(0.5, target.scale), 0
    while time.monotonic() < end:
        try:
            data = sock.recv(3000)
        except OSError:
            data = b""
        if not data:
            return f"a reader of 60 KB/s was cut off after {read:,} bytes", False
        read += len(data)
        time.sleep(0.05)
    return (
        f"a reader of 60 KB/s is sent to for eight times the deadline of a pong: {read:,} bytes",
        True,
    )


def _leave(target: Target, path: str, send: bytes, how: str, *, websocket: bool = True) -> Outcome:
    count = 30
    for _ in range(count):
        if websocket:
            sock = target.websocket(path)
        else:
            sock = target.connect()
            sock.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            sock.recv(65536)
        push(sock, send, 0.2)
        if how == "reset":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.close()
        else:
            sock.shutdown(socket.SHUT_WR)
    held = target.running(path, 0, 6)
    return f"{held} of {count} places still held after {how}", held == 0


# As much as server and kernel hold of it: behind more than that the end would not reach them.
_FLOOD = frame(bytes(60_000)) * 6


def leave_unread(target: Target) -> Outcome:
    return _leave(target, "/deaf-socket", _FLOOD, "FIN")


def leave_closed_unread(target: Target) -> Outcome:
    return _leave(target, "/deaf-socket", _FLOOD + frame(b"\x03\xe8", 0x88), "close and FIN")


def leave_foreign(target: Target) -> Outcome:
    return _leave(target, "/foreign", frame(b"\x03\xe8", 0x88), "close and FIN")


def leave_stream(target: Target) -> Outcome:
    return _leave(
        target, "/quiet", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 5000, "FIN", websocket=False
    )


def reset_stream(target: Target) -> Outcome:
    return _leave(
        target, "/quiet", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 5000, "reset", websocket=False
    )


def _posts(target: Target, body: bytes) -> Iterator[str]:
    for _ in range(4):
        sock = target.connect()
        sock.sendall(
            b"POST /form HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\n"
            b"Content-Length: %d\r\n\r\n" % len(body)
        )
        push(sock, body, 10)
        yield answer(sock)


def forms(target: Target) -> Outcome:
    size = int(2_000_000 * max(0.5, target.scale))
    said = {
        status
        for body in (b"&" * size, b"%" * size, b"%41" * (size // 3), b"a=%&" * (size // 4))
        for status in _posts(target, body)
    }
    return f"forms of {size / 1e6:g} MB of & and %: {', '.join(sorted(said))}", "500" not in said


def cookies(target: Target) -> Outcome:
    said = set()
    for line in (b";" * 8000, b"a=b;" * 2000, b'a="\\' * 2000, b"=;" * 4000):
        for _ in range(20):
            sock = target.connect()
            sock.sendall(b"GET /cookies HTTP/1.1\r\nHost: a\r\nCookie: " + line + b"\r\n\r\n")
            said.add(answer(sock))
    return f"cookies of 8 KB of ; and =: {', '.join(sorted(said))}", "500" not in said


_SHORT = {
    "look": 1, "ping": 1, "pong": 1, "close": 1, "body": 2, "write_stall": 2, "rate_grace": 1,
}  # fmt: skip

PLAYS = (
    Play("pipelining", "many requests at once, nothing read", pipelining, 100),
    Play("upload", "an upload that no handler reads", unread_upload, 16),
    Play("inflating", "messages that unfold, not received", inflating_unread, 150),
    Play("inflating-echo", "messages that unfold, echoed to nobody", inflating_echo, 250),
    Play("chunks", "a body in chunks of one byte", tiny_chunks, 64),
    Play("fragments", "a message in fragments of one byte", tiny_fragments, 64),
    Play("messages", "messages of one byte, nothing read", tiny_messages, 64),
    Play("idle", "idle clients in all places", idle_crowd, 32, {"max_connections": 50}),
    Play("slow-reader", "a download at 40 KB/s", slow_reader, 64, {"timeouts": _SHORT}),
    Play("drip-reader", "a download at 10 B/s", drip_reader, 64, {"timeouts": _SHORT}),
    Play("drip-sender", "an upload at 10 B/s", drip_sender, 16, {"timeouts": _SHORT}),
    Play("slow-frame", "a frame longer than a pong takes", slow_frame, 32, {"timeouts": _SHORT}),
    Play("slow-socket", "frames read at 60 KB/s", slow_socket_reader, 32, {"timeouts": _SHORT}),
    Play("leave-unread", "gone, with messages unread", leave_unread, 64, {"timeouts": _SHORT}),
    Play("leave-closed", "closed and gone, with messages unread", leave_closed_unread, 64,
         {"timeouts": _SHORT}),
    Play("leave-foreign", "gone during an await that is not ours", leave_foreign, 32,
         {"timeouts": _SHORT}),
    Play("leave-stream", "gone behind pipelined requests", leave_stream, 64, {"timeouts": _SHORT}),
    Play("reset-stream", "reset behind pipelined requests", reset_stream, 64, {"timeouts": _SHORT}),
    Play("forms", "forms of nothing but & and %", forms, 100),
    Play("cookies", "cookies of nothing but ; and =", cookies, 16),
)  # fmt: skip
