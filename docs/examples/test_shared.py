"""The chat and the notes over several workers and several servers, by real brokers."""

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

import httpx
import pytest
from broker import Kind, broker
from websockets.sync.client import ClientConnection, connect

HERE = Path(__file__).parent
ADA = {"name": "Ada", "password": "password of Ada"}

Serve = Callable[..., str]


@pytest.fixture
def serve(tmp_path: Path) -> Generator[Serve]:
    """Starts a command, and returns the address that it prints. It has to end well."""
    with ExitStack() as stack:

        def start(*command: str, **variables: str) -> str:
            process = subprocess.Popen(
                [sys.executable, *command],
                env={**os.environ, "NOTES_FILE": str(tmp_path / "notes.sqlite3"), **variables},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            assert process.stdout is not None
            output = stack.enter_context(process.stdout)

            def end() -> None:
                process.send_signal(signal.SIGTERM)
                rest = output.read()
                assert (process.wait(20), "Traceback" in rest) == (0, False), rest

            stack.callback(end)
            found = re.search(r"http://([\d.:]+)", line := output.readline())
            assert found is not None, line
            return found[1]

        yield start


def run(app: str, lane: str, workers: int) -> list[str]:
    command = ["-m", "anylane", "run", app, "--app-dir", str(HERE), "--port", "0"]
    return [*command, "--backend", lane, "--workers", str(workers)]


def until(tab: ClientConnection, kind: str, **fields: object) -> Any:
    while True:
        event = json.loads(tab.recv(timeout=20))
        if event["kind"] == kind and fields.items() <= event.items():
            return event


def tabs_at(addresses: list[str], count: int, stack: ExitStack) -> list[ClientConnection]:
    """So many tabs, one after the other, each of which sees all that came before it."""
    names = [f"Tab-{n}" for n in range(count)]
    tabs = []
    for n, name in enumerate(names):
        address = addresses[n % len(addresses)]
        tab = stack.enter_context(connect(f"ws://{address}/chat/lobby?name={name}"))
        until(tab, "welcome", you=name)
        tabs.append(tab)
    return tabs


def everybody_talks(addresses: list[str], count: int) -> None:
    with ExitStack() as stack:
        tabs = tabs_at(addresses, count, stack)
        names = {f"Tab-{n}" for n in range(count)}
        # Processes learn of each other with what changes, and every two seconds.
        end = time.monotonic() + 20
        while True:
            with connect(f"ws://{addresses[0]}/chat/garden?name=Asker") as asker:
                if {*until(asker, "welcome")["people"]["lobby"]} == names:
                    break
            assert time.monotonic() < end, "somebody is not known"
            time.sleep(0.1)
        for n, tab in enumerate(tabs):
            tab.send(f"hello from {n}")
        for tab in tabs:
            said = [until(tab, "said") for _ in tabs]
            assert {each["text"] for each in said} == {f"hello from {n}" for n in range(count)}
        end = time.monotonic() + 20
        remembered: set[str] = set()
        while len(remembered) < count:
            assert time.monotonic() < end
            with connect(f"ws://{addresses[-1]}/chat/lobby?name=Later") as later:
                remembered = {each["text"] for each in until(later, "welcome")["history"]}


@pytest.mark.parametrize("lane", ["asyncio", "threads"])
@pytest.mark.parametrize("kind", ["nats", "valkey"])
def test_two_workers_are_one_chat(serve: Serve, kind: Kind, lane: str) -> None:
    with broker(kind) as url:
        address = serve(*run("chat:app", lane, 2), CHAT_BROKER=url)
        everybody_talks([address], 8)


@pytest.mark.parametrize("kind", ["nats", "valkey"])
def test_two_servers_of_different_lanes_are_one_chat(serve: Serve, kind: Kind) -> None:
    with broker(kind) as url:
        addresses = [
            serve(*run("chat:app", lane, 1), CHAT_BROKER=url) for lane in ("trio", "curio")
        ]
        everybody_talks(addresses, 4)


def test_two_servers_are_one_board_of_notes(serve: Serve) -> None:
    with broker("valkey") as url, ExitStack() as stack:
        shared = {"NOTES_BROKER": url, "NOTES_SECRET": "s" * 64}
        addresses = [serve(*run("notes:app", lane, 1), **shared) for lane in ("asyncio", "threads")]
        origin = {"origin": f"http://{addresses[0]}"}
        with httpx.Client(base_url=f"http://{addresses[0]}", headers=origin) as client:
            assert client.post("/signup", data=ADA).status_code == 303
            cookies = dict(client.cookies)
            # The page is at one server, the change is made at the other.
            with httpx.Client(base_url=f"http://{addresses[1]}", cookies=cookies) as other:
                with other.stream("GET", "/changes") as stream:
                    lines = stream.iter_lines()
                    client.post("/notes/0", data={"title": "Tea"})
                    (seen, told) = change(lines)
                    assert (told["what"], told["title"]) == ("saved", "Tea")
                client.post("/notes/0", data={"title": "While away"})
            # It comes again to the first one, where it has never been.
            with client.stream("GET", "/changes", headers={"last-event-id": seen}) as stream:
                assert change(stream.iter_lines())[1]["title"] == "While away"
            # What was tried at one counts at the other.
            wrong = {**ADA, "password": "not this one"}
            statuses = [
                httpx.post(f"http://{addresses[n % 2]}/api/token", json=wrong).status_code
                for n in range(12)
            ]
            # Ten a minute, and signing up was one. Each server by itself would let six pass.
            assert 429 in statuses
        cookie = "; ".join(f"{name}={value}" for name, value in cookies.items())
        talks = []
        for address in addresses:
            headers = {"cookie": cookie, "origin": f"http://{address}"}
            talk = connect(f"ws://{address}/chat/talk", additional_headers=headers)
            talks.append(stack.enter_context(talk))
        end = time.monotonic() + 20
        heard: list[str] = []
        while not heard:
            assert time.monotonic() < end
            talks[0].send("hello")
            try:
                heard.append(json.loads(talks[1].recv(timeout=0.2))["text"])
            except TimeoutError:
                pass
        assert heard == ["hello"]


def change(lines: Any) -> tuple[str, Any]:
    """The next event of a stream: its id and its data."""
    seen = ""
    for line in lines:
        if line.startswith("id:"):
            seen = line.removeprefix("id:").strip()
        if line.startswith("data:"):
            return seen, json.loads(line.removeprefix("data:"))
    raise AssertionError("the stream has ended")


def test_the_demo_over_two_workers_with_a_broker_of_its_own(serve: Serve) -> None:
    address = serve(str(HERE / "demo.py"), "--workers", "2", "--port", "0")
    everybody_talks([address], 6)
    assert httpx.get(f"http://{address}/about").json()["backend"] == "asyncio"
    assert httpx.get(f"http://{address}/notes/").headers["location"] == "/notes/login"
