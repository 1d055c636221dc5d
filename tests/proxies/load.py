"""Requests by the thousand, each of them counted by what came of it."""

from __future__ import annotations

import http.client
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager

BODY = b"x" * 200


def post(connection: http.client.HTTPConnection, close: bool = False) -> str:
    """Send a POST, which no client and no proxy repeats by itself. Return what came of it."""
    try:
        headers = {"Connection": "close"} if close else {}
        connection.request("POST", "/echo", BODY, headers)
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException) as exc:
        connection.close()
        return f"{type(exc).__name__}"
    if answer.status == 200:
        return "answered" if body == BODY else "damaged"
    return str(answer.status)


def bursts(port: int, *, clients: int, rounds: int, pause: float) -> Counter[str]:
    """Let so many clients send one POST each at the same moment, again and again after a pause in
    seconds. Return how often what came of it."""
    found: Counter[str] = Counter()
    lock, barrier = threading.Lock(), threading.Barrier(clients)

    def client() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        for _ in range(rounds):
            barrier.wait(30)
            outcome = post(connection)
            with lock:
                found[outcome] += 1
            time.sleep(pause)
        connection.close()

    with _threads(client, clients):
        pass
    return found


def steady(
    port: int, during: Callable[[], None], *, clients: int, close: bool = False
) -> Counter[str]:
    """Let so many clients send POSTs as fast as they can while a function runs. Return how often
    what came of it.

    close: over a new connection each.
    """
    found: Counter[str] = Counter()
    lock, over = threading.Lock(), threading.Event()

    def client() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        while not over.is_set():
            outcome = post(connection, close)
            with lock:
                found[outcome] += 1
        connection.close()

    with _threads(client, clients):
        try:
            during()
        finally:
            over.set()
    return found


@contextmanager
def _threads(func: Callable[[], None], count: int) -> Generator[None]:
    """Run a function in so many threads, and wait for them at the end of the block."""
    threads = [threading.Thread(target=func) for _ in range(count)]
    for each in threads:
        each.start()
    try:
        yield
    finally:
        for each in threads:
            each.join()
