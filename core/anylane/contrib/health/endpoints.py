"""Health: what a load balancer, Kubernetes or systemd asks of a server.

Whether the process lives, and whether it can take requests, are two questions with two paths. A
process that waits for its database lives; to start it again would not help.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from math import inf
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from anylane.contrib.health.check import Check, RunningCheck
from anylane.contrib.health.memory import Memory
from anylane.contrib.own_path import OwnPath
from anylane.errors import UsageError
from anylane.extras import load
from anylane.handling.context import Context
from anylane.routing.hooks import STOP
from anylane.shown import shown

if TYPE_CHECKING:
    from anylane.lane.host import Host


class Health:
    """Answers two paths: that the process lives, and that it can take requests.

    path: 200 as long as the process can answer at all. ready: 200, or 503 while the server drains
    or a check fails. None for either leaves it out. checks: functions by name, `def` or `async
    def`, which return None or True if all is well; they are for `ready` only. timeout: seconds
    that a check may take. fresh: seconds for which what it has found is used again, so that probes
    cannot hammer what it asks. details: whether the answers have figures and the checks' names, or
    a function that says so for a ctx; without them they have the status only.

    Raises UsageError without psutil, and for a bad argument.
    """

    name = "Health"

    def __init__(
        self,
        path: str | None = "/health",
        ready: str | None = "/ready",
        *,
        checks: Mapping[str, Callable[[], Any] | Callable[[Context], Any]] | None = None,
        timeout: float = 2.0,
        fresh: float = 1.0,
        details: bool | Callable[[Context], bool] = True,
    ) -> None:
        self._path = None if path is None else OwnPath(path, "Health path")
        self._ready = None if ready is None else OwnPath(ready, "Health ready")
        if path == ready:
            raise UsageError(f"Health has {path!r} for both of its paths; give it two")
        if checks is not None and not isinstance(checks, Mapping):
            raise UsageError(
                f"Health checks is {shown(checks)}; expected functions by name: {{'db': ping}}"
            )
        _check_seconds("timeout", timeout, lowest=0.001)
        _check_seconds("fresh", fresh, lowest=0.0)
        self._checks = tuple(
            Check(name, func, timeout, fresh) for name, func in (checks or {}).items()
        )
        self._details = details
        self._memory = Memory(load("psutil", extra="health", needed_by="Health"))
        self._version = _version()
        self._servers: WeakKeyDictionary[Host, _Server] = WeakKeyDictionary()

    @property
    def own_paths(self) -> tuple[str, ...]:
        """The paths that it answers, without routes."""
        return tuple(each.text for each in (self._path, self._ready) if each is not None)

    def request(self, ctx: Context) -> Any:
        """Answer a request that is for one of the two paths."""
        if self._path is not None and self._path.is_target(ctx):
            self._path.check_method(ctx)
            return self._answer(ctx, 200, "ok", self._figures)
        if self._ready is not None and self._ready.is_target(ctx):
            self._ready.check_method(ctx)
            return self._answer_ready(ctx)
        return None

    def _answer(
        self, ctx: Context, status: int, word: str, details: Callable[[Context], dict[str, Any]]
    ) -> Any:
        shows = self._details(ctx) if callable(self._details) else self._details
        found = {"status": word, **details(ctx)} if shows else {"status": word}
        ctx.response.set_status(status).set_header("cache-control", "no-store").set_json(found)
        return STOP

    async def _answer_ready(self, ctx: Context) -> Any:
        if _drains(ctx):
            return self._answer(ctx, 503, "draining", lambda _: {})
        running = self._server(ctx).checks
        for each in running.values():  # All at once.
            each.start(ctx)
        found = {name: await each.outcome(ctx) for name, each in running.items()}
        well = all(each.well for each in found.values())

        def details(_: Context) -> dict[str, Any]:
            now = ctx.link.now()
            return {
                "checks": {
                    name: {
                        "status": "ok" if each.well else "failed",
                        **({} if each.well else {"reason": each.reason}),
                        "seconds": round(each.seconds, 6),
                        "age": round(now - each.at, 3),
                    }
                    for name, each in found.items()
                }
            }

        # A drain may have begun meanwhile.
        word = "draining" if _drains(ctx) else "ready" if well else "not ready"
        return self._answer(ctx, 200 if word == "ready" else 503, word, details)

    def _figures(self, ctx: Context) -> dict[str, Any]:
        host = ctx.link.host
        status = host.status
        return {
            "lane": host.lane,
            "version": self._version,
            "pid": os.getpid(),
            "workers": status.workers,
            "uptime": round(ctx.link.now() - self._server(ctx).began, 3),
            "draining": status.draining,
            "connections": status.connections,
            "exchanges": status.exchanges,
            "websockets": status.websockets,
            "memory": self._memory.figures(),
        }

    def _server(self, ctx: Context) -> _Server:
        """Return what belongs to the server of this request."""
        host = ctx.link.host
        found = self._servers.get(host)
        if found is None:
            # The wall clock tells how long it has run until now, and from now on the core's.
            began = ctx.link.now() - (host.time() - host.status.started)
            found = self._servers.setdefault(host, _Server(began, self._checks))
        return found


class _Server:
    """What belongs to one server. began: when it began, on its core's clock."""

    def __init__(self, began: float, checks: tuple[Check, ...]) -> None:
        self.began = began
        self.checks = {each.name: RunningCheck(each) for each in checks}


def _drains(ctx: Context) -> bool:
    return ctx.link.host.status.draining


def _check_seconds(name: str, seconds: object, *, lowest: float) -> None:
    if (
        not isinstance(seconds, int | float)
        or isinstance(seconds, bool)
        or not lowest <= seconds < inf
    ):
        raise UsageError(
            f"Health {name} is {shown(seconds)}; expected seconds, a number from {lowest:g}"
        )


def _version() -> str | None:
    try:
        return version("anylane")
    except PackageNotFoundError:  # It runs from its source.
        return None
