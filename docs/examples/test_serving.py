"""Servers as processes: addresses, signals, descriptors, workers; with real clients."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

LANES = ("asyncio", "uvloop", "anyio", "trio", "curio", "threads")

APP = """
import os, time
from anylane import App, EventLog

app = App()
log = EventLog()

@app.get("/")
async def home(ctx):
    return {"pid": os.getpid()}

@app.get("/block/{seconds:float}")
def block(ctx):
    time.sleep(ctx.params["seconds"])
    return "awake"

@app.get("/hang/{seconds:float}", inline=True)
def hang(ctx):
    time.sleep(ctx.params["seconds"])
    return "awake"

@app.get("/stream")
async def stream(ctx):
    async with ctx.stream() as out:
        while True:
            await out.write("tick\\n")
            await ctx.sleep(0.05)

@app.get("/events")
async def events(ctx):
    async with ctx.event_stream() as events:
        await events.follow(log)

@app.post("/events")
async def publish(ctx):
    return log.send(await ctx.request.text())

@app.websocket("/ws")
async def ws(ctx):
    ws = await ctx.accept()
    async for message in ws:
        await ws.send(message)

@app.websocket("/deaf")
async def deaf(ctx):
    await ctx.accept()
    await ctx.sleep(60)

@app.on_shutdown
def ended():
    print("shutdown hook ran", flush=True)
"""
FAILING = (
    "from anylane import App\napp = App()\n@app.on_startup\ndef up(): raise OSError('no db')\n"
)


class Process:
    """`anylane run` with its output; found by the line that it prints."""

    def __init__(self, folder: Path, *arguments: str, target: str = "main:app", **kwargs) -> None:
        command = [sys.executable, "-m", "anylane", "run", target, *arguments]
        if {"--port", "--uds", "--fd", "--bind"}.isdisjoint(arguments):
            command += ["--port", "0"]
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            **kwargs,
        )
        assert self.process.stdout is not None
        self.output = self.process.stdout
        self.line = self.output.readline()
        found = re.search(r"https?://\S+:\d+", self.line)
        self.url = found[0] if found else ""

    def signal(self, number: int = signal.SIGTERM) -> None:
        self.process.send_signal(number)

    def end(self, timeout: float = 10) -> tuple[int, str, float]:
        """Exit code, the rest of its output, seconds until then."""
        began = time.monotonic()
        code = self.process.wait(timeout)
        return code, self.output.read(), time.monotonic() - began

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.output.close()


Start = Callable[..., Process]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "main.py").write_text(APP, encoding="utf-8")
    (tmp_path / "failing.py").write_text(FAILING, encoding="utf-8")
    return tmp_path


@pytest.fixture
def start(folder: Path) -> Generator[Start]:
    with ExitStack() as stack:

        def begin(*arguments: str, **kwargs) -> Process:
            process = Process(folder, *arguments, **kwargs)
            stack.callback(process.close)
            return process

        yield begin


def eventually(condition: Callable[[], object], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.02)


def refuses(process: Process) -> bool:
    """Nobody listens there any more; who comes is told at once."""
    try:
        httpx.get(process.url, timeout=2)
    except (httpx.ConnectError, httpx.ReadError, httpx.RemoteProtocolError):
        return True
    return False


# --- addresses -------------------------------------------------------------------------------


def test_the_line_names_url_backend_and_python(start: Start) -> None:
    process = start("--backend", "trio")
    version = ".".join(map(str, sys.version_info[:3]))
    assert re.fullmatch(
        rf"anylane on http://127\.0\.0\.1:\d+ \(trio, Python {version}\)\n", process.line
    )


def test_several_addresses_v4_v6_and_unix(start: Start, folder: Path) -> None:
    process = start("--bind", "127.0.0.1:0", "--bind", "[::1]:0", "--bind", "unix:a.sock")
    four, six = re.findall(r"http://\S+", process.line)
    assert httpx.get(four).status_code == 200
    assert six.startswith("http://[::1]:")
    assert httpx.get(six).status_code == 200
    assert f"unix:{folder}/a.sock" in process.line
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(folder / "a.sock"))) as client:
        assert client.get("http://any/").status_code == 200


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("backend", LANES)
def test_a_unix_socket(start: Start, folder: Path, backend: str) -> None:
    path = folder / "a.sock"
    process = start("--uds", str(path), "--backend", backend, "--uds-mode", "0o600")
    assert path.stat().st_mode & 0o777 == 0o600
    curl = ["curl", "--silent", "--show-error", "--unix-socket", str(path), "http://any/"]
    done = subprocess.run(curl, capture_output=True, text=True, check=True, timeout=10)
    assert f'"pid":{process.process.pid}' in done.stdout
    process.signal()
    assert process.end()[0] == 0
    assert not path.exists()


def test_a_stale_unix_socket_is_replaced_and_a_live_one_is_not(start: Start, folder: Path) -> None:
    path = folder / "a.sock"
    first = start("--uds", str(path))
    first.signal(signal.SIGKILL)
    first.end()
    assert path.exists()
    second = start("--uds", str(path))
    assert second.line.startswith("anylane on unix:")
    third = start("--uds", str(path))
    assert "Address already in use; stop what listens there" in third.line
    assert third.end()[0] == 3
    assert path.exists()
    second.signal()
    second.end()
    assert not path.exists()


def test_a_file_that_is_no_socket_is_left_alone(start: Start, folder: Path) -> None:
    path = folder / "precious"
    path.write_text("mine", encoding="utf-8")
    process = start("--uds", str(path))
    assert "the file exists and is not a socket; remove it" in process.line
    assert process.end()[0] == 3
    assert path.read_text(encoding="utf-8") == "mine"


def test_an_inherited_descriptor(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        fd = listener.fileno()
        port = listener.getsockname()[1]
        process = start("--fd", str(fd), pass_fds=[fd])
    assert process.url == f"http://127.0.0.1:{port}"
    assert httpx.get(process.url).status_code == 200


def test_socket_activation(folder: Path) -> None:
    """As sd_listen_fds(3) has it: descriptors from 3 on, and the number of the process."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        shell = 'export LISTEN_FDS=1 LISTEN_PID=$$; exec "$0" -m anylane run main:app 3<&0'
        process = subprocess.Popen(
            ["sh", "-c", shell, sys.executable],
            cwd=folder,
            stdin=listener.fileno(),
            stdout=subprocess.PIPE,
            text=True,
        )
    assert process.stdout is not None
    with process.stdout:
        try:
            assert f"anylane on {url} " in process.stdout.readline()
            assert httpx.get(url).status_code == 200
        finally:
            process.terminate()
            process.wait(10)


@pytest.mark.skipif(
    shutil.which("systemd-socket-activate") is None, reason="systemd is not installed"
)
@pytest.mark.parametrize("workers", ["1", "2"])
def test_socket_activation_by_systemd_itself(folder: Path, workers: str) -> None:
    """It listens, starts the server for the first client, and passes both sockets on."""
    paths = [str(folder / name) for name in ("a.sock", "b.sock")]
    listen = [argument for path in paths for argument in ("--listen", path)]
    keep = [f"--setenv={name}" for name in ("PATH", "PYTHONPATH") if name in os.environ]
    command = [sys.executable, "-m", "anylane", "run", "main:app", "--workers", workers]
    process = subprocess.Popen(
        ["systemd-socket-activate", *keep, *listen, *command],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    with process.stdout:
        try:
            eventually(lambda: all(Path(path).exists() for path in paths))
            for path in paths:
                with httpx.Client(transport=httpx.HTTPTransport(uds=path), timeout=20) as client:
                    assert client.get("http://any/").status_code == 200
            expected = f"anylane on unix:{paths[0]} unix:{paths[1]} "
            assert any(line.startswith(expected) for line in process.stdout)
            process.terminate()
            assert process.wait(10) == 0
            # They are systemd's: the next client has to find them.
            assert all(Path(path).exists() for path in paths)
        finally:
            process.kill()
            process.wait(10)


# --- what cannot start -----------------------------------------------------------------------


def test_a_used_port(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = start("--port", str(port))
        code, rest, _ = process.end()
    assert (code, rest) == (3, "")
    assert process.line == (
        f"anylane: cannot listen on 127.0.0.1:{port}: Address already in use; "
        "stop what listens there, or choose another port (--port, port=)\n"
    )


@pytest.mark.parametrize("backend", LANES)
def test_a_startup_hook_that_fails(start: Start, folder: Path, backend: str) -> None:
    process = start("--backend", backend, target="failing:app")
    code, rest, _ = process.end()
    assert (code, rest) == (3, "")
    assert process.line == (
        f"anylane: startup failed: OSError: no db ({folder}/failing.py:4); "
        "fix it, then start again\n"
    )


def test_a_failed_start_with_workers_says_so_once(start: Start) -> None:
    process = start("--workers", "3", target="failing:app")
    code, rest, _ = process.end()
    assert process.line.startswith("anylane: startup failed: OSError: no db")
    assert (code, rest) == (3, "")


def test_debug_shows_the_traceback(start: Start) -> None:
    process = start("--log-level", "debug", target="failing:app")
    code, rest, _ = process.end()
    assert code == 3
    assert "Traceback (most recent call last)" in process.line + rest
    assert rest.splitlines()[-1].startswith("anylane: startup failed: OSError: no db")


def test_the_port_is_bound_before_the_startup_hooks_run(start: Start, folder: Path) -> None:
    text = "from anylane import App\napp = App()\n@app.on_startup\ndef up(): print('hook ran')\n"
    (folder / "telling.py").write_text(text, encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        process = start("--port", port, target="telling:app")
        assert "hook ran" not in process.line + process.end()[1]


STARTING = """
import time
from contextlib import asynccontextmanager
from anylane import App

app = App()

async def sleep(seconds):
    name = {"asyncio": "asyncio", "uvloop": "asyncio", "threads": None}.get("BACKEND", "BACKEND")
    if name is not None:
        await __import__(name).sleep(seconds)

@app.on_startup
def first():
    pass

@app.lifespan
@asynccontextmanager
async def database(app):
    try:
        yield
    finally:
        await sleep(0.01)
        print("database closed", flush=True)

@app.on_shutdown
async def close():
    await sleep(0.01)
    print("shutdown hook ran", flush=True)

HOOK

@app.on_startup
def never():
    print("a later hook ran", flush=True)

@app.on_shutdown
def not_reached():
    print("a later shutdown hook ran", flush=True)
"""
SLOW = {
    "a def that blocks": """
@app.on_startup
def slow():
    print("begun", flush=True)
    time.sleep(60)
""",
    "an async def that blocks": """
@app.on_startup
async def slow():
    print("begun", flush=True)
    time.sleep(60)
""",
    "one that catches every Exception": """
@app.on_startup
def slow():
    begun = False
    while True:
        try:
            if not begun:
                begun = True
                print("begun", flush=True)
            time.sleep(60)
        except Exception:
            pass
""",
    "an async def that awaits": """
@app.on_startup
async def slow():
    print("begun", flush=True)
    await sleep(60)
""",
    "a lifespan that awaits": """
@app.lifespan
@asynccontextmanager
async def slow(app):
    try:
        print("begun", flush=True)
        await sleep(60)
        yield
    finally:
        print("slow cleaned up", flush=True)
""",
    "a lifespan that blocks": """
@app.lifespan
@asynccontextmanager
async def slow(app):
    try:
        print("begun", flush=True)
        time.sleep(60)
        yield
    finally:
        print("slow cleaned up", flush=True)
""",
}


@pytest.mark.parametrize("backend", LANES)
@pytest.mark.parametrize("hook", SLOW)
def test_a_signal_during_a_startup_hook_gives_the_start_up(
    start: Start, folder: Path, backend: str, hook: str
) -> None:
    """What was set up is run down again; the code is the same as at the end of a drain."""
    if backend == "threads" and "awaits" in hook:
        pytest.skip("a hook has nothing to await there")
    text = STARTING.replace("BACKEND", backend).replace("HOOK", SLOW[hook])
    (folder / "starting.py").write_text(text, encoding="utf-8")
    process = start("--backend", backend, target="starting:app")
    assert process.line == "begun\n"
    process.signal()
    code, rest, seconds = process.end()
    cleaned = "slow cleaned up\n" if "lifespan" in hook else ""
    assert rest.replace(f"{GIVEN_UP}\n", "") == f"{cleaned}shutdown hook ran\ndatabase closed\n"
    assert rest.count(GIVEN_UP) == 1
    assert code == 0
    assert seconds < 5


GIVEN_UP = "anylane: told to stop before the start was over: it was given up"


def test_workers_give_their_start_up(start: Start, folder: Path) -> None:
    text = STARTING.replace("BACKEND", "asyncio").replace("HOOK", SLOW["a def that blocks"])
    (folder / "starting.py").write_text(text, encoding="utf-8")
    process = start("--workers", "2", target="starting:app")
    assert process.line == "begun\n"
    process.signal()
    code, rest, seconds = process.end()
    assert rest == f"shutdown hook ran\ndatabase closed\n{GIVEN_UP}\n"
    assert code == 0
    assert seconds < 5


@pytest.mark.parametrize("backend", LANES)
def test_a_second_signal_ends_a_start_that_does_not_let_go(
    start: Start, folder: Path, backend: str
) -> None:
    hook = SLOW["one that catches every Exception"].replace(
        "except Exception:\n            pass",
        "except BaseException:\n            print('never mind', flush=True)",
    )
    text = STARTING.replace("BACKEND", backend).replace("HOOK", hook)
    (folder / "starting.py").write_text(text, encoding="utf-8")
    process = start("--backend", backend, target="starting:app")
    assert process.line == "begun\n"
    process.signal()
    assert process.output.readline() == "never mind\n"
    process.signal()
    code, rest, seconds = process.end()
    assert (code, rest) == (1, "anylane: handlers still block: ended without them\n")
    assert seconds < 6


# --- standard output, and logging --------------------------------------------------------------


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("stdout", ["full", "closed", "a pipe that nobody reads"])
def test_a_standard_output_that_takes_nothing_does_not_end_the_server(
    folder: Path, stdout: str, workers: str
) -> None:
    text = APP.replace('    print("shutdown hook ran", flush=True)', "    pass")
    (folder / "quiet.py").write_text(text, encoding="utf-8")
    port = free_port()
    redirect = {"full": ">/dev/full", "closed": ">&-", "a pipe that nobody reads": ""}[stdout]
    run = f"{sys.executable} -m anylane run quiet:app --port {port} --workers {workers} {redirect}"
    process = subprocess.Popen(
        ["/bin/sh", "-c", f"exec {run}"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    try:
        eventually(lambda: not refused_at(port))
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert process.stderr.read() == ""
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def refused_at(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/", timeout=2).status_code != 200
    except httpx.TransportError:
        return True


LOGGING = """
import logging
from anylane import App

app = App()

@app.get("/")
async def home(ctx):
    logging.getLogger("shop").info("sold")
    logging.getLogger("shop").warning("sold out")
    raise ValueError(ctx.request.query["text"])

def configure():
    logging.basicConfig(format="MINE %(name)s %(message)s", level=logging.INFO)
"""


@pytest.mark.parametrize("where", ["at import", "in a startup hook"])
@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_apps_own_basic_config_counts(
    start: Start, folder: Path, where: str, workers: str
) -> None:
    when = "configure()" if where == "at import" else "app.on_startup(configure)"
    (folder / "logs.py").write_text(LOGGING + when, encoding="utf-8")
    process = start("--access-log", "--workers", workers, target="logs:app")
    assert httpx.get(f"{process.url}/?text=x").status_code == 500
    process.signal()
    _, rest, _ = process.end()
    lines = rest.splitlines()
    assert lines.count("MINE shop sold") == 1
    assert lines.count("MINE shop sold out") == 1
    assert sum("failed on GET /?text=x" in line for line in lines) == 1
    assert any(line.startswith("MINE anylane logs.home") for line in lines)
    assert any(
        re.match(r'MINE anylane.access 127.0.0.1:\d+ "GET /\?text=x', line) for line in lines
    )


def test_without_one_the_command_writes_its_own_lines(start: Start, folder: Path) -> None:
    (folder / "logs.py").write_text(LOGGING, encoding="utf-8")
    process = start("--access-log", target="logs:app")
    text = "a%0D%0A2026-01-01%20ERROR%20forged%1B%5B2J"
    assert httpx.get(f"{process.url}/?text={text}").status_code == 500
    process.signal()
    _, rest, _ = process.end()
    stamp = r"(?m)^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} "
    assert re.search(stamp + r"WARNING sold out \[request 1-1\]$", rest)
    assert "sold\n" not in rest
    assert re.search(stamp + "ERROR logs.home ", rest)
    assert re.search(stamp + "INFO 127.0.0.1:", rest)
    assert rest.count("ERROR logs.home") == 1
    assert r"ValueError: a\r\n2026-01-01 ERROR forged\x1b[2J" in rest
    assert "\x1b" not in rest
    assert "\n2026-01-01 ERROR" not in rest


# --- signals ---------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", LANES)
def test_sigterm_drains_and_tells_everybody(start: Start, backend: str) -> None:
    process = start("--backend", backend, "--timeouts-drain", "1")
    ws = connect(process.url.replace("http", "ws") + "/ws")
    with httpx.stream("GET", f"{process.url}/stream") as response, ws:
        lines = response.iter_lines()
        assert next(lines) == "tick"
        ws.send("before")
        assert ws.recv(timeout=10) == "before"
        process.signal()
        with pytest.raises(ConnectionClosed):
            ws.recv(timeout=10)
        assert ws.close_code == 1001
        eventually(lambda: refuses(process))
        with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
            assert set(lines) == {"tick"}  # It goes on up to the deadline, and is cut then.
    code, rest, seconds = process.end()
    assert code == 0, rest
    assert seconds < 5
    assert "shutdown hook ran" in rest
    assert "Traceback" not in rest


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("backend", LANES)
def test_event_streams_end_whole_and_go_on_after_a_restart(start: Start, backend: str) -> None:
    process = start("--backend", backend)
    curls = [
        subprocess.Popen(
            ["curl", "-sSN", version, f"{process.url}/events"],
            stdout=subprocess.PIPE,
            text=True,
        )
        for version in ("--http1.0", "--http1.1")
    ]
    for curl in curls:
        assert curl.stdout is not None
        assert re.fullmatch("id: [0-9a-f]{12}-0\n", curl.stdout.readline())
    with httpx.stream("GET", f"{process.url}/events") as response:
        lines = response.iter_lines()
        epoch = next(lines).removeprefix("id: ").removesuffix("-0")
        assert httpx.post(f"{process.url}/events", content="one\ntwo").text == "3"
        assert [next(lines) for _ in range(5)] == [
            "",
            f"id: {epoch}-1",
            "data: one",
            "data: two",
            "",
        ]
        process.signal()
        assert list(lines) == ["retry: 1000", ""]  # No error: the body is whole.
    assert process.end()[0] == 0
    for curl in curls:
        text, _ = curl.communicate(timeout=10)
        assert curl.returncode == 0
        assert text.endswith(f"id: {epoch}-1\ndata: one\ndata: two\n\nretry: 1000\n\n")
    again = start("--backend", backend, "--port", process.url.rpartition(":")[2])
    headers = {"last-event-id": f"{epoch}-1"}
    with httpx.stream("GET", f"{again.url}/events", headers=headers) as response:
        lines = response.iter_lines()
        assert next(lines) == "event: resync"
        assert not next(lines).startswith(f"id: {epoch}")
        resync = f'{{"reason":"unknown","after":"{epoch}-1","missed":null}}'
        assert next(lines) == f"data: {resync}"


@pytest.mark.parametrize("backend", LANES)
def test_a_second_signal_aborts(start: Start, backend: str) -> None:
    process = start("--backend", backend, "--timeouts-drain", "60")
    with httpx.stream("GET", f"{process.url}/stream") as response:
        lines = response.iter_lines()  # Kept: without it the client would close.
        assert next(lines) == "tick"
        process.signal(signal.SIGINT)
        eventually(lambda: refuses(process))
        process.signal(signal.SIGINT)
        code, rest, seconds = process.end()
    assert code == 0, rest
    assert seconds < 2
    assert "shutdown hook ran" in rest


@pytest.mark.parametrize("backend", LANES)
def test_a_handler_that_blocks_does_not_keep_the_process(start: Start, backend: str) -> None:
    process = start("--backend", backend, "--timeouts-drain", "0.5")
    with socket.create_connection(("127.0.0.1", int(process.url.rpartition(":")[2]))) as client:
        client.sendall(b"GET /block/60.5 HTTP/1.1\r\nHost: a\r\n\r\n")
        assert httpx.get(process.url).status_code == 200
        process.signal()
        code, rest, seconds = process.end()
    assert seconds < 5
    assert code == 1 or "left behind" in rest


@pytest.mark.parametrize("backend", LANES)
def test_a_signal_that_interrupts_nothing_is_not_lost(
    start: Start, folder: Path, backend: str
) -> None:
    """The kernel may give it to any thread, while the loop's own goes on waiting."""
    text = """
import signal, sys, threading

def end():
    sys.stdin.readline()
    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)

threading.Thread(target=end, daemon=True).start()
"""
    (folder / "threaded.py").write_text(APP + text, encoding="utf-8")
    process = start("--backend", backend, target="threaded:app", stdin=subprocess.PIPE)
    assert httpx.get(process.url, headers={"connection": "close"}).status_code == 200
    process.process.communicate("now\n", timeout=10)
    assert process.process.returncode == 0


def test_an_idle_server_ends_at_once(start: Start) -> None:
    process = start()
    process.signal()
    code, _, seconds = process.end()
    assert code == 0
    assert seconds < 2


def told(manager: socket.socket) -> bytes:
    """Return the first line of the next message that tells more than a status."""
    while True:
        message = manager.recv(1000)
        if not message.startswith(b"STATUS="):
            return message.partition(b"\n")[0]


def test_the_service_manager_is_told(start: Start, folder: Path) -> None:
    path = folder / "notify.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(path))
        manager.settimeout(10)
        process = start(env={**os.environ, "NOTIFY_SOCKET": str(path)})
        assert told(manager) == b"READY=1"
        process.signal()
        assert told(manager) == b"STOPPING=1"
        assert process.end()[0] == 0


def test_it_is_told_of_a_reload_too(start: Start, folder: Path) -> None:
    path = folder / "notify.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(path))
        manager.settimeout(20)
        for workers in ("1", "2"):
            process = start("--workers", workers, env={**os.environ, "NOTIFY_SOCKET": str(path)})
            assert told(manager) == b"READY=1"
            process.signal(signal.SIGHUP)
            assert told(manager) == b"RELOADING=1"
            assert told(manager) == b"READY=1"
            process.signal()
            assert told(manager) == b"STOPPING=1"
            assert process.end()[0] == 0


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_terminal_that_goes_takes_the_server_along(
    start: Start, folder: Path, workers: str
) -> None:
    """SIGHUP from the kernel is no wish to reload."""
    ours, theirs = os.openpty()
    process = start(
        "--workers",
        workers,
        stdin=theirs,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0) and None,
    )
    os.close(theirs)
    assert httpx.get(process.url).status_code == 200
    os.close(ours)
    code, rest, seconds = process.end()
    assert code == 0, rest
    assert seconds < 5
    assert "shutdown hook ran" in rest


# --- certificates ----------------------------------------------------------------------------


def serial_of(url: str, authority: Path) -> str:
    """Of the certificate that a new connection is shown."""
    host, port = url.removeprefix("https://").split(":")
    context = ssl.create_default_context(cafile=authority)
    with (
        socket.create_connection((host, int(port)), 10) as sock,
        context.wrap_socket(sock, server_hostname="localhost") as tls,
    ):
        return str((tls.getpeercert() or {})["serialNumber"])


@pytest.mark.parametrize("backend", LANES)
def test_sighup_rereads_the_certificate_and_drops_nobody(
    start: Start, folder: Path, backend: str
) -> None:
    trustme = pytest.importorskip("trustme")
    ca, pem = trustme.CA(), folder / "server.pem"
    ca.cert_pem.write_to_path(str(folder / "ca.pem"))

    def renew() -> None:
        ca.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(pem))

    def until(text: str) -> None:
        assert any(text in line for line in process.output)

    renew()
    process = start("--ssl-certfile", str(pem), "--backend", backend)
    first = serial_of(process.url, folder / "ca.pem")
    context = ssl.create_default_context(cafile=folder / "ca.pem")
    context.check_hostname = False
    with httpx.Client(verify=context) as old:
        assert old.get(process.url).status_code == 200
        renew()
        assert serial_of(process.url, folder / "ca.pem") == first
        process.signal(signal.SIGHUP)
        until("INFO read the certificate again")
        second = serial_of(process.url, folder / "ca.pem")
        assert second != first
        pem.write_text("nonsense", encoding="ascii")
        process.signal(signal.SIGHUP)
        until("ERROR the certificate stays as it was: ssl_certfile")
        assert serial_of(process.url, folder / "ca.pem") == second
        (stream,) = old._transport._pool.connections  # type: ignore[attr-defined]
        assert old.get(process.url).status_code == 200
        assert old._transport._pool.connections == [stream]  # type: ignore[attr-defined]
    process.signal()
    assert process.end()[0] == 0


def test_sighup_without_a_certificate_changes_nothing(start: Start) -> None:
    process = start()
    process.signal(signal.SIGHUP)
    assert "no certificate to read again" in process.output.readline()
    assert httpx.get(process.url).status_code == 200
    process.signal()
    assert process.end()[0] == 0


# --- descriptors -----------------------------------------------------------------------------


@pytest.mark.parametrize("backend", LANES)
def test_accepting_survives_without_descriptors(start: Start, backend: str) -> None:
    import resource

    process = start("--backend", backend)
    # What it needs now and eight more, whatever the lane keeps open.
    used = max(int(fd.name) for fd in Path(f"/proc/{process.process.pid}/fd").iterdir())
    limit = (used + 8, used + 8)
    resource.prlimit(process.process.pid, resource.RLIMIT_NOFILE, limit)
    port = int(process.url.rpartition(":")[2])
    clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(30)]
    try:
        told = process.output.readline()
    finally:
        for client in clients:
            client.close()
    assert httpx.get(process.url, timeout=10).status_code == 200
    process.signal()
    code, rest, _ = process.end()
    assert code == 0, rest
    assert "cannot accept for now: Too many open files" in told
    assert "Traceback" not in told + rest


# --- access log ------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", LANES)
def test_the_access_log_has_a_line_for_each_exchange(start: Start, backend: str) -> None:
    process = start("--backend", backend, "--access-log")
    httpx.get(f"{process.url}/?a=b")
    httpx.get(f"{process.url}/nowhere")
    process.signal()
    _, rest, _ = process.end()
    assert re.search(
        r'127\.0\.0\.1:\d+ "GET /\?a=b HTTP/1\.1" 200 \d+ \d+\.\d \[request 1-1\]\n', rest
    ), rest
    assert re.search(r'"GET /nowhere HTTP/1\.1" 404 \d+ \d+\.\d \[request 2-1\]\n', rest)


LOGGING_APP = """
import logging
from anylane import App
from anylane.middleware import AccessLog, RequestId

app = App()
app.use(RequestId(trust=True))
app.use(AccessLog())
own = logging.getLogger("shop")

@app.get("/async")
async def in_async(ctx):
    await ctx.sleep(0)
    own.warning("in a coroutine")
    ctx.background(later)
    return "x"

def later():
    own.warning("in the background")

@app.get("/def")
def in_def(ctx):
    own.warning("in a thread")
    raise KeyError("a bug")
"""


@pytest.mark.parametrize("backend", LANES)
def test_every_line_names_its_request(start: Start, folder: Path, backend: str) -> None:
    (folder / "logged.py").write_text(LOGGING_APP, encoding="utf-8")
    process = start("--backend", backend, "--access-log", target="logged:app")
    httpx.get(f"{process.url}/async", headers={"x-request-id": "id-1"})
    httpx.get(f"{process.url}/def", headers={"x-request-id": "id-2"})
    process.signal()
    _, rest, _ = process.end()
    for line in (
        "in a coroutine [request id-1] [connection 1]",
        "in the background [request id-1] [connection 1]",
        "in a thread [request id-2] [connection 2]",
    ):
        assert f"WARNING {line}\n" in rest, rest
    failed = r"ERROR .* failed on GET /def: KeyError\('a bug'\) \[request id-2\] \[connection 2\]\n"
    assert re.search(failed, rest)
    # One line about each exchange, although --access-log is on, too.
    assert re.findall(r'"GET /(\w+) HTTP/1.1" (\d+)', rest) == [("async", "200"), ("def", "500")]
    assert rest.count("id=id-1 ") == 1


def test_lines_can_be_json(start: Start, folder: Path) -> None:
    (folder / "logged.py").write_text(LOGGING_APP, encoding="utf-8")
    process = start("--log-format", "json", target="logged:app")
    httpx.get(f"{process.url}/def", headers={"x-request-id": "id-2"})
    process.signal()
    _, rest, _ = process.end()
    lines = [json.loads(line) for line in rest.splitlines() if line.startswith("{")]
    asked = [line for line in lines if line.get("request_id") == "id-2"]
    assert [(line["level"], line["logger"]) for line in asked] == [
        ("warning", "shop"), ("error", "anylane"), ("info", "anylane.access")
    ]  # fmt: skip
    assert asked[0]["message"] == "in a thread"
    assert "KeyError: 'a bug'" in asked[1]["exception"]


def test_without_it_there_is_none(start: Start) -> None:
    process = start()
    httpx.get(process.url)
    process.signal()
    assert "GET" not in process.end()[1]


# --- workers ---------------------------------------------------------------------------------


def workers_of(process: Process) -> set[int]:
    place = Path(f"/proc/{process.process.pid}/task/{process.process.pid}/children")
    return {int(pid) for pid in place.read_text(encoding="ascii").split()}


@pytest.mark.parametrize("backend", ["asyncio", "threads", "anyio"])
def test_workers_share_the_port_and_the_dead_are_replaced(start: Start, backend: str) -> None:
    process = start("--workers", "2", "--backend", backend)
    name = "anyio on uvloop" if backend == "anyio" else backend
    assert f"({name}, 2 workers, Python" in process.line
    first = workers_of(process)
    assert len(first) == 2
    assert httpx.get(process.url).json()["pid"] in first
    victim = min(first)
    os.kill(victim, signal.SIGKILL)
    eventually(lambda: len(workers_of(process) - {victim}) == 2)
    for _ in range(20):
        assert httpx.get(process.url).status_code == 200
    process.signal()
    code, rest, seconds = process.end()
    assert code == 0, rest
    assert seconds < 5
    assert f"worker {victim} ended with signal 9: starting another" in rest
    assert "Traceback" not in rest


def test_sighup_renews_the_workers_and_loses_no_request(start: Start, folder: Path) -> None:
    process = start("--workers", "2")
    before = workers_of(process)
    (folder / "main.py").write_text(APP.replace('{"pid": os', '{"new": os'), encoding="utf-8")
    process.signal(signal.SIGHUP)
    end = time.monotonic() + 20
    while True:
        answer = httpx.get(process.url)
        assert answer.status_code == 200
        now = workers_of(process)
        if now.isdisjoint(before) and len(now) == 2:
            break
        assert time.monotonic() < end
    assert "new" in httpx.get(process.url).json()


def test_sighup_rereads_the_settings(start: Start, folder: Path) -> None:
    file = folder / "server.toml"
    file.write_text("backlog = 9\n[limits]\ntarget = 50\n", encoding="utf-8")
    process = start("--workers", "2", "--config", str(file))
    long = f"{process.url}/?{'x' * 100}"
    assert httpx.get(long).status_code == 414
    before = workers_of(process)

    file.write_text("backlog = 8\n[limits]\ntarget = 500\n", encoding="utf-8")
    process.signal(signal.SIGHUP)
    warning = "WARNING backlog has changed: that needs a restart"
    assert any(warning in line for line in process.output)
    eventually(lambda: workers_of(process).isdisjoint(before) and len(workers_of(process)) == 2)
    assert httpx.get(long).status_code == 200

    now = workers_of(process)
    file.write_text("[limits]\ntarget = -1\n", encoding="utf-8")
    process.signal(signal.SIGHUP)
    error = f"ERROR the settings stay as they were: {file}: Limits.target is -1"
    assert any(error in line for line in process.output)
    assert workers_of(process) == now
    assert httpx.get(long).status_code == 200
    process.signal()
    assert process.end()[0] == 0


def test_workers_report_once_what_could_not_be_applied(start: Start, folder: Path) -> None:
    process = start("--workers", "2", "--uds", str(folder / "a.sock"), "--ttl", "9")
    process.signal()
    _, rest, _ = process.end()
    assert rest.count("WARNING ttl has no effect: it is TCP's") == 1


def test_a_renewal_that_cannot_start_keeps_the_old_workers(start: Start, folder: Path) -> None:
    process = start("--workers", "2")
    before = workers_of(process)
    (folder / "main.py").write_text("broken(", encoding="utf-8")
    process.signal(signal.SIGHUP)
    assert any("the old one stays" in line for line in process.output)
    assert workers_of(process) == before
    assert httpx.get(process.url).status_code == 200


def test_workers_end_with_their_supervisor(start: Start) -> None:
    process = start("--workers", "2")
    workers = workers_of(process)
    process.signal(signal.SIGKILL)
    process.process.wait(10)
    eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))


def test_workers_drain_and_a_second_signal_aborts(start: Start) -> None:
    process = start("--workers", "2", "--timeouts-drain", "60")
    with httpx.stream("GET", f"{process.url}/stream") as response:
        lines = response.iter_lines()  # Kept: without it the client would close.
        assert next(lines) == "tick"
        process.signal()
        eventually(lambda: len(workers_of(process)) == 1)
        process.signal()
        code, rest, seconds = process.end()
    assert code == 0, rest
    assert seconds < 3


def pid_of(process: Process) -> int:
    pid: int = httpx.get(process.url, timeout=5).json()["pid"]
    return pid


class Places:
    """Connections to a server, by the worker that has accepted them."""

    def __init__(self, process: Process, stack: ExitStack) -> None:
        self._address = re.findall(r"//(\S+):(\d+)", process.url)[0]
        self._stack = stack
        self._free: dict[int, list[socket.socket]] = {}

    def reserve(self, pid: int, number: int) -> None:
        """Have so many connections to this worker, for `ask`."""
        while len(self._free.get(pid, ())) < number:
            host, port = self._address
            sock = self._stack.enter_context(socket.create_connection((host, int(port)), 10))
            self._send(sock, "/")
            answer = b""
            while not (found := re.search(rb'"pid":(\d+)', answer)):
                data = sock.recv(4096)
                assert data, answer
                answer += data
            self._free.setdefault(int(found[1]), []).append(sock)

    def ask(self, pid: int, path: str) -> socket.socket:
        """Ask this worker for it. Returns the connection, on which the answer will come."""
        self.reserve(pid, 1)
        sock = self._free[pid].pop()
        self._send(sock, path)
        return sock

    def _send(self, sock: socket.socket, path: str) -> None:
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())


HANG = ("--workers", "2", "--max-threads", "3", "--worker-timeout", "1.5")


@pytest.mark.parametrize("backend", LANES)
def test_hung_workers_are_replaced(start: Start, backend: str) -> None:
    """On loops one worker's loop is blocked. In the other every thread of the pool is, and one more
    exchange waits for one."""
    process = start(*HANG, "--backend", backend, "--timeouts-close", "0.5")
    before = workers_of(process)
    first, second = sorted(before)
    with ExitStack() as stack:
        places = Places(process, stack)
        for pid in before:
            places.reserve(pid, 4)
        for _ in range(4):
            places.ask(second, "/block/600")
        for _ in range(4 if backend == "threads" else 1):
            places.ask(first, "/block/600" if backend == "threads" else "/hang/600")
        eventually(lambda: not workers_of(process) & before, seconds=30)
    eventually(lambda: len(workers_of(process)) == 2)
    assert httpx.get(process.url).json()["pid"] not in before
    process.signal()
    code, rest, _ = process.end()
    assert code == 0, rest
    stuck = "all its threads have been busy for 1.5 s, and an exchange waits for one"
    assert f"ERROR worker {second} is hung: {stuck}; starting another" in rest
    why = stuck if backend == "threads" else "its loop has not run for 1.5 s"
    assert f"ERROR worker {first} is hung: {why}; starting another" in rest
    # The stacks of both, with the lines that block.
    assert len(re.findall(r'main.py", line \d+ in block', rest)) >= 3, rest
    assert backend == "threads" or len(re.findall(r'main.py", line \d+ in hang', rest)) == 1, rest
    assert "Traceback" not in rest
    assert "ended with" not in rest


@pytest.mark.parametrize("backend", ["asyncio", "trio", "threads"])
def test_a_worker_that_blocks_for_long_is_not_taken_for_hung(start: Start, backend: str) -> None:
    """Its handlers block for longer than the time-out, on all threads but the one that the others
    need on this lane; or on all, while no exchange waits for one."""
    process = start(*HANG, "--backend", backend)
    before = workers_of(process)
    with ExitStack() as stack:
        places = Places(process, stack)
        count = 2 if backend == "threads" else 3
        blocked = [places.ask(pid, "/block/4") for pid in sorted(before) for _ in range(count)]
        for _ in range(5):
            for pid in sorted(before):
                assert b"200 OK" in places.ask(pid, "/").recv(4096)
            time.sleep(0.5)
        assert all(b"awake" in sock.recv(4096) for sock in blocked)
    assert workers_of(process) == before
    process.signal()
    code, rest, _ = process.end()
    assert code == 0, rest
    assert "hung" not in rest


def test_a_hung_worker_that_wakes_up_in_time_answers(start: Start) -> None:
    process = start(*HANG, "--timeouts-close", "20")
    (pid, *_) = sorted(workers_of(process))
    with ExitStack() as stack:
        sock = Places(process, stack).ask(pid, "/hang/4")
        assert b"awake" in sock.recv(4096)
        eventually(lambda: pid not in workers_of(process))
    process.signal()
    code, rest, _ = process.end()
    assert code == 0, rest
    assert f"worker {pid}, which was given up, has ended" in rest
    assert "main.py" not in rest


def test_a_worker_timeout_under_the_request_timeout_is_warned_about(start: Start) -> None:
    process = start(*HANG)
    process.signal()
    assert "WARNING worker_timeout (1.5 s) is under request_timeout (30 s)" in process.end()[1]


def test_a_worker_timeout_without_workers_is_warned_about(start: Start) -> None:
    process = start("--worker-timeout", "60")
    process.signal()
    rest = process.line + process.end()[1]
    assert "WARNING worker_timeout has no effect: it is for --workers" in rest


def test_reload_serves_the_changed_code(start: Start, folder: Path) -> None:
    pytest.importorskip("watchfiles")
    process = start("--reload")
    assert "pid" in httpx.get(process.url).json()
    changed = APP.replace('{"pid": os', '{"new": os')

    def is_new() -> bool:
        # Again and again: the watching begins some time after the serving.
        (folder / "main.py").write_text(changed + f"\n# {time.time()}\n", encoding="utf-8")
        time.sleep(0.5)
        return "new" in httpx.get(process.url).json()

    eventually(is_new, 20)
    process.signal()
    assert process.end()[0] == 0
