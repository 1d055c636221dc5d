"""The load that wrk cannot make: WebSocket echo, one to many, server-sent events, idle connections.

    taskset -c 1 python crowd_load.py echo|room|events PORT PATH CONNECTIONS SECONDS [SIZE [WINDOW]]

Made to cost less than what it loads: plain descriptors in one epoll, frames made once, and answers
counted by their length after the first of each connection was compared byte by byte. The line of
JSON at the end has its own CPU share, so that a result limited by it is seen.
"""

from __future__ import annotations

import json
import os
import select
import socket
import sys
import time

READ = 1 << 18
WINDOW = 4
"""Broadcasts on their way, so that the server need not wait for us."""


def connect(port: int) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port), 20)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def until(sock: socket.socket, mark: bytes) -> bytes:
    """What was received, up to `mark` and behind it."""
    data = b""
    while mark not in data:
        more = sock.recv(65536)
        if not more:
            raise SystemExit(f"the server closed the connection after {data[:200]!r}")
        data += more
    return data


def upgraded(port: int, path: str) -> socket.socket:
    sock = connect(port)
    sock.sendall(
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )
    head = until(sock, b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 101 ") or not head.endswith(b"\r\n\r\n"):
        raise SystemExit(f"the handshake was answered with {head[:200]!r}")
    return sock


def frames(size: int) -> tuple[bytes, bytes]:
    """A masked text frame of `size` bytes, and the frame that answers it."""
    payload = (b"0123456789abcdef" * (size // 16 + 1))[:size]
    mask = b"\x37\xfa\x21\x3d"
    masked = bytes(byte ^ mask[n % 4] for n, byte in enumerate(payload))
    if size < 126:
        length = bytes((size,))
    elif size < 1 << 16:
        length = b"\x7e" + size.to_bytes(2, "big")
    else:
        length = b"\x7f" + size.to_bytes(8, "big")
    return (
        b"\x81" + bytes((length[0] | 0x80,)) + length[1:] + mask + masked,
        b"\x81" + length + payload,
    )


def exactly(sock: socket.socket, expected: bytes) -> None:
    data = b""
    while len(data) < len(expected):
        more = sock.recv(len(expected) - len(data))
        if not more:
            break
        data += more
    if data != expected:
        raise SystemExit(f"expected {expected[:40]!r}, got {data[:40]!r}")


def echo(  # noqa: PLR0917 (as on the command line)
    port: int, path: str, count: int, seconds: float, size: int, window: int = 1
) -> int:
    """Each connection has `window` messages in flight and sends the next for each answer."""
    sent, answer = frames(size)
    socks = [upgraded(port, path) for _ in range(count)]
    poll = select.epoll()
    missing = {}
    for sock in socks:
        sock.sendall(sent)
        exactly(sock, answer)
        sock.setblocking(size > 4096)  # Large frames may need more than one write.
        poll.register(sock, select.EPOLLIN)
        missing[sock.fileno()] = 0
    batch, whole = sent * window, len(answer) * window
    by_number = {sock.fileno(): sock for sock in socks}
    for sock in socks:
        sock.sendall(batch)
    read, write, now = os.read, os.write, time.perf_counter
    messages = 0
    end = now() + seconds
    while now() < end:
        for number, _ in poll.poll(1.0):
            data = read(number, READ)
            length = len(data)
            if length != whole or missing[number]:
                if not length:
                    raise SystemExit("the server closed a WebSocket")
                missing[number] += length
                if missing[number] < whole:
                    continue
                missing[number] -= whole
            messages += window
            if size > 4096:
                by_number[number].sendall(batch)
            else:
                write(number, batch)
    return messages


def spread(socks: list[socket.socket], seconds: float, size: int, send: object) -> int:
    """send() makes the server send `size` bytes to each. WINDOW of them are always on their way."""
    poll = select.epoll()
    for sock in socks:
        sock.setblocking(False)
        poll.register(sock, select.EPOLLIN)
    one = size * len(socks)
    received = sent = 0
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        while sent - received < WINDOW * one:
            send()  # type: ignore[operator]
            sent += one
        ready = poll.poll(10.0)
        if not ready:
            raise SystemExit(f"{sent - received} of {sent} bytes did not come")
        for number, _ in ready:
            data = os.read(number, READ)
            if not data:
                raise SystemExit("the server closed a connection")
            received += len(data)
    return received // size


def room(port: int, path: str, count: int, seconds: float, size: int) -> int:
    """The first of them says something to all; again when all have heard it."""
    sent, answer = frames(size)
    socks = [upgraded(port, path) for _ in range(count)]
    time.sleep(0.3)  # A handler may enter its room only after the handshake.
    socks[0].sendall(sent)
    for sock in socks:
        exactly(sock, answer)
    return spread(socks, seconds, len(answer), lambda: socks[0].send(sent))


def events(port: int, path: str, count: int, seconds: float) -> int:
    """POST /publish sends one event to all; again when all have it."""
    publisher = connect(port)
    request = (
        f"POST /publish HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: 0\r\n\r\n".encode()
    )
    socks = []
    for _ in range(count):
        sock = connect(port)
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
        socks.append(sock)
    for sock in socks:
        until(sock, b"\r\n\r\n")
    time.sleep(0.3)
    for sock in socks:  # A first comment or hint of some servers.
        sock.setblocking(False)
        try:
            sock.recv(65536)
        except BlockingIOError:
            pass
        sock.setblocking(True)
        sock.settimeout(10)

    def publish() -> None:
        publisher.sendall(request)
        if f'{{"sent":{count}}}'.encode() not in until(publisher, b"}"):
            raise SystemExit("not every client was subscribed")

    publish()
    lengths = set()
    for sock in socks:
        data = until(sock, b"\n\n")
        time.sleep(0)
        if b"data: " not in data or b'"n":1' not in data:
            raise SystemExit(f"expected an event, got {data[:80]!r}")
        lengths.add(len(data))
    time.sleep(0.1)
    for sock in socks:  # The end of a chunk may be a write of its own.
        sock.setblocking(False)
        try:
            sock.recv(65536)
        except BlockingIOError:
            pass
    # What one event is on the wire, framing included, is learnt from one client.
    publish()
    time.sleep(0.2)
    size = {len(sock.recv(65536)) for sock in socks}
    if len(size) != 1:
        raise SystemExit(f"one event came in different sizes: {sorted(size)}")

    def send() -> None:
        publisher.sendall(request)
        until(publisher, b"}")

    return spread(socks, seconds, size.pop(), send)


LOADS = {"echo": echo, "room": room, "events": events}

if __name__ == "__main__":
    kind, port, path, count, seconds, *rest = sys.argv[1:]
    began, used = time.perf_counter(), time.process_time()
    messages = LOADS[kind](int(port), path, int(count), float(seconds), *map(int, rest))
    busy = (time.process_time() - used) / (time.perf_counter() - began)
    print("JSON", json.dumps({"requests": messages, "seconds": float(seconds), "load_busy": busy}))
    sys.stdout.flush()
    os._exit(0)  # Thousands of sockets are closed fastest by the kernel.
