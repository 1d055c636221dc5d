"""What Health answers, in memory and in virtual time."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from prometheus_client import CollectorRegistry

from anylane import App, Context, Server, ServerConfig, UsageError
from anylane.contrib import Health, Metrics
from anylane.contrib.health.memory import limits
from anylane.testing import Lockstep, TestClient, World

READY = b"GET /ready HTTP/1.1\r\nHost: a\r\n\r\n"
HEALTH = b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n"


def make(**options: Any) -> App:
    app = App()
    app.use(Health(**options))

    @app.get("/slow")
    async def slow(ctx: Context) -> str:
        await ctx.sleep(10)
        return "slow"

    return app


def read(wire: Lockstep) -> tuple[int, dict[str, Any]]:
    """Return the status of what was answered, and its JSON."""
    head, _, body = wire.take().partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


def ask(wire: Lockstep, data: bytes = READY) -> tuple[int, dict[str, Any]]:
    wire.receive(data)
    return read(wire)


# -- liveness -------------------------------------------------------------------------------------


def test_the_figures_are_real() -> None:
    world = World(make())
    slow, wire = Lockstep(world=world), Lockstep(world=world)
    slow.receive(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
    world.advance(3)
    status, found = ask(wire, HEALTH)
    assert status == 200
    assert found["status"] == "ok" and found["draining"] is False
    assert (found["lane"], found["pid"], found["workers"]) == ("Lockstep", os.getpid(), 1)
    assert (found["connections"], found["exchanges"], found["websockets"]) == (2, 2, 0)
    assert found["uptime"] == 3
    resident = psutil.Process().memory_info().rss
    assert 0.5 * resident < found["memory"]["resident"] < 2 * resident
    assert resident < found["memory"]["limit"] <= psutil.virtual_memory().total
    world.advance(4.5)
    assert ask(wire, HEALTH)[1]["uptime"] == 7.5


def test_uptime_goes_on_when_the_wall_clock_is_set() -> None:
    world = World(make())
    wire = Lockstep(world=world)
    world.advance(3)
    assert ask(wire, HEALTH)[1]["uptime"] == 3
    world.server.time = lambda: world.now - 1000
    world.advance(2)
    assert ask(wire, HEALTH)[1]["uptime"] == 5


def test_answers_are_not_kept_and_have_no_body_for_head() -> None:
    with TestClient(make()) as client:
        for path in ("/health", "/ready", "/ready?from=lb"):
            got, head = client.get(path), client.head(path)
            assert got.headers["cache-control"] == "no-store"
            assert got.headers["content-type"] == "application/json"
            assert (head.status, head.content) == (200, b"")
            refused = client.post(path)
            assert (refused.status, refused.headers["allow"]) == (405, "GET, HEAD")
        assert client.get("/healthy").status == 404


def test_paths_may_be_others_or_none() -> None:
    with TestClient(make(path="/-/live", ready=None)) as client:
        assert client.get("/-/live").status == 200
        assert client.get("/ready").status == client.get("/health").status == 404


def test_the_paths_of_a_mounted_app_are_below_its_prefix() -> None:
    inner, outer = App(), App()
    inner.get("/")(lambda ctx: None)
    inner.use(Health())
    inner.use(Metrics(registry=CollectorRegistry()))
    outer.mount("/inner", inner)
    client = TestClient(outer)
    for path in ("/health", "/ready", "/metrics"):
        assert client.get(f"/inner{path}").status == 200
        assert client.get(path).status == 404
        assert TestClient(inner).get(path).status == 200


@pytest.mark.parametrize("details", [False, lambda ctx: ctx.request.client[0] == "192.0.2.1"])
def test_without_details_there_is_the_status_alone(details: Any) -> None:
    world = World(make(details=details, checks={"db": lambda: False}))
    wire = Lockstep(world=world, peer=("192.0.2.9", 1))
    assert ask(wire, HEALTH) == (200, {"status": "ok"})
    assert ask(wire) == (503, {"status": "not ready"})
    if details:
        near = Lockstep(world=world, peer=("192.0.2.1", 1))
        assert "memory" in ask(near, HEALTH)[1] and "checks" in ask(near)[1]


# -- readiness ------------------------------------------------------------------------------------


def test_without_checks_a_server_that_answers_is_ready() -> None:
    assert ask(Lockstep(make())) == (200, {"status": "ready", "checks": {}})


@pytest.mark.parametrize(
    ("returned", "reason"),
    [
        (None, None),
        (True, None),
        (False, "returned False"),
        (0, "returned int; expected None or a bool"),
        ("secret", "returned str; expected None or a bool"),
    ],
)
@pytest.mark.parametrize("form", ["def", "def with ctx", "async", "async with ctx"])
def test_a_check_is_well_if_it_returns_none_or_true(
    form: str, returned: Any, reason: str | None
) -> None:
    async def asynchronous() -> Any:
        return returned

    async def waits(ctx: Context) -> Any:
        await ctx.sleep(0.25)
        return returned

    def blocks(ctx: Context) -> Any:
        ctx.call(ctx.sleep, 0.25)
        return returned

    forms: dict[str, Any] = {
        "def": lambda: returned,
        "def with ctx": blocks,
        "async": asynchronous,
        "async with ctx": waits,
    }
    wire = Lockstep(make(checks={"db": forms[form]}))
    wire.receive(READY)
    wire.advance(0.25)
    status, found = read(wire)
    assert status == (503 if reason else 200)
    assert found["status"] == ("not ready" if reason else "ready")
    assert found["checks"]["db"]["status"] == ("failed" if reason else "ok")
    assert found["checks"]["db"].get("reason") == reason
    assert found["checks"]["db"]["seconds"] == (0.25 if "ctx" in form else 0)


class Hidden(BaseException):
    pass


@pytest.mark.parametrize("kind", [ConnectionError, Hidden, SystemExit])
def test_what_a_check_raises_is_logged_and_its_text_is_not_shown(
    kind: type[BaseException],
) -> None:
    def check() -> None:
        raise kind("postgres://me:secret@db")

    wire = Lockstep(make(checks={"db": check, "disk": lambda: None}))
    status, found = ask(wire)
    assert status == 503 and "secret" not in str(found)
    assert found["checks"]["db"]["reason"] == f"raised {kind.__name__}"
    assert found["checks"]["disk"]["status"] == "ok"
    (line,) = wire.log
    assert line.level == "warning" and "secret" in line.message and "'db'" in line.message


def test_a_change_is_logged_and_nothing_else() -> None:
    well = True
    wire = Lockstep(make(checks={"db": lambda: well}))
    said = []
    for now in (True, True, False, False, True, True):
        well = now
        ask(wire)
        wire.advance(1)
        said.append(len(wire.log))
    assert said == [0, 0, 1, 1, 2, 2]
    assert wire.log[0].message == "the health check 'db' returned False"
    assert wire.log[1].message == "the health check 'db' is well again"


def test_a_flood_of_probes_runs_a_check_once_in_a_while() -> None:
    runs = 0

    async def check(ctx: Context) -> None:
        nonlocal runs
        runs += 1
        await ctx.sleep(0.5)

    world = World(make(checks={"db": check}))
    wires = [Lockstep(world=world) for _ in range(50)]
    for wire in wires:
        wire.receive(READY)
    assert runs == 1
    world.advance(0.5)
    assert {read(wire)[0] for wire in wires} == {200}
    for wire in wires:  # What was found is used again.
        assert ask(wire)[0] == 200
    assert runs == 1
    world.advance(1)
    wires[0].receive(READY)
    assert runs == 2
    world.advance(1)


def test_checks_run_beside_each_other() -> None:
    async def check(ctx: Context) -> None:
        await ctx.sleep(1.5)

    wire = Lockstep(make(checks={str(n): check for n in range(5)}))
    wire.receive(READY)
    wire.advance(1.5)
    assert read(wire)[0] == 200


def test_a_check_that_is_late_fails_and_is_cancelled() -> None:
    ended = []

    async def check(ctx: Context) -> None:
        try:
            await ctx.sleep(100)
        finally:
            ended.append(ctx.now())

    wire = Lockstep(make(checks={"db": check}, timeout=0.5))
    wire.receive(READY)
    wire.advance(0.5)
    status, found = read(wire)
    assert (status, found["checks"]["db"]["reason"]) == (503, "took longer than 0.5 s")
    assert ended == [0.5]


@pytest.mark.parametrize("backend", ["asyncio", "threads"])
def test_what_blocks_on_although_it_is_late_is_not_run_again_and_not_waited_for(
    backend: str,
) -> None:
    runs, go_on = [], threading.Event()

    def check() -> None:
        runs.append(1)
        go_on.wait(10)

    app = make(checks={"db": check}, timeout=0.2, fresh=0)
    with TestClient(app, backend=backend) as client:
        assert client.get("/ready").status == 503
        began = time.monotonic()
        for _ in range(3):
            found = client.get("/ready").json()["checks"]["db"]
            assert found["reason"] == "took longer than 0.2 s"
        assert time.monotonic() - began < 0.5  # Three time-outs would be longer.
        assert len(runs) == 1
        go_on.set()
        while client.get("/ready").status == 503:
            time.sleep(0.02)
        assert len(runs) > 1


def test_a_client_that_leaves_ends_no_check() -> None:
    ended = []

    async def check(ctx: Context) -> None:
        await ctx.sleep(1)
        ended.append(True)

    world = World(make(checks={"db": check}))
    first, second = Lockstep(world=world), Lockstep(world=world)
    first.receive(READY)
    second.receive(READY)
    first.lose()
    world.advance(1)
    assert ended == [True]
    assert read(second)[0] == 200


def test_a_server_that_drains_is_not_ready_and_lives() -> None:
    asked = []
    world = World(make(checks={"db": lambda: asked.append(1)}))
    early, late = Lockstep(world=world), Lockstep(world=world)
    early.receive(HEALTH[:10])  # A request that is under way when the drain begins ...
    world.server.shutdown()
    early.receive(HEALTH[10:])
    status, found = read(early)
    assert (status, found["status"], found["draining"]) == (200, "ok", True)
    late.receive(READY)  # ... and one on a connection that is new.
    assert read(late) == (503, {"status": "draining"})
    assert asked == []


def test_a_drain_that_begins_while_a_check_runs_counts() -> None:
    async def check(ctx: Context) -> None:
        await ctx.sleep(1)

    world = World(make(checks={"db": check}))
    wire = Lockstep(world=world)
    wire.receive(READY)
    world.server.shutdown()
    world.advance(1)
    status, found = read(wire)
    assert (status, found["status"], found["checks"]["db"]["status"]) == (503, "draining", "ok")


def test_each_server_has_its_own_results() -> None:
    app = make(checks={"db": lambda: True})
    first, second = World(app), World(app)
    first.advance(100)
    assert ask(Lockstep(world=first))[0] == 200
    assert ask(Lockstep(world=second))[0] == 200


@pytest.mark.parametrize("backend", ["asyncio", "threads"])
def test_a_function_that_blocks_delays_no_other_request(backend: str) -> None:
    def blocks() -> None:
        time.sleep(1)

    app = make(checks={"db": blocks}, timeout=0.2)
    config = ServerConfig(port=0, max_threads=1)
    with TestClient(app, backend=backend, config=config) as client:
        began = time.monotonic()
        answer = client.get("/ready")
        assert answer.json()["checks"]["db"]["reason"] == "took longer than 0.2 s"
        assert client.get("/health").status == 200
        assert time.monotonic() - began < 0.9


def test_a_check_that_needs_its_event_loop_has_it() -> None:
    async def ping() -> None:
        await asyncio.sleep(0.01)

    with TestClient(make(checks={"db": ping}), backend="asyncio") as client:
        assert client.get("/ready").status == 200


def test_it_is_read_from_a_real_server_while_that_drains() -> None:
    app = make()

    @app.get("/brief")
    async def brief(ctx: Context) -> str:
        started.set()
        await ctx.sleep(0.3)
        return "brief"

    started = threading.Event()
    server = Server(app, ServerConfig(port=0), "asyncio").start().wait_ready()
    address = server.addresses[0]
    with socket.create_connection(address) as busy, socket.create_connection(address) as sock:
        busy.sendall(b"GET /brief HTTP/1.1\r\nHost: a\r\n\r\n")
        assert started.wait(5)
        while server.core.status.accepted < 2:
            time.sleep(0.01)
        # A probe whose connection was accepted a moment before.
        server.shutdown()
        while not server.core.draining:
            time.sleep(0.01)
        sock.settimeout(5)
        sock.sendall(READY)
        got = sock.recv(4096)
        assert got.startswith(b"HTTP/1.1 503 ") and got.endswith(b'{"status":"draining"}')
    server.wait()


# -- memory ---------------------------------------------------------------------------------------


def groups(root: Path, lines: str, **files: str) -> list[int]:
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(lines, encoding="utf-8")
    for name, text in files.items():
        file = root / "sys/fs/cgroup" / name.replace("__", "/").replace("_DOT_", ".")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="ascii")
    return [*limits(root)]


def test_the_limit_is_that_of_the_control_groups(tmp_path: Path) -> None:
    found = groups(
        tmp_path, "0::/app/web\n", app__web__memory_DOT_max="max\n", app__memory_DOT_max="4096\n"
    )
    assert found == [4096]


def test_the_first_version_of_control_groups_is_read_too(tmp_path: Path) -> None:
    lines = "3:cpu,cpuacct:/app\n2:cpuset,memory:/app\n"
    files = {"memory__app__memory_DOT_limit_in_bytes": "1024", "cpu__memory_DOT_max": "7"}
    assert groups(tmp_path, lines, **files) == [1024]


@pytest.mark.parametrize("lines", ["", "nonsense\n", "0::\n", "0::/../../..\n"])
def test_where_nothing_is_said_there_is_no_limit(tmp_path: Path, lines: str) -> None:
    assert groups(tmp_path, lines) == []
    assert [*limits(tmp_path / "none")] == []


# -- bad arguments --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"path": "health"}, "Health path is 'health'; expected a plain path"),
        ({"ready": "/{x}"}, "Health ready is"),
        ({"path": "/x", "ready": "/x"}, "for both of its paths"),
        ({"checks": [print]}, "expected functions by name"),
        ({"checks": {"db": "ping"}}, "has 'ping' for 'db'; expected a function"),
        ({"checks": {"": print}}, "has the name ''; expected a str"),
        ({"checks": {7: print}}, "has the name 7; expected a str"),
        ({"checks": {"db": lambda a, b: None}}, r"'db' takes \(a, b\); write \(\) or \(ctx\)"),
        ({"timeout": 0}, "Health timeout is 0; expected seconds"),
        ({"timeout": "1"}, "Health timeout is '1'; expected seconds"),
        ({"timeout": float("inf")}, "Health timeout is inf; expected seconds"),
        ({"fresh": -1}, "Health fresh is -1; expected seconds"),
        ({"fresh": True}, "Health fresh is True; expected seconds"),
    ],
)
def test_bad_arguments_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Health(**options)


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psutil", None)
    with pytest.raises(UsageError, match=r"Health needs .* pip install 'anylane\[health\]'"):
        Health()
