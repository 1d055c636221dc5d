"""Which peers do which works: `quick` has the most important ones, `full` everything, and `older`
those of the targets, for a Python that starts no task eagerly."""

from __future__ import annotations

from dataclasses import dataclass, field

from peers import BARE, MAIN, OURS, PEERS
from works import WORKS

FRAMEWORKS = [
    "granian + BlackSheep",
    "uvicorn + Falcon",
    "aiohttp",
    "uvicorn + Starlette",
    "granian + Starlette",
    "sanic",
    "socketify",
]
"""Those with routing and middleware that came first in long runs, so the best is among them."""

HOSTED = ["uvicorn + anylane", "granian + anylane"]
"""Our app as the application of another server."""

QUICK = {
    "plaintext": [
        *(BARE, MAIN, OURS["asyncio"], OURS["threads"], OURS["trio"], OURS["curio"], OURS["anyio"]),
        *("granian RSGI", "granian ASGI", "socketify", "uvicorn httptools", "uvicorn + Starlette"),
        *HOSTED,
        *("gunicorn gthread + WSGI", "gunicorn gthread + Flask", "hypercorn trio"),
    ],
    "routed": [MAIN, *FRAMEWORKS, *HOSTED],
    "echo": [MAIN, *FRAMEWORKS[:-1], *HOSTED],
    "changing": [MAIN, "granian + BlackSheep", "uvicorn + Starlette", "aiohttp"],
    "browser-changing": [MAIN, "granian + BlackSheep", "uvicorn + Starlette", "aiohttp"],
    "proxied": [MAIN, "granian + BlackSheep", "uvicorn + Starlette", "aiohttp"],
    "browser": [MAIN, "granian RSGI", "uvicorn httptools", "socketify"],
    "pipelined": [BARE, MAIN, "granian RSGI", "socketify"],
    "close": [BARE, MAIN, "granian RSGI", "socketify"],
    "ws-64": [
        *(MAIN, OURS["asyncio"], "websockets", "granian RSGI", "aiohttp", "picows", "socketify"),
        *("uvicorn + Starlette", *HOSTED),
    ],
    "ws-64-one": [MAIN, "websockets", "granian RSGI", "aiohttp", "picows"],
    "ws-4k": [MAIN, "aiohttp"],
    "ws-64k": [MAIN, "aiohttp"],
    "ws-room": [MAIN, OURS["trio"], OURS["threads"], "websockets", "aiohttp", "picows"],
    "sse": [MAIN, OURS["trio"], OURS["threads"], "aiohttp", "uvicorn + Starlette"],
    "latency-routed": [MAIN, "granian + BlackSheep", "uvicorn + Starlette", "aiohttp"],
}

OLDER = {
    "plaintext": [BARE, MAIN, OURS["anyio"], OURS["trio"], "granian RSGI", "socketify"],
    "routed": [MAIN, "socketify", "granian + BlackSheep", "uvicorn + Falcon"],
    "browser-changing": [MAIN, "granian + BlackSheep"],
    "close": [MAIN, "granian RSGI"],
    "ws-64": [MAIN, "websockets", "aiohttp"],
    "ws-4k": [MAIN, "aiohttp"],
    "ws-64k": [MAIN, "aiohttp"],
    "ws-room": [MAIN, "websockets", "picows"],
    "sse": [MAIN, "aiohttp"],
}


IMPORTS = (
    *("asyncio", "anylane", "starlette.applications", "fastapi", "blacksheep", "aiohttp.web"),
    *("sanic", "falcon.asgi", "flask", "robyn", "websockets.asyncio.server", "picows"),
)
"""What an app imports of its framework; asyncio is the unit."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured."""

    name: str
    works: dict[str, list[str]]
    rounds: int
    seconds: int
    idle: list[str] = field(default_factory=list)
    """Peers whose memory for each idle connection is measured."""
    idle_sockets: list[str] = field(default_factory=list)
    """The same for WebSockets."""
    crowd: int = 0
    """How many connections that are."""
    started: list[str] = field(default_factory=list)
    """Peers whose start-up is timed."""
    scaling: list[str] = field(default_factory=list)
    """Peers whose cost is measured against sizes."""


def everybody(work: str) -> list[str]:
    """All who can. Only socketify, WS only servers and the bare protocol lack most."""
    able = [name for name, peer in PEERS.items() if WORKS[work].needs in peer.can]
    return [name for name in able if not (WORKS[work].tls and name == BARE)]


IDLE = [
    *(BARE, MAIN, OURS["threads"], "uvicorn + Starlette", "aiohttp", "granian + Starlette"),
    *("sanic",),
]

PLANS = {
    "quick": Plan(
        "quick",
        QUICK,
        rounds=3,
        seconds=2,
        idle=[*IDLE, OURS["trio"], "hypercorn asyncio", "gunicorn gthread + WSGI"],
        idle_sockets=[MAIN, "websockets", "aiohttp", "picows"],
        crowd=10_000,
        started=[
            BARE,
            MAIN,
            OURS["threads"],
            "uvicorn + Starlette",
            "granian + Starlette",
            "aiohttp",
        ],
    ),
    "parts": Plan(
        "parts", {work: everybody(work) for work in WORKS if WORKS[work].parts}, rounds=5, seconds=3
    ),
    "typed": Plan("typed", {"typed": everybody("typed")}, rounds=7, seconds=2),
    "older": Plan("older", OLDER, rounds=3, seconds=2),
    "full": Plan(
        "full",
        {work: everybody(work) for work in WORKS},
        rounds=5,
        seconds=5,
        idle=[name for name, peer in PEERS.items() if "plain" in peer.can],
        idle_sockets=[name for name, peer in PEERS.items() if "ws" in peer.can],
        crowd=10_000,
        started=list(PEERS),
        scaling=[MAIN, "uvicorn + Starlette", "aiohttp"],
    ),
}
