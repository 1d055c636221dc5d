"""What the project wants to reach, as rows that a run answers: met, missed, or not measured."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from figures import Ratio, Samples, against, core_time, peers_of
from peers import BARE, MAIN, OURS, PEERS, TYPED_OURS


@dataclass(frozen=True, slots=True)
class Target:
    text: str
    work: str
    ours: str
    factor: float
    """How many times the other one's rate; the same: 1."""
    others: tuple[str, ...] = ()
    """Against the fastest of them; empty: of all peers in this work."""


TARGETS = (
    Target("JSON, route and three middleware: the best peer that has both (aim: 1.5)", "routed",
           MAIN, 1.3),
    Target("the same with a JSON body echoed", "echo", MAIN, 1.5),
    Target("a browser's headers, 8,192 heads: granian + BlackSheep (aim: 1.5)", "browser-changing",
           MAIN, 1.2, ("granian + BlackSheep",)),
    Target("plaintext: granian RSGI", "plaintext", MAIN, 1.1, ("granian RSGI",)),
    Target("plaintext: socketify (aim: 1.0)", "plaintext", MAIN, 0.9, ("socketify",)),
    Target("plaintext: the bare protocol", "plaintext", MAIN, 0.5, (BARE,)),
    Target("a new connection for every request: granian RSGI (aim: 1.1)", "close", MAIN, 0.95,
           ("granian RSGI",)),
    Target("WebSocket echo, 64 B: websockets", "ws-64", MAIN, 1.7, ("websockets",)),
    Target("WebSocket echo, 64 B: granian", "ws-64", MAIN, 2.5, ("granian RSGI",)),
    Target("WebSocket echo, 64 B: aiohttp (aim: 1.2)", "ws-64", MAIN, 1.0, ("aiohttp",)),
    Target("WebSocket echo, 4 KiB: aiohttp (aim: 1.1)", "ws-4k", MAIN, 1.0, ("aiohttp",)),
    Target("WebSocket echo, 64 KiB: aiohttp (aim: 1.0)", "ws-64k", MAIN, 0.9, ("aiohttp",)),
    Target("WebSocket, one to 500: websockets (aim: 1.9)", "ws-room", MAIN, 1.5, ("websockets",)),
    Target("WebSocket, one to 500: picows (aim: 1.0)", "ws-room", MAIN, 0.9, ("picows",)),
    Target("event streams, one to 500: aiohttp (aim: 1.6)", "sse", MAIN, 1.2, ("aiohttp",)),
    Target("anyio: the bare protocol (aim: 0.5)", "plaintext", OURS["anyio"], 0.42, (BARE,)),
    Target("trio: the bare protocol (aim: 0.5)", "plaintext", OURS["trio"], 0.42, (BARE,)),
    Target("threads: gunicorn gthread + Flask", "plaintext", OURS["threads"], 3.0,
           ("gunicorn gthread + Flask",)),
    Target("threads: gthread with a bare WSGI function", "plaintext", OURS["threads"], 1.5,
           ("gunicorn gthread + WSGI",)),
    Target("trio: hypercorn on trio", "plaintext", OURS["trio"], 4.0, ("hypercorn trio",)),
    Target("typed handlers: FastAPI", "typed", TYPED_OURS["dataclass"], 3.0,
           tuple(name for name in PEERS if "FastAPI, " in name)),
    Target("typed handlers: the best other peer that checks what is sent", "typed",
           TYPED_OURS["dataclass"], 1.5,
           tuple(name for name in PEERS if name.endswith(("Litestar, Struct", "Sheep, pydantic")))),
    Target("curio: anylane on trio", "plaintext", OURS["curio"], 1.0, (OURS["trio"],)),
)  # fmt: skip


def verdict(target: Target, found: Ratio | None) -> str:
    """By the median; whether every round says the same."""
    if found is None:
        return "not measured"
    met = found.median >= target.factor
    text = "met" if met else "**missed**"
    return f"{text}, but not in every round" if found.least < target.factor <= found.most else text


def answers(
    samples: Samples, wanted: tuple[Target, ...] = TARGETS
) -> Iterator[tuple[Target, str, Ratio | None, Ratio | None]]:
    """Each target, the peer it was measured against, the ratio of rates and that of core times."""
    for target in wanted:
        others = target.others or tuple(p for p in PEERS if not PEERS[p].ours and p != BARE)
        rivals = [peer for peer in peers_of(samples, target.work) if peer in others]
        if not rivals:
            yield target, " ".join(target.others) or "a peer", None, None
        else:
            rate = against(samples, target.work, target.ours, rivals[0])
            cheaper = core_time(samples, target.work, rivals[0], target.ours)
            yield target, rivals[0], rate, cheaper
