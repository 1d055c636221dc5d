"""stdio_host.py: one connection a process, started as inetd and systemd do it."""

from __future__ import annotations

import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

EXAMPLES = Path(__file__).parent
PROGRAM = """
import os, sys
sys.path[:0] = [{examples!r}]
from stdio_host import serve
from anylane import App, ServerConfig
from anylane.config.limits import Timeouts

app = App()

@app.get("/")
async def home(ctx):
    print("printed by the app")
    return {{"process": os.getpid(), "client": ctx.request.client[0]}}

@app.post("/echo")
def echo(ctx):
    return ctx.call(ctx.request.body)[::-1]

@app.get("/large")
async def large(ctx):
    return bytes(64 << 20)

@app.get("/wait")
async def wait(ctx):
    print("waits")
    try:
        await ctx.sleep(60)
    finally:
        print("cleaned up")

@app.websocket("/ws")
async def ws(ctx):
    async for message in (socket := await ctx.accept()):
        await socket.send(message.upper())

@app.on_shutdown
def ended():
    print("shutdown hook")

short = dict(head=0.5, write_stall=0.5, close=0.5, linger=0.2)
serve(app, ServerConfig(timeouts=Timeouts(**short, **{more})))
"""


def command(**more: float) -> list[str]:
    return [sys.executable, "-c", PROGRAM.format(examples=str(EXAMPLES), more=more)]


@contextmanager
def started(**more: float) -> Generator[tuple[socket.socket, subprocess.Popen[str]]]:
    """Give the client's end of a connection and the process that serves the other one."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname(), timeout=30)
        accepted, _ = listener.accept()
    with client:
        with accepted:
            process = subprocess.Popen(
                command(**more),
                stdin=accepted.fileno(),
                stdout=accepted.fileno(),
                stderr=subprocess.PIPE,
                text=True,
            )
        with process:
            try:
                yield client, process
            finally:
                process.kill()


def ended(process: subprocess.Popen[str]) -> list[str]:
    """Return what a process has printed that ends by itself, and well."""
    _, printed = process.communicate(timeout=30)
    assert process.returncode == 0, printed
    return printed.splitlines()


@contextmanager
def inetd() -> Generator[str]:
    """Do what inetd does: accept, start a process with the socket on 0 and 1, forget it."""
    processes = []

    def accept(listener: socket.socket) -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            with sock:
                processes.append(
                    subprocess.Popen(
                        command(),
                        stdin=sock.fileno(),
                        stdout=sock.fileno(),
                        stderr=subprocess.PIPE,
                        text=True,
                    )
                )

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept, args=(listener,))
        thread.start()
        try:
            yield "http://{}:{}".format(*listener.getsockname())
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            for each in processes:
                assert ended(each)[-1] == "shutdown hook"


def test_a_process_answers_all_requests_of_its_connection() -> None:
    with inetd() as url:
        with httpx.Client(base_url=url) as client:
            first, second = client.get("/").json(), client.get("/").json()
            assert first == second
            assert first["client"] == "127.0.0.1"
            assert client.post("/echo", content=b"x" * 99_999 + b"y").text == "y" + "x" * 99_999
            assert client.get("/nowhere").status_code == 404
        assert httpx.get(url).json()["process"] != first["process"]


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_curl_beside_others() -> None:
    with inetd() as url:
        done = subprocess.run(
            ["curl", "-sS", "--parallel", f"{url}/echo", "-d", "abc", f"{url}/echo"],
            capture_output=True, text=True, timeout=60, check=True,
        )  # fmt: skip
        assert done.stdout == "cbacba"


def test_what_the_app_prints_is_no_part_of_the_answer() -> None:
    with started() as (client, process):
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        answer = client.makefile("rb").read()
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"printed" not in answer
        assert ended(process) == ["printed by the app", "shutdown hook"]


def test_a_websocket() -> None:
    with started() as (client, process):
        client.sendall(
            b"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        with client.makefile("rb") as lines:
            assert lines.readline() == b"HTTP/1.1 101 Switching Protocols\r\n"
            while lines.readline() != b"\r\n":
                pass
            client.sendall(b"\x81\x82\0\0\0\0ab")
            assert lines.read(4) == b"\x81\x02AB"
        client.close()
        assert ended(process) == ["shutdown hook"]


def test_a_client_that_leaves_ends_the_handler_and_the_process() -> None:
    with started() as (client, process):
        client.sendall(b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n")
        assert process.stderr is not None
        assert process.stderr.readline() == "waits\n"
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.close()
        assert ended(process) == ["cleaned up", "shutdown hook"]


def test_a_client_that_says_nothing_is_sent_away() -> None:
    with started() as (client, process):
        client.sendall(b"GET / HTT")
        assert client.makefile("rb").read().startswith(b"HTTP/1.1 408 ")
        assert ended(process) == ["shutdown hook"]


def test_a_client_that_sends_drop_by_drop_is_sent_away() -> None:
    with started() as (client, process):
        began = time.monotonic()
        try:
            for byte in b"GET / HTTP/1.1\r\nHost: a\r\nx-slow: " + b"a" * 1000:
                client.sendall(bytes((byte,)))
                if process.poll() is not None:
                    break
                time.sleep(0.05)
        except OSError:
            pass
        assert ended(process) == ["shutdown hook"]
        assert time.monotonic() - began < 25


def test_a_client_that_reads_nothing_is_sent_away() -> None:
    with started() as (client, process):
        client.sendall(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
        assert ended(process) == ["shutdown hook"]


def test_a_signal_drains() -> None:
    with started(drain=5.0) as (client, process):
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")
        process.send_signal(signal.SIGTERM)
        assert client.recv(65536) == b""
        assert ended(process) == ["printed by the app", "shutdown hook"]


def test_a_pipe_is_refused_in_words() -> None:
    done = subprocess.run(
        command(), input="GET /", capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("stdin is no socket (")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


@pytest.mark.skipif(shutil.which("systemd-socket-activate") is None, reason="needs systemd")
def test_systemd_accepts_and_starts_it() -> None:
    """As with `Accept=yes` and `StandardInput=socket` in units."""
    port = free_port()
    listening = ["systemd-socket-activate", "--listen", f"127.0.0.1:{port}", "--accept", "--inetd"]
    with subprocess.Popen([*listening, *command()], stderr=subprocess.PIPE, text=True) as systemd:
        try:
            assert systemd.stderr is not None
            assert "Listening on" in systemd.stderr.readline()
            url = f"http://127.0.0.1:{port}/"
            found = {httpx.get(url).json()["process"] for _ in range(3)}
            assert len(found) == 3
        finally:
            systemd.terminate()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd")
def test_the_units_of_the_page_are_taken(tmp_path: Path) -> None:
    page = (EXAMPLES.parent / "neighbours.md").read_text(encoding="utf-8")
    units = re.findall(r"```ini\n# (\S+)\n(.*?)```", page, re.DOTALL)
    assert [name for name, _ in units] == ["site.socket", "site@.service"]
    for name, text in units:
        here = text.replace("/srv/site/bin/python", sys.executable)
        (tmp_path / name).write_text(here, encoding="utf-8")
    files = [str(tmp_path / name) for name, _ in units]
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *files],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
