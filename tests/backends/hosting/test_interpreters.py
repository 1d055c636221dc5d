"""Servers in subinterpreters, which refuse daemon threads, or all threads (PEP 684)."""

from __future__ import annotations

import subprocess
import sys

import pytest

OUTER = """
import importlib, sys

name = "_interpreters" if sys.version_info >= (3, 13) else "_xxsubinterpreters"
interpreters = importlib.import_module(name)
path, lane, isolated = sys.argv[1:4]
inner = "import sys\\nsys.path[:] = %r\\nlane = %r\\n" % (sys.path, lane) + open(path).read()
if sys.version_info >= (3, 12):
    number = interpreters.create()
else:
    number = interpreters.create(isolated=isolated == "yes")
failed = interpreters.run_string(number, inner)
interpreters.destroy(number)
sys.exit(str(failed) if failed else 0)
"""

SERVES = """
import socket, threading
from anylane import App, Server, ServerConfig

app = App()

@app.get("/async")
async def coroutine(ctx):
    return "async"

@app.get("/def")
def plain(ctx):
    return "def"

@app.get("/call")
def calls(ctx):
    ctx.call(ctx.sleep, 0.01)
    return "called"

@app.get("/items")
def items(ctx):
    yield "items"

async def mounted(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"mounted"})

app.mount("/mounted", mounted)

def ask(path):
    with socket.create_connection(("127.0.0.1", port), 10) as client:
        client.sendall(b"GET /%b HTTP/1.0\\r\\nHost: a\\r\\n\\r\\n" % path.encode())
        return client.makefile("rb").read().rpartition(b"\\r\\n")[2].decode()

server = Server(app, ServerConfig(port=0), lane).start().wait_ready()
port = server.addresses[0][1]
try:
    print(lane, *map(ask, ("async", "def", "call", "items", "mounted/x")), flush=True)
finally:
    server.shutdown(grace=1)
    print("ended", server.wait(10), flush=True)
    for thread in threading.enumerate():  # An interpreter cannot end before its threads.
        if thread is not threading.current_thread():
            thread.join(10)
"""

INLINE = """
import asyncio
from anylane import App, ServerConfig, serve

app = App()

@app.get("/def")
def plain(ctx):
    return "def"

@app.get("/call")
def calls(ctx):
    ctx.call(ctx.sleep, 0.01)

@app.get("/items")
def items(ctx):
    yield "items"

async def ask(port, path):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /%b HTTP/1.0\\r\\nHost: a\\r\\n\\r\\n" % path.encode())
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    return answer.split(b"\\r\\n")[0].decode(), answer.rpartition(b"\\r\\n")[2].decode()

async def main():
    ready = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(serve(app, ServerConfig(port=0), ready=ready.set_result))
    server = await ready
    port = server.addresses[0][1]
    for path in ("def", "items", "call"):
        print(*await ask(port, path), flush=True)
    server.shutdown()
    await serving

if lane == "asyncio":
    asyncio.run(main())
else:
    from anylane import Server, UsageError
    try:
        Server(app, ServerConfig(port=0), lane).run()
    except UsageError as exc:
        print(exc, flush=True)
"""


Done = subprocess.CompletedProcess[str]


def run(tmp_path, inner: str, lane: str, *, isolated: bool = False) -> Done:
    path = tmp_path / "inner.py"
    path.write_text(inner, encoding="utf-8")
    return subprocess.run(
        [sys.executable, "-c", OUTER, str(path), lane, "yes" if isolated else "no"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("lane", ["asyncio", "anyio", "threads"])
def test_a_server_serves_in_a_subinterpreter(tmp_path, lane: str):
    done = run(tmp_path, SERVES, lane)
    assert done.stdout.splitlines() == [f"{lane} async def called items mounted", "ended True"], (
        done.stderr
    )
    if sys.version_info[:2] != (3, 12):  # 3.12.1 crashes at the end after `import ssl` alone.
        assert done.returncode == 0, done.stderr


RUNS = """
from anylane import App

app = App()

@app.on_startup
def begin():
    raise RuntimeError("no database")

app.run(port=0)
"""


def test_app_run_leaves_signals_alone_there(tmp_path):
    done = run(tmp_path, RUNS, "")
    assert "anylane: startup failed: RuntimeError: no database" in done.stderr


BROKER = """
import asyncio
from anylane_backends.bridges.broker_thread import BrokerThread

async def main():
    await done.wait()

done = asyncio.Event()
thread = BrokerThread("broker")
thread.start(main)
print(thread.submit(asyncio.sleep(0, "slept")).result(10))
thread.call_soon(done.set)
print(thread.join(10), flush=True)
"""


def test_the_client_of_a_broker_runs_there(tmp_path):
    assert run(tmp_path, BROKER, "").stdout.splitlines() == ["slept", "True"]


needs_no_threads = pytest.mark.skipif(
    sys.version_info >= (3, 12), reason="isolated subinterpreters have threads since 3.12"
)


@needs_no_threads
def test_without_any_thread_def_handlers_run_inline(tmp_path):
    done = run(tmp_path, INLINE, "asyncio", isolated=True)
    lines = done.stdout.splitlines()
    assert lines[:2] == ["HTTP/1.1 200 OK def", "HTTP/1.1 200 OK items"], done.stderr
    assert lines[2].startswith("HTTP/1.1 500")
    assert done.stderr.count("no thread can be started") == 1
    assert "ctx.call() waits in a thread, and none can be started here" in done.stderr


@needs_no_threads
def test_without_any_thread_the_threads_lane_does_not_start(tmp_path):
    done = run(tmp_path, INLINE, "threads", isolated=True)
    assert done.stdout.startswith("the threads lane needs threads, and none can be started here (")
    assert done.stdout.endswith("choose another backend\n"), done.stderr
