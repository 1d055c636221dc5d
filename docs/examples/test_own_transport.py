"""The transport of one's own: run as its docstring says, and with other apps."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).with_name("own_transport.py")

HEAD = b"HTTP/1.1\r\nHost: a\r\n\r\n"

PROLOGUE = """
from contextvars import ContextVar
from threading import Timer
from time import monotonic
from own_transport import serve
from anylane import App, Broadcast
app, user = App(), ContextVar("user", default="nobody")
"""


def run(*command: str, sent: bytes) -> subprocess.CompletedProcess[bytes]:
    """Run a program with `sent` as its input; it must end by itself and without an error."""
    done = subprocess.run(
        [sys.executable, *command],
        input=sent,
        capture_output=True,
        timeout=20,
        check=False,
        cwd=EXAMPLE.parent,
    )
    assert done.returncode == 0, done.stderr
    return done


def serve(sent: bytes) -> bytes:
    """Serve the example's own app."""
    return run(str(EXAMPLE), sent=sent).stdout


def serve_app(source: str, *paths: str) -> tuple[list[str], str]:
    """Serve the app of `source` for pipelined GETs; return the bodies, and what stderr has."""
    sent = b"".join(f"GET {path} ".encode() + HEAD for path in paths)
    done = run("-c", f"{PROLOGUE}\n{source}\nserve(app)", sent=sent)
    answers = done.stdout.decode().split("HTTP/1.1 200 OK\r\n")[1:]
    return [answer.partition("\r\n\r\n")[2] for answer in answers], done.stderr.decode()


def test_requests_on_stdin_are_answered_on_stdout() -> None:
    answers = serve(b"GET / " + HEAD + b"GET /nowhere " + HEAD)
    assert answers.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b'"client":"stdin"' in answers
    assert answers.endswith(b"404 Not Found\n")


def test_nonsense_is_refused() -> None:
    assert serve(b"nonsense\r\n\r\n").startswith(b"HTTP/1.1 400 Bad Request\r\n")


def test_context_variables_of_one_request_are_not_seen_by_the_next() -> None:
    source = """
@app.get("/login")
async def login(ctx):
    user.set("ada")
    return user.get()

@app.get("/whoami")
async def whoami(ctx):
    return user.get()
"""
    assert serve_app(source, "/login", "/whoami")[0] == ["ada", "nobody"]


def test_what_the_startup_hooks_set_is_seen_by_every_request() -> None:
    source = """
@app.lifespan
async def life():
    user.set("ada")
    yield
    print("closed", user.get(), file=__import__("sys").stderr)

@app.get("/whoami")
async def whoami(ctx):
    return user.get()
"""
    bodies, errors = serve_app(source, "/whoami", "/whoami")
    assert bodies == ["ada", "ada"]
    assert errors == "closed ada\n"


def test_a_plain_def_waits_on_its_own_stack() -> None:
    source = """
@app.get("/")
def wait(ctx):
    ctx.call(ctx.sleep, 0.001)
    return "awake"
"""
    assert serve_app(source, "/", "/")[0] == ["awake", "awake"]


def test_background_work_runs_to_its_end_after_the_client_has_left() -> None:
    source = """
@app.get("/")
async def home(ctx):
    async def work():
        await ctx.sleep(0.01)
        print("worked", file=__import__("sys").stderr)
    ctx.background(work)
    return "answered"
"""
    assert serve_app(source, "/") == (["answered"], "worked\n")


def test_a_wake_up_from_another_thread_reaches_a_handler_that_waits() -> None:
    source = """
room = Broadcast()

@app.get("/")
async def home(ctx):
    with room.subscribe() as subscription:
        Timer(0.01, room.send, ["news"]).start()
        began = monotonic()
        return await anext(subscription) + (", late" if monotonic() - began > 5 else "")
"""
    # Without a wake-up it is seen at the connection's next deadline, many seconds later.
    assert serve_app(source, "/")[0] == ["news"]


def test_a_client_that_reads_no_more_ends_it_quietly() -> None:
    with subprocess.Popen(
        [sys.executable, str(EXAMPLE)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        process.stdin.write(b"GET / " + HEAD)
        process.stdin.close()
        assert process.stderr.read() == b""
        assert process.wait(20) == 0


def test_the_example_uses_no_private_name() -> None:
    private = {
        node.attr
        for node in ast.walk(ast.parse(EXAMPLE.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr.startswith("_")
    }
    assert private <= {"__init__"}
