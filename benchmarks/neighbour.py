"""Somebody who means no harm, beside an attack: python neighbour.py PORT, a process of its own.

It asks for / on a new connection every 20 ms until its input ends, and prints how long it waited.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time

EVERY = 0.02
"""Seconds between two questions."""

PATIENCE = 20.0
"""Seconds after which an answer counts as one that never came."""


def ask(port: int) -> float | None:
    """Return the seconds that an answer took, None if there was none."""
    began = time.perf_counter()
    try:
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            answer = b""
            while data := sock.recv(65536):
                answer += data
    except OSError:
        return None
    return time.perf_counter() - began if answer.startswith(b"HTTP/1.1 200 ") else None


def main() -> None:
    port, waits, failed = int(sys.argv[1]), [], 0
    while not select.select([sys.stdin], [], [], EVERY)[0]:
        waited = ask(port)
        if waited is None:
            failed += 1
        else:
            waits.append(waited)
    print(json.dumps({"answers": len(waits), "failed": failed, "worst": max(waits, default=0.0)}))


if __name__ == "__main__":
    main()
