"""Mounted ASGI applications whose life does not begin, or does not end, hold no server up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from anylane import App, ServerConfig, Timeouts
from anylane_backends.hosting.server import Server
from anylane_backends.mounts import life
from tests.backends.hosting.workers.servers import Server as Process
from tests.waiting import eventually

WAYS = ("asyncio", "asyncio portal", "uvloop", "anyio", "trio", "trio portal", "curio", "threads")
HANDED = ("asyncio portal", "trio portal", "curio", "threads")
"""Where the application has a loop of its own."""

BRIEF = ServerConfig(port=0, timeouts=Timeouts(drain=0.3, close=0.2))


class Hanging:
    """An ASGI application that stops at one moment of its life. how: what it does there.

    reached: it is there. ended: how it has ended, a name of what was raised.
    """

    def __init__(self, moment: str, how: Callable[[], Any]) -> None:
        self._moment = moment
        self._how = how
        self.reached = threading.Event()
        self.ended: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "lifespan"
        try:
            await receive()
            await self._at("start")
            if self._moment == "failed":
                await send({"type": "lifespan.startup.failed", "message": "no database"})
                await self._at("failed")
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await self._at("end")
            await send({"type": "lifespan.shutdown.complete"})
        except BaseException as exc:
            self.ended.append(type(exc).__name__)
            raise

    async def _at(self, moment: str) -> None:
        if moment == self._moment:
            self.reached.set()
            await self._how()


async def for_ever() -> None:
    """Wait for ever, on whichever loop that is."""
    import anyio

    await anyio.sleep_forever()


@contextmanager
def served(
    application: Any, way: str, config: ServerConfig = BRIEF, **hooks: Callable[[], None]
) -> Generator[tuple[Server, list[str]]]:
    lane, _, portal = way.partition(" ")
    app = App()
    if "before" in hooks:
        app.on_shutdown(hooks["before"])
    app.mount("/new", application, portal=bool(portal))
    lines: list[str] = []

    def log(level: str, message: str, _error: BaseException | None) -> None:
        lines.append(f"{level}: {message}")

    server = Server(app, config, lane, log=log).start()
    try:
        yield server, lines
    finally:
        server.shutdown()
        assert server.wait(10)


@pytest.mark.parametrize("way", WAYS)
def test_a_start_that_never_completes_is_given_up_with_the_servers(way: str) -> None:
    application = Hanging("start", for_ever)
    with served(application, way) as (server, lines):
        assert application.reached.wait(10)
        server.shutdown()
        assert server.wait(10)
        assert not server.was_ready
    eventually(lambda: application.ended)
    assert application.ended[0] in ("CancelledError", "Cancelled")
    assert lines == []


@pytest.mark.parametrize("way", WAYS)
def test_an_end_that_never_completes_has_the_time_of_the_drain(way: str) -> None:
    application, order = Hanging("end", for_ever), []
    with served(application, way, before=lambda: order.append("hook")) as (server, lines):
        server.wait_ready()
        began = time.monotonic()
        server.shutdown()
        assert server.wait(10)
        assert time.monotonic() - began >= 0.3
    assert application.ended[0] in ("CancelledError", "Cancelled")
    assert order == ["hook"]  # The others have their turn.
    assert len(lines) == 1
    assert lines[0].startswith("error: a shutdown hook failed: ")
    assert "the application mounted at /new did not end its lifespan within 0.3 s" in lines[0]


@pytest.mark.parametrize("moment", ["start", "end"])
@pytest.mark.parametrize("way", HANDED)
def test_a_loop_of_its_own_that_is_blocked_holds_up_nothing(way: str, moment: str) -> None:
    free = threading.Event()

    async def block() -> None:
        free.wait()

    application = Hanging(moment, block)
    try:
        with served(application, way) as (server, lines):
            if moment == "end":
                server.wait_ready()
            else:
                assert application.reached.wait(10)
            server.shutdown()
            assert server.wait(10)
    finally:
        free.set()
    told = "error: the application mounted at /new blocks its loop: its thread is left behind"
    assert told in lines
    assert any("did not end its lifespan" in each for each in lines) is (moment == "end")
    eventually(lambda: not any(t.name == "anylane portal" for t in threading.enumerate()))


@pytest.mark.parametrize("way", WAYS)
def test_an_application_that_cannot_start_and_does_not_end_is_cancelled(way: str) -> None:
    application = Hanging("failed", for_ever)
    expected = "mounted at /new could not start: no database"
    with served(application, way) as (server, _), pytest.raises(RuntimeError, match=expected):
        server.wait_ready()
    assert application.ended[0] in ("CancelledError", "Cancelled")


@pytest.mark.parametrize("way", WAYS)
def test_what_a_slow_start_waits_for_is_told(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(life, "_SLOW", 0.05)

    async def slow() -> None:
        import anyio

        await anyio.sleep(0.3)

    with served(Hanging("start", slow), way) as (server, lines):
        server.wait_ready()
    line = "warning: the application mounted at /new has not started within 0.05 s: waiting for it"
    assert lines == [line]


@pytest.mark.parametrize("way", WAYS)
def test_what_fails_behind_its_start_is_told(way: str) -> None:
    """It knows lifespans, and is not passed over as one that does not."""

    async def fail() -> None:
        raise ValueError("cannot flush")

    with served(Hanging("end", fail), way) as (server, lines):
        server.wait_ready()
    assert len(lines) == 1
    assert "the application mounted at /new failed at its end: ValueError: cannot flush" in lines[0]


HANGS = """
import asyncio
from anylane import App

async def hangs(scope, receive, send):
    await receive()
    open("started", "w").close()
    try:
        await asyncio.sleep(3600)
    finally:
        open("cancelled", "w").close()

app = App()
app.mount("/new", hangs)
"""


@pytest.mark.parametrize("lane", ["asyncio", "curio", "threads"])
def test_a_signal_gives_such_a_start_up_at_once(lane: str, tmp_path: Path) -> None:
    server = Process(tmp_path, "--backend", lane, app=HANGS, waits=False)
    try:
        eventually((tmp_path / "started").exists, 20)
        code, text = server.end()
    finally:
        server.close()
    assert code == 0, text
    assert "told to stop before the start was over: it was given up" in text
    assert "Traceback" not in text
    assert (tmp_path / "cancelled").exists()
