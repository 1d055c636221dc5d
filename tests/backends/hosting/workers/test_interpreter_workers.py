"""Workers that are interpreters of one process: `anylane run --worker-kind interpreter`."""

from __future__ import annotations

import grp
import http.client
import json
import os
import re
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.backends.hosting.workers.servers import Server, ask
from tests.waiting import eventually

Start = Callable[..., Server]

pytestmark = pytest.mark.skipif(
    sys.version_info < (3, 12), reason="interpreters have a lock of their own since Python 3.12"
)

APP = """
import asyncio, logging, os, threading, time
from pathlib import Path
from anylane import App

app = App()
here = Path(__file__).parent
main = threading.get_native_id()

def note(name):
    with (here / name).open("a") as out:
        out.write(f"{main}\\n")

@app.on_worker_start
async def begin(worker):
    app.state.number = worker.number
    if (here / "fails").exists():
        raise RuntimeError("no database")

@app.get("/")
async def home(ctx):
    return {"pid": os.getpid(), "worker": main, "number": ctx.app.state.number}

@app.get("/def")
def plain(ctx):
    logging.getLogger("app").warning("in a thread")
    return {"worker": main, "thread": threading.get_native_id()}

@app.get("/hold")
async def hold(ctx):
    async with ctx.stream() as out:
        await out.write("held;")
        (here / "held").touch()
        await ctx.sleep(60)

@app.get("/slow")
async def slow(ctx):
    note("slow")
    await ctx.sleep(0.5)
    return "slow"

@app.get("/block")
def block(ctx):
    (here / "blocks").touch()
    while not (here / "go on").exists():
        time.sleep(0.02)
    return str(main)

@app.get("/hang", inline=True)
def hang(ctx):
    return block(ctx)

@app.get("/stop", inline=True)
def stop(ctx):
    asyncio.get_running_loop().stop()

@app.every(0.05, workers="one")
async def lead(ctx):
    note("one")

@app.every(0.05)
async def each(ctx):
    note("each")
"""

in_full = pytest.mark.skipif(
    sys.version_info < (3, 13), reason="this is the same code on 3.13, where it is tried"
)

INTERPRETERS = ("--worker-kind", "interpreter")
TWO = ("--workers", "2", *INTERPRETERS)


@pytest.fixture
def serve(start: Start) -> Start:
    def begin(*arguments: str, **kwargs: Any) -> Server:
        return start(*arguments, **{"app": APP, **kwargs})

    return begin


def answers(server: Server) -> set[tuple[int, int]]:
    """Ask until both workers have answered. Return process and interpreter of each."""
    found: set[tuple[int, int]] = set()

    def both() -> bool:
        told = json.loads(ask(server.port))
        found.add((told["pid"], told["worker"]))
        return len(found) == 2

    eventually(both)
    return found


def workers(server: Server) -> set[int]:
    return {worker for _, worker in answers(server)}


def noted(server: Server, name: str) -> list[str]:
    """Return which worker has noted something, each time."""
    file = server.folder / name
    return file.read_text(encoding="utf-8").splitlines() if file.exists() else []


def get(sock: socket.socket, path: str) -> None:
    sock.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())


@pytest.mark.parametrize("lane", ["asyncio", "anyio", "trio", "curio", "threads"])
def test_interpreters_of_one_process_share_a_port(serve, lane: str) -> None:
    if lane not in ("asyncio", "threads") and sys.version_info < (3, 13):
        pytest.skip("on 3.12 two lanes are tried; trio needs ctypes, which does not load there")
    server = serve(*TWO, "--backend", lane, "--log-format", "json")
    assert f"({lane}, 2 interpreters, Python " in server.line
    found = answers(server)
    assert {pid for pid, _ in found} == {server.pid}
    plain = json.loads(ask(server.port, "/def"))
    assert plain["worker"] in {worker for _, worker in found}
    assert plain["thread"] != plain["worker"]
    # The idle thread of the pool does not hold up the end: the drain may take 30 seconds.
    began = time.monotonic()
    code, text = server.end()
    assert (code, "Traceback" in text) == (0, False), text
    assert time.monotonic() - began < 15
    records = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    (record,) = [each for each in records if each["message"] == "in a thread"]
    assert record["worker"] == plain["worker"]
    named = sum("orjson does not load in interpreters" in each["message"] for each in records)
    assert named == (find_spec("orjson") is not None)


@in_full
@pytest.mark.skipif(find_spec("uvloop") is None, reason="uvloop is not installed")
def test_a_backend_that_does_not_load_there_is_one_line(serve) -> None:
    server = serve(*INTERPRETERS, "--backend", "uvloop", waits=False)
    assert server.process.wait(30) == 3
    assert re.search(
        r"^anylane: backend 'uvloop' cannot be used in an interpreter \(.*\); choose another one, "
        r"or worker_kind process$",
        server.text,
        re.MULTILINE,
    ), server.text


@in_full
@pytest.mark.parametrize(
    ("app", "said"),
    [
        ("import msgspec", "; leave that out, or use worker_kind process"),
        ("from anylane import App\napp = App()\n@app.on_startup\ndef begin(): 1 / 0", "startup"),
    ],
)
def test_a_start_that_fails_ends_the_command_with_3_and_one_line(serve, app, said) -> None:
    server = serve(*INTERPRETERS, app=app, waits=False)
    assert server.process.wait(30) == 3, server.text
    (line,) = [each for each in server.text.splitlines() if each.startswith("anylane: ")]
    assert said in line
    assert "main.py:" in line


def test_a_drain_answers_what_is_in_flight(serve) -> None:
    server = serve(*TWO)
    socks = [socket.create_connection(("127.0.0.1", server.port), 10) for _ in range(8)]
    for turn in (1, 2):
        for sock in socks:
            get(sock, "/slow")
        eventually(lambda: len(noted(server, "slow")) == 8 * turn)  # noqa: B023
        if turn == 1:
            assert all(b"\r\n\r\nslow" in sock.recv(65536) for sock in socks)
    assert len(set(noted(server, "slow"))) == 2
    server.process.send_signal(signal.SIGTERM)
    for sock in socks:
        answer = b""
        while data := sock.recv(65536):
            answer += data
        assert answer.startswith(b"HTTP/1.1 200 OK"), answer
        assert answer.endswith(b"slow")
        sock.close()
    assert server.end()[0] == 0


@in_full
def test_a_second_signal_aborts(serve) -> None:
    server = serve(*INTERPRETERS)
    sock = socket.create_connection(("127.0.0.1", server.port), 10)
    get(sock, "/hold")
    eventually((server.folder / "held").exists)
    server.process.send_signal(signal.SIGTERM)
    # The drain has begun once nothing is accepted any more.
    eventually(lambda: refused(server.port))
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(10) == 0, server.text
    sock.close()


def refused(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) != 0


@in_full
def test_the_process_ends_without_handlers_that_block(serve) -> None:
    server = serve(*INTERPRETERS, "--timeouts-drain", "0.5")
    sock = socket.create_connection(("127.0.0.1", server.port), 10)
    get(sock, "/block")
    eventually((server.folder / "blocks").exists)
    code, text = server.end()
    assert code == 1, text
    assert text.endswith("anylane: handlers still block: ended without them\n")
    sock.close()


def test_renewing_them_loses_no_request(serve) -> None:
    server = serve(*TWO, "--ready-file", "ready")
    first = workers(server)
    eventually(lambda: len(set(noted(server, "each"))) == 2 and len(noted(server, "one")) >= 4)
    (leader,) = set(noted(server, "one"))
    stop = threading.Event()
    lost: list[object] = []

    def client() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        while not stop.is_set():
            try:
                connection.request("GET", "/def")
                answer = connection.getresponse()
                answer.read()
                if answer.status != 200:
                    lost.append(answer.status)
            except (OSError, http.client.HTTPException) as exc:
                lost.append(exc)
        connection.close()

    clients = [threading.Thread(target=client) for _ in range(4)]
    for each in clients:
        each.start()
    try:
        text = APP.replace('"worker": main', '"worker": main + 1_000_000')
        (server.folder / "main.py").write_text(text, encoding="utf-8")
        server.process.send_signal(signal.SIGHUP)
        eventually(lambda: min(workers(server)) > 1_000_000, 30)
    finally:
        stop.set()
        for each in clients:
            each.join()
    assert lost == []
    assert workers(server).isdisjoint(first)
    # The job for one worker goes on in another, and never runs in two at once.
    eventually(lambda: len(set(noted(server, "one"))) >= 2)
    turns = noted(server, "one")
    assert turns == sorted(turns, key=lambda worker: worker != leader)
    server.process.send_signal(signal.SIGUSR2)
    server.says("SIGUSR2 has no effect: the workers are no processes")
    server.process.send_signal(signal.SIGUSR1)
    eventually(lambda: server.text.count("opened the files of the log again") == 3)
    server.process.send_signal(signal.SIGTTIN)
    server.says("workers from now on: 3")
    for count in (2, 1):
        server.process.send_signal(signal.SIGTTOU)
        server.says(f"workers from now on: {count}")
    ask(server.port)
    assert server.end()[0] == 0


def test_one_that_fails_is_replaced(serve) -> None:
    server = serve(*TWO)
    before = workers(server)
    with pytest.raises((AssertionError, OSError)):
        ask(server.port, "/stop")
    text = server.says("ended with exit code 1: starting another")
    found = re.search(r"worker (\d+) ended with exit code 1", text)
    assert found is not None
    failed = int(found[1])
    assert failed in before
    assert "Event loop stopped before Future completed" in text
    eventually(lambda: failed not in workers(server) and len(before | workers(server)) == 3)
    # One that cannot start is no reason to end: the old one stays.
    (server.folder / "fails").touch()
    server.process.send_signal(signal.SIGHUP)
    server.says("ended with exit code 3: the old one stays")
    ask(server.port)
    assert server.end()[0] == 0


@in_full
def test_one_that_hangs_is_replaced_and_stays(serve) -> None:
    server = serve(
        *TWO, "--worker-timeout", "0.5", "--timeouts-close", "0.2", "--timeouts-look", "0.1"
    )
    server.says(
        "WARNING worker_timeout: an interpreter that hangs is replaced and cannot be killed"
    )
    sock = socket.create_connection(("127.0.0.1", server.port), 30)
    get(sock, "/hang")
    text = server.says("cannot be killed, because it is an interpreter of this process")
    found = re.search(r"worker (\d+) is hung: its loop has not run for 0.5 s; starting", text)
    assert found is not None
    hung = int(found[1])
    assert hung not in workers(server)
    (server.folder / "go on").touch()
    assert b"HTTP/1.1 200 OK" in sock.recv(65536)
    sock.close()
    server.says(f"worker {hung}, which was given up, has ended")
    assert server.end()[0] == 0


@in_full
def test_one_worker_alone_is_recycled_too(serve) -> None:
    server = serve(*INTERPRETERS, "--max-requests", "3")
    server.says("WARNING an interpreter that is replaced leaves some 20 MB of memory")
    first = json.loads(ask(server.port))
    assert first["number"] == 0
    assert "(asyncio, 1 interpreter, Python" in server.line
    for _ in range(5):
        ask(server.port)
    server.says(f"worker {first['worker']} has had its requests (max_requests): replacing it")
    eventually(lambda: json.loads(ask(server.port))["worker"] != first["worker"])
    assert server.end()[0] == 0


@in_full
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may change its group")
def test_the_process_changes_its_group_as_a_whole(start: Start) -> None:
    group = next(each.gr_name for each in grp.getgrall() if each.gr_name in ("nogroup", "nobody"))
    server = start(*INTERPRETERS, "--group", group)
    told = json.loads(ask(server.port, "/who"))
    assert told["gid"] == grp.getgrnam(group).gr_gid
    assert Path(f"/proc/{server.pid}").stat().st_gid == told["gid"]
    assert server.end()[0] == 0


BLOCKING_JOB = """
import threading, time
from pathlib import Path
from anylane import App

app = App()
here = Path(__file__).parent
main = threading.get_native_id()

@app.every(0.05, workers="one")
def lead():
    with (here / "one").open("a") as out:
        out.write(f"{main}\\n")
    while not (here / "go on").exists():
        time.sleep(0.02)

@app.get("/")
async def home(ctx):
    return str(main)
"""


@in_full
@pytest.mark.parametrize("lane", ["asyncio", "threads"])
def test_a_job_that_outlives_the_drain_keeps_others_from_it_until_it_has_ended(
    serve, lane: str
) -> None:
    drains = ("--timeouts-drain", "0.2", "--backend", lane)
    server = serve(*INTERPRETERS, *drains, app=BLOCKING_JOB)
    eventually(lambda: noted(server, "one"))
    (first,) = noted(server, "one")
    server.process.send_signal(signal.SIGHUP)
    eventually(lambda: ask(server.port).decode() != first)
    server.says("left behind")
    # Ten turns of the new worker's, had it the job.
    ends = time.monotonic() + 0.5
    eventually(lambda: time.monotonic() > ends)
    assert noted(server, "one") == [first]
    (server.folder / "go on").touch()
    eventually(lambda: len(set(noted(server, "one"))) == 2)
    assert server.end()[0] == 0


BEGINNING = "from anylane import App\napp = App()\n@app.on_startup\ndef begin(): "


@in_full
@pytest.mark.parametrize(
    ("app", "status", "said"),
    [
        ("raise KeyboardInterrupt('at import')", 1, "KeyboardInterrupt: at import"),
        ("raise SystemExit(2**40 + 5)", 3, "importing 'main' raised SystemExit: 1099511627781"),
        (BEGINNING + "raise GeneratorExit('at start')", 1, "GeneratorExit: at start"),
        (BEGINNING + "raise SystemExit('no disk')", 1, "no disk"),
        (BEGINNING + "raise SystemExit(2**40 + 5)", 5, ""),
        ("import os\nos._exit(9)", 9, ""),
    ],
)
def test_whatever_a_first_start_raises_ends_the_command(serve, app, status, said) -> None:
    server = serve(*TWO, app=app, waits=False)
    assert server.process.wait(20) == status, server.text
    assert said in server.text


HANGING = "import time\ndef hang():\n    while True: time.sleep(0.05)\n"


@in_full
@pytest.mark.parametrize("where", ["hang()", BEGINNING + "hang()"])
def test_a_first_start_that_never_ends_ends_the_command_with_3(serve, where: str) -> None:
    brief = ("--start-timeout", "2", "--timeouts-close", "0.2", "--timeouts-drain", "1")
    server = serve(*TWO, *brief, app=HANGING + where, waits=False)
    assert server.process.wait(20) == 3, server.text
    assert "has not accepted within 2 s of its start (start_timeout)" in server.text
    assert server.text.endswith("anylane: handlers still block: ended without them\n")


RAISING = """
import os
from anylane import App

app = App()

class Own(BaseException): ...

KINDS = [Own, KeyboardInterrupt, GeneratorExit, lambda: SystemExit(2**40 + 5), SystemExit]

@app.get("/")
async def home(ctx):
    return str(os.getpid())

@app.get("/async/{kind:int}")
async def in_async(ctx):
    raise KINDS[ctx.params["kind"]]()

@app.get("/def/{kind:int}")
def in_def(ctx):
    raise KINDS[ctx.params["kind"]]()

@app.get("/inline/{kind:int}", inline=True)
def in_inline(ctx):
    raise KINDS[ctx.params["kind"]]()

@app.get("/exit")
async def leave(ctx):
    os._exit(9)
"""


@in_full
@pytest.mark.parametrize("lane", ["asyncio", "threads"])
def test_whatever_a_handler_raises_ends_its_exchange_alone(serve, lane: str) -> None:
    server = serve(*INTERPRETERS, "--backend", lane, app=RAISING)
    for handler in ("async", "def", "inline"):
        for kind in range(5):
            with socket.create_connection(("127.0.0.1", server.port), 10) as sock:
                get(sock, f"/{handler}/{kind}")
                assert sock.recv(65536).startswith(b"HTTP/1.1 500 "), (handler, kind)
    assert ask(server.port).decode() == str(server.pid)
    code, text = server.end()
    assert (code, "starting another" in text) == (0, False)


@in_full
def test_a_process_that_one_worker_exits_ends_as_a_whole(serve) -> None:
    server = serve(*TWO, app=RAISING)
    with pytest.raises((AssertionError, OSError)):
        ask(server.port, "/exit")
    assert server.process.wait(10) == 9
    assert refused(server.port)
