"""Rooms of real server processes: workers of one lane, and servers of different lanes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
import pytest
from websockets.sync.client import ClientConnection, connect

from tests.brokers import Broker
from tests.waiting import eventually

LANES = ("asyncio", "uvloop", "anyio", "trio", "curio", "threads")

APP = """
import os
from anylane import App, Context
from anylane_backends.bridges import NatsBridge, ValkeyBridge

url = os.environ["BROKER"]
kind = NatsBridge if url.startswith("nats") else ValkeyBridge
timeout = float(os.environ.get("TIMEOUT", "0.5"))
bridge = kind(url, required=bool(os.environ.get("REQUIRED")), timeout=timeout)
rooms = bridge.rooms("chat.", on_lag="error")
app = App()
app.lifespan(bridge)

@app.websocket("/{room}")
async def chat(ctx: Context):
    room = rooms[ctx.params["room"]]
    with room.subscribe() as subscription:
        ws = await ctx.accept()
        await ws.send_json({"pid": os.getpid()})
        async for source, item in ctx.select(ws, subscription):
            if source is subscription:
                await ws.send_json(item)
            elif item == "state":
                await ws.send_json(
                    {"connected": bridge.connected, "subscriptions": bridge.subscriptions}
                )
            else:
                room.send({"from": os.getpid(), "text": item})

@app.get("/send/{text}")
def send(ctx: Context):
    return rooms["lobby"].send({"from": os.getpid(), "text": ctx.params["text"]})
"""


class Server:
    """`anylane run` of that app."""

    first = address = ""

    def __init__(
        self, folder: Path, broker: Broker, lane: str, workers: int, wait: bool, **more: str
    ) -> None:
        (folder / "chat_app.py").write_text(APP)
        command = [sys.executable, "-m", "anylane", "run", "chat_app:app", "--port", "0"]
        command += ["--app-dir", str(folder), "--backend", lane, "--workers", str(workers)]
        self.process = subprocess.Popen(
            command,
            env={**os.environ, "BROKER": broker.url, **more},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self.process.stdout is not None
        self.output = self.process.stdout
        if not wait:
            return
        self.first = self.output.readline()
        found = re.search(r"http://([\d.:]+)", self.first)
        self.address = found[1] if found else ""

    def join(self, room: str = "lobby") -> ClientConnection:
        return connect(f"ws://{self.address}/{room}", close_timeout=1)

    def end(self) -> float:
        """Stop it, and return how many seconds that took."""
        began = time.monotonic()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        finally:
            self.process.kill()
        took = time.monotonic() - began
        self.said = self.output.read()
        self.output.close()
        return took


Serve = Callable[..., Server]


@pytest.fixture
def serve(tmp_path: Path, broker: Broker) -> Generator[Serve]:
    started: list[Server] = []

    def start(lane: str, workers: int = 1, *, wait: bool = True, **more: str) -> Server:
        started.append(Server(tmp_path, broker, lane, workers, wait, **more))
        return started[-1]

    yield start
    for each in started:
        if not each.output.closed:
            each.end()


def next_said(ws: ClientConnection) -> Any:
    return json.loads(ws.recv(timeout=20))


def state(ws: ClientConnection) -> Any:
    ws.send("state")
    while "connected" not in (found := next_said(ws)):
        pass
    return found


def joined(stack: ExitStack, server: Server, room: str = "lobby") -> tuple[ClientConnection, int]:
    """A client, once the broker knows of it, and the process that it is at."""
    ws = stack.enter_context(server.join(room))
    pid = next_said(ws)["pid"]
    eventually(lambda: state(ws)["subscriptions"])
    return ws, pid


def at_both(stack: ExitStack, server: Server) -> list[tuple[ClientConnection, int]]:
    """A client at each of two workers."""
    found: dict[int, ClientConnection] = {}
    end = time.monotonic() + 20
    while len(found) < 2:
        assert time.monotonic() < end, "one worker takes all connections"
        ws, pid = joined(stack, server)
        found.setdefault(pid, ws)
    return [(ws, pid) for pid, ws in found.items()]


@pytest.mark.parametrize("lane", LANES)
def test_two_workers_of_a_lane_are_one_room(serve: Serve, lane: str) -> None:
    server = serve(lane, workers=2)
    with ExitStack() as stack:
        (one, first), (two, second) = at_both(stack, server)
        assert first != second
        for n in range(50):
            one.send(f"{n}")
        for ws in (one, two):
            got = [next_said(ws) for _ in range(50)]
            assert got == [{"from": first, "text": f"{n}"} for n in range(50)]
        two.send("back")
        assert next_said(one) == next_said(two) == {"from": second, "text": "back"}
    # Workers end at once, without clients and without anything left to be sent.
    assert server.end() < 5
    assert server.process.returncode == 0
    assert "Traceback" not in server.said


def test_four_servers_of_four_lanes_are_one_room(serve: Serve) -> None:
    servers = [serve(lane) for lane in ("asyncio", "trio", "curio", "threads")]
    with ExitStack() as stack:
        clients = [joined(stack, each) for each in servers]
        for n in range(25):
            for ws, _ in clients:
                ws.send(f"{n}")
        for ws, _ in clients:
            got = [next_said(ws) for _ in range(100)]
            for _, pid in clients:
                assert [each["text"] for each in got if each["from"] == pid] == [
                    f"{n}" for n in range(25)
                ], "in order, and once"


@pytest.mark.parametrize("lane", ["asyncio", "trio", "curio", "threads"])
def test_a_broker_that_is_killed_and_comes_back(serve: Serve, broker: Broker, lane: str) -> None:
    server = serve(lane, workers=2)
    with ExitStack() as stack:
        (one, _), (two, _) = at_both(stack, server)
        broker.kill()
        eventually(lambda: not state(one)["connected"] and not state(two)["connected"])
        one.send("here only")
        assert next_said(one)["text"] == "here only"
        broker.start()
        eventually(lambda: state(one)["subscriptions"] and state(two)["subscriptions"])
        one.send("both again")
        assert next_said(one)["text"] == next_said(two)["text"] == "both again"


@pytest.mark.parametrize("lane", ["asyncio", "trio", "curio", "threads"])
def test_a_broker_that_says_nothing_does_not_hold_up_the_end(
    serve: Serve, broker: Broker, lane: str
) -> None:
    server = serve(lane)
    with ExitStack() as stack:
        ws, _ = joined(stack, server)
        ws.send("x")
        assert next_said(ws)["text"] == "x"
    broker.suspend()
    began = time.monotonic()
    took = server.end()
    assert took < 2, f"{took} s, {time.monotonic() - began}"
    assert server.process.returncode == 0


@pytest.mark.parametrize("lane", ["asyncio", "trio", "curio", "threads"])
def test_a_broker_that_is_required_and_missing_is_one_line_and_exit_code_3(
    serve: Serve, broker: Broker, lane: str
) -> None:
    broker.kill()
    server = serve(lane, REQUIRED="yes")
    assert server.process.wait(20) == 3
    server.end()
    (said,) = (server.first + server.said).splitlines()
    assert said.startswith("anylane: startup failed")
    assert f"needs {broker.url}, which cannot be used" in said


@pytest.mark.parametrize("lane", ["asyncio", "trio", "curio", "threads"])
def test_a_start_that_waits_for_a_silent_broker_can_be_given_up(
    serve: Serve, broker: Broker, lane: str
) -> None:
    broker.suspend()
    server = serve(lane, wait=False, REQUIRED="yes", TIMEOUT="60")
    eventually(lambda: has_connected(server.process.pid, broker.port))
    assert server.end() < 5
    assert server.process.returncode == 0
    assert "told to stop before the start was over" in server.said
    assert "Traceback" not in server.said


def has_connected(pid: int, port: int) -> bool:
    open_now: list[Any] = psutil.Process(pid).net_connections("tcp")
    return any(each.raddr and each.raddr.port == port for each in open_now)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_broker_that_is_missing_keeps_nobody_from_serving(
    serve: Serve, broker: Broker, workers: int
) -> None:
    broker.kill()
    server = serve("asyncio", workers=workers)
    lines = [server.first]
    while not server.address:
        lines.append(server.output.readline())
        found = re.search(r"http://([\d.:]+)", lines[-1])
        server.address = found[1] if found else ""
    with server.join() as ws:
        next_said(ws)
        ws.send("alone")
        assert next_said(ws)["text"] == "alone"
    server.end()
    said = "".join(lines) + server.said
    assert said.count("no connection") == workers
