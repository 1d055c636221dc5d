"""Memory of a server for each idle connection, and what idle connections cost the others."""

from __future__ import annotations

import resource
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

from crowd_load import frames, upgraded
from server import Broken, Server


def allow_descriptors(wanted: int) -> None:
    """For this process and the servers that it starts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        if hard != resource.RLIM_INFINITY and hard < wanted:
            raise SystemExit(f"{wanted} descriptors are needed, the hard limit is {hard}")
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


@contextmanager
def crowd(server: Server, count: int, *, websocket: bool = False) -> Iterator[list[socket.socket]]:
    """`count` connections that have each had one answer, and are silent since."""
    socks: list[socket.socket] = []
    request = f"GET /plain HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n\r\n".encode()
    message, _ = frames(64)
    try:
        while len(socks) < count:
            batch = []
            for _ in range(min(100, count - len(socks))):
                if websocket:
                    sock = upgraded(server.port, "/ws")
                    sock.sendall(message)
                else:
                    sock = socket.create_connection(("127.0.0.1", server.port), 20)
                    sock.sendall(request)
                batch.append(sock)
            socks += batch
            for sock in batch:
                if not sock.recv(65536):
                    raise Broken(f"closed a connection when {len(socks)} were open")
        yield socks
    except (OSError, SystemExit) as exc:
        raise Broken(f"with {len(socks)} connections: {exc}") from exc
    finally:
        for sock in socks:
            sock.close()


def silent_after(socks: list[socket.socket], server: Server) -> int:
    """How many of them the server has closed meanwhile: they would not be idle but gone."""
    gone = 0
    for sock in socks:
        sock.setblocking(False)
        try:
            while data := sock.recv(65536):
                assert data
            gone += 1
        except BlockingIOError:
            pass
        except OSError:
            gone += 1
    return gone


def bytes_each(server: Server, count: int, *, websocket: bool = False) -> float:
    """Bytes of memory for each of `count` idle connections. A hundred have warmed it up."""
    with crowd(server, 100, websocket=websocket):
        pass
    time.sleep(0.5)
    before = server.memory()
    with crowd(server, count, websocket=websocket) as socks:
        time.sleep(0.5)
        after = server.memory()
        gone = silent_after(socks, server)
    if gone > count // 100:
        raise Broken(f"closed {gone} of {count} idle connections")
    return (after - before) / count
