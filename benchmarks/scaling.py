"""How cost grows: with routes, middleware, header fields, body size, idle connections."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from idle import crowd
from load import sample
from peers import Peer
from server import Server
from works import WORKS, Work

ROUTED = WORKS["routed"]
PLAINTEXT = WORKS["plaintext"]

SIZES: dict[str, tuple[int, ...]] = {
    "routes": (1, 100, 10_000),
    "middleware": (0, 3, 10, 20),
    "header fields": (2, 15, 30, 60),
    "body bytes": (1 << 10, 1 << 14, 1 << 17, 1 << 20),
    "idle connections": (0, 1000, 10_000),
}
"""What grows, and how far. The cost of one request at a size is shown against the first one."""


def measure(peer: Peer, axis: str, size: int, seconds: float) -> dict[str, Any]:
    """One sample at one size, on a server of its own."""
    work: Work = PLAINTEXT
    routes = middleware = idle = 0
    match axis:
        case "routes":
            work, routes = replace(ROUTED, middleware=0), size
        case "middleware":
            work, middleware = ROUTED, size
        case "header fields":
            work = replace(PLAINTEXT, wrk=("fields", str(size)))
        case "body bytes":
            work = replace(WORKS["upload"], wrk=("upload", str(size)))
        case _:
            idle = size
    with Server(peer, middleware=middleware, routes=routes) as server:
        sample(server, work, 1)
        with crowd(server, idle):
            return sample(server, work, seconds)


def plan(
    peers: list[Peer], rounds: int
) -> Iterator[tuple[int, Peer, str, int, Callable[[float], dict[str, Any]]]]:
    """Round after round; sizes and peers interleaved."""
    for turn in range(rounds):
        for axis, sizes in SIZES.items():
            for size in sizes:
                for peer in peers:
                    yield (
                        turn,
                        peer,
                        axis,
                        size,
                        lambda seconds, p=peer, a=axis, s=size: measure(p, a, s, seconds),
                    )
