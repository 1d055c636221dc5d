"""Who is measured: a table. A peer is a server with an app on it, and what it can do.

The apps are in apps/ and do the same work (apps/setting.py has the contract). Every command runs in
one process on one core, with access logs off and, where a server has a choice, on uvloop.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

APPS = Path(__file__).parent / "apps"
BIN = Path(sys.executable).parent
IDLE = "600"
"""Keep-alive seconds, so that idle connections stay to be measured."""


@dataclass(frozen=True, slots=True)
class Tls:
    """PEM files. PKCS#8, for granian reads nothing else."""

    cert: str
    key: str


Start = Callable[[int, "Tls | None"], list[str]]
"""The command that serves on a port of 127.0.0.1."""


@dataclass(frozen=True, slots=True)
class Peer:
    """One row of the table."""

    name: str
    packages: tuple[str, ...]
    """Distributions whose versions are reported; the first is the server."""
    start: Start
    can: frozenset[str]
    """What of works.py it takes part in: see the constants below."""

    @property
    def ours(self) -> bool:
        return "anylane" in self.packages


PLAIN = frozenset({"plain"})
RAW = frozenset({"plain", "body", "tls"})
APP = RAW | {"routed"}
WS = frozenset({"ws"})
ROOM = frozenset({"ws", "room"})
PARTS = frozenset({"parts"})
EVENTS = frozenset({"events"})
TYPED = frozenset({"typed"})


def script(name: str, *arguments: str) -> Start:
    return lambda port, tls: [sys.executable, str(APPS / name), *arguments]


def module(name: str, *arguments: str, tls: tuple[str, str] = ("", "")) -> Start:
    """python -m NAME ...; `{port}` is the port, `tls` its flags for the two files."""

    def start(port: int, files: Tls | None) -> list[str]:
        command = [sys.executable, "-m", name, *(part.format(port=port) for part in arguments)]
        if files is not None:
            command += [tls[0], files.cert, tls[1], files.key]
        return command

    return start


def anylane(backend: str, app: str = "ours:app") -> Start:
    return module(
        *("anylane", "run", app, "--backend", backend, "--port", "{port}"),
        *("--no-access-log", "--log-level", "warning", "--timeouts-keep-alive", IDLE),
        *("--max-connections", "20000"),
        tls=("--ssl-certfile", "--ssl-keyfile"),
    )


def uvicorn(app: str, http: str = "httptools") -> Start:
    return module(
        *("uvicorn", app, "--port", "{port}", "--loop", "uvloop", "--http", http),
        *("--no-access-log", "--log-level", "warning", "--timeout-keep-alive", IDLE),
        *("--backlog", "4096"),
        tls=("--ssl-certfile", "--ssl-keyfile"),
    )


def granian(app: str, interface: str = "asgi") -> Start:
    return module(
        *("granian", app, "--interface", interface, "--port", "{port}", "--loop", "uvloop"),
        *("--no-access-log", "--log-level", "warning", "--workers", "1", "--backlog", "20000"),
        tls=("--ssl-certificate", "--ssl-keyfile"),
    )


def hypercorn(app: str, worker: str) -> Start:
    return module(
        *("hypercorn", app, "--worker-class", worker, "--bind", "127.0.0.1:{port}"),
        *("--log-level", "ERROR", "--keep-alive", IDLE, "--backlog", "4096"),
        tls=("--certfile", "--keyfile"),
    )


def gunicorn(app: str) -> Start:
    return module(
        *("gunicorn", app, "--worker-class", "gthread", "--workers", "1", "--threads", "16"),
        *("--bind", "127.0.0.1:{port}", "--keep-alive", IDLE, "--log-level", "error"),
        *("--worker-connections", "20000", "--no-control-socket"),
        tls=("--certfile", "--keyfile"),
    )


def waitress(app: str) -> Start:
    return module(
        *("waitress", "--listen=127.0.0.1:{port}", "--threads=16", "--connection-limit=20000"),
        *("--channel-timeout=" + IDLE, app),
    )


OURS = {
    name: f"anylane on {name}"
    for name in ("uvloop", "asyncio", "anyio", "trio", "curio", "threads")
}
MAIN = OURS["uvloop"]
BARE = "bare uvloop protocol"
TYPED_OURS = {
    kind: f"anylane on uvloop, {kind}" for kind in ("dataclass", "Struct", "pydantic", "by hand")
}
"""The work "typed" by each kind of model, and by a handler of the Context alone."""
WITH_PARTS = {name: f"anylane on {name}, with parts" for name in ("uvloop", "asyncio", "threads")}

PEERS = {
    peer.name: peer
    for peer in (
        Peer(BARE, ("uvloop",), script("bare.py"), PLAIN),
        *(
            Peer(name, ("anylane",), anylane(backend), APP | ROOM | EVENTS)
            for backend, name in OURS.items()
        ),
        Peer("granian RSGI", ("granian",), granian("raw_rsgi:app", "rsgi"), RAW | WS),
        Peer("granian ASGI", ("granian",), granian("raw_asgi:app"), RAW | WS),
        Peer("uvicorn httptools", ("uvicorn", "httptools"), uvicorn("raw_asgi:app"), RAW | WS),
        Peer("uvicorn h11", ("uvicorn", "h11"), uvicorn("raw_asgi:app", "h11"), RAW),
        Peer("socketify", ("socketify",), script("socketify_app.py"), PLAIN | WS | {"routed"}),
        Peer(
            "granian + Starlette",
            ("granian", "starlette"),
            granian("starlette_app:app"),
            APP | ROOM | EVENTS,
        ),
        Peer(
            "uvicorn + Starlette",
            ("uvicorn", "starlette"),
            uvicorn("starlette_app:app"),
            APP | ROOM | EVENTS,
        ),
        # The same app as on our own lanes, as the ASGI application of another server.
        *(
            Peer(name, (name.partition(" ")[0], "anylane"), start("ours:app"), APP | ROOM | EVENTS)
            for name, start in (("granian + anylane", granian), ("uvicorn + anylane", uvicorn))
        ),
        Peer("granian + FastAPI", ("granian", "fastapi"), granian("fastapi_app:app"), APP),
        Peer("uvicorn + FastAPI", ("uvicorn", "fastapi"), uvicorn("fastapi_app:app"), APP),
        Peer("granian + BlackSheep", ("granian", "blacksheep"), granian("blacksheep_app:app"), APP),
        Peer("uvicorn + BlackSheep", ("uvicorn", "blacksheep"), uvicorn("blacksheep_app:app"), APP),
        Peer("granian + Falcon", ("granian", "falcon"), granian("falcon_app:app"), APP),
        Peer("uvicorn + Falcon", ("uvicorn", "falcon"), uvicorn("falcon_app:app"), APP),
        Peer("aiohttp", ("aiohttp",), script("aiohttp_app.py"), APP | ROOM | EVENTS),
        Peer("sanic", ("sanic",), script("sanic_app.py"), APP - {"tls"} | WS),
        Peer(
            "robyn",
            ("robyn",),
            script("robyn_app.py", "--processes", "1", "--workers", "1", "--log-level", "ERROR"),
            APP - {"tls"},
        ),
        Peer("hypercorn asyncio", ("hypercorn",), hypercorn("raw_asgi:app", "asyncio"), RAW | WS),
        Peer("hypercorn uvloop", ("hypercorn",), hypercorn("raw_asgi:app", "uvloop"), RAW | WS),
        Peer("hypercorn trio", ("hypercorn", "trio"), hypercorn("raw_asgi:app", "trio"), RAW | WS),
        Peer("gunicorn gthread + WSGI", ("gunicorn",), gunicorn("raw_wsgi:app"), RAW),
        Peer("gunicorn gthread + Flask", ("gunicorn", "flask"), gunicorn("flask_app:app"), APP),
        Peer("cheroot + WSGI", ("cheroot",), script("cheroot_app.py", "raw"), RAW - {"tls"}),
        Peer("cheroot + Flask", ("cheroot", "flask"), script("cheroot_app.py"), APP - {"tls"}),
        Peer("waitress + Flask", ("waitress", "flask"), waitress("flask_app:app"), APP - {"tls"}),
        *(
            Peer(name, ("anylane",), anylane(backend, "parts_ours:app"), PARTS)
            for backend, name in WITH_PARTS.items()
        ),
        *(
            Peer(
                f"{server} + {framework}, with parts",
                (server, framework.lower()),
                start(f"parts_{framework.lower()}:app"),
                PARTS,
            )
            for server, start in (("uvicorn", uvicorn), ("granian", granian))
            for framework in ("Starlette", "Litestar")
        ),
        *(
            Peer(name, ("anylane",), anylane("uvloop", f"typed_ours:{app}"), TYPED)
            for name, app in zip(
                TYPED_OURS.values(), ("app", "structs", "models", "by_hand"), strict=True
            )
        ),
        *(
            Peer(
                f"{server} + {framework}, {kind}",
                (server, framework.lower()),
                start(f"typed_{framework.lower()}:{app}"),
                TYPED,
            )
            for server, start in (("uvicorn", uvicorn), ("granian", granian))
            for framework, kind, app in (
                ("FastAPI", "pydantic", "app"),
                ("Litestar", "Struct", "app"),
                ("BlackSheep", "pydantic", "app"),
                ("BlackSheep", "unchecked", "unchecked"),
            )
        ),
        Peer("websockets", ("websockets",), script("websockets_app.py"), ROOM),
        Peer("picows", ("picows",), script("picows_app.py"), ROOM),
    )
}
