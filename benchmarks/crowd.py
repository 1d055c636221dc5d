"""What the benchmarks with many WebSockets share: a server process, and a crowd of cheap clients.

The clients are plain sockets in one selector: frames are read as RFC 6455 §5.2 says and no
further, so that the crowd costs less than the server that it measures.
"""

from __future__ import annotations

import json
import re
import resource
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

PATIENCE = 120.0
"""Seconds without a byte after which a run is broken."""

APP = """
import sys, threading, time
from anylane import App, Broadcast, Context, ServerConfig, Timeouts, Limits
app = App()

def status(key):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(key))

@app.get("/figures")
async def figures(ctx: Context) -> dict:
    return {
        "rss": status("VmRSS:") * 1024,
        "peak": status("VmHWM:") * 1024,
        "cpu": time.process_time(),
        "threads": sorted(thread.name for thread in threading.enumerate()),
        **more(),
    }

def more() -> dict:
    return {}
"""
"""What every server begins with: its figures, read from proc(5)."""


def allow_descriptors(wanted: int) -> None:
    """RLIMIT_NOFILE of this process and of those it starts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        if hard != resource.RLIM_INFINITY and hard < wanted:
            raise SystemExit(f"{wanted} descriptors are needed, the hard limit is {hard}")
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


class Server:
    """A server in a process of its own."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process = process
        self.port = port

    def get(self, path: str) -> Any:
        """A JSON answer, on a connection of its own."""
        with socket.create_connection(("127.0.0.1", self.port), PATIENCE) as sock:
            sock.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
            answer = b""
            while data := sock.recv(65536):
                answer += data
        head, _, body = answer.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200 "):
            raise SystemExit(f"{path} was answered with {head!r}")
        return json.loads(body)

    def figures(self) -> Any:
        return self.get("/figures")


@contextmanager
def serving(app: str, backend: str) -> Generator[Server]:
    """app: source text behind APP, ending in `app.run(backend=sys.argv[1], port=0, ...)`."""
    process = subprocess.Popen(
        [sys.executable, "-c", APP + app, backend], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        found = re.findall(r":(\d+) ", process.stdout.readline())
        if not found:
            raise SystemExit(f"the {backend} server did not start")
        yield Server(process, int(found[0]))
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE)
    finally:
        process.kill()
        process.wait()


class Client:
    """One WebSocket. received: its messages so far, control frames answered and left out."""

    __slots__ = ("_buffer", "closed", "greeted", "received", "sock")

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._buffer = b""
        self.greeted = False
        self.closed = False
        self.received: list[bytes] = []

    def send(self, text: bytes, opcode: int = 1) -> None:
        """One short frame; a mask of zeros is a mask (RFC 6455 §5.3)."""
        self.sock.send(bytes((0x80 | opcode, 0x80 | len(text), 0, 0, 0, 0)) + text)

    def readable(self, _: int = 0) -> None:
        data = self.sock.recv(1 << 20)
        if not data:
            self.closed = True
            return
        data = self._buffer + data if self._buffer else data
        at = 0
        if not self.greeted:
            end = data.find(b"\r\n\r\n")
            if end < 0:
                self._buffer = data
                return
            assert data.startswith(b"HTTP/1.1 101"), data[:200]
            self.greeted = True
            at = end + 4
        self._buffer = data[self._frames(data, at) :]

    def _frames(self, data: bytes, at: int) -> int:
        size = len(data)
        while size - at >= 2:
            length, start = data[at + 1], at + 2
            if length == 126:
                length, start = int.from_bytes(data[start : start + 2]), start + 2
            elif length == 127:
                length, start = int.from_bytes(data[start : start + 8]), start + 8
            if size < start + length:
                break
            opcode, payload = data[at] & 15, data[start : start + length]
            at = start + length
            if opcode == 9:
                self.send(payload, 10)
            elif opcode == 8:
                self.closed = True
            elif opcode in (1, 2):
                self.received.append(payload)
        return at


class Crowd:
    """Any number of clients in one selector."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.clients: list[Client] = []
        self.selector = selectors.DefaultSelector()

    def join(self, count: int, path: str, together: int = 100) -> None:
        """So many more, `together` at a time; returns when all are accepted."""
        head = (
            f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        ).encode()
        while count > 0:
            fresh = [connect(self.port) for _ in range(min(together, count))]
            count -= len(fresh)
            for client in fresh:
                client.sock.sendall(head)
                client.sock.setblocking(False)
                self.selector.register(client.sock, selectors.EVENT_READ, client)
            self.clients += fresh
            self.until(lambda fresh=fresh: all(client.greeted for client in fresh))  # type: ignore[misc]

    def idle(self, count: int, path: str) -> None:
        """So many connections that ask once and are kept alive."""
        for _ in range(count):
            client = connect(self.port)
            client.sock.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            answer = b""
            while b"\r\n\r\n" not in answer:
                answer += client.sock.recv(65536)
            self.clients.append(client)

    def until(self, done: Callable[[], bool]) -> None:
        """Read what comes until that is so."""
        since = time.monotonic()
        while not done():
            ready = self.selector.select(1)
            for key, _ in ready:
                key.data.readable()
                if key.data.closed:
                    self.selector.unregister(key.data.sock)
            if ready:
                since = time.monotonic()
            elif time.monotonic() - since > PATIENCE:
                raise SystemExit(f"nothing came for {PATIENCE:g} seconds")

    def wait(self, seconds: float) -> None:
        """Read, and answer pings, for so long."""
        end = time.monotonic() + seconds
        self.until(lambda: time.monotonic() > end)

    def close(self) -> None:
        for client in self.clients:
            client.sock.close()
        self.selector.close()


def connect(port: int, receive_buffer: int | None = None) -> Client:
    sock = socket.socket()
    if receive_buffer is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    sock.settimeout(PATIENCE)
    sock.connect(("127.0.0.1", port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return Client(sock)
