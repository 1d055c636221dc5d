"""`anylane run` as processes, for the tests of what a supervisor does to them."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from tests.waiting import eventually

APP = """
import os, time
from anylane import App

app = App()

@app.get("/")
async def home(ctx):
    return {"pid": os.getpid()}

@app.get("/who")
async def who(ctx):
    return {"uid": os.getuid(), "gid": os.getgid(), "groups": sorted(os.getgroups()),
            "imported by": imported_by, "umask": umask()}

@app.get("/hold")
async def hold(ctx):
    async with ctx.stream() as out:
        await out.write(f"pid {os.getpid()};")
        await ctx.sleep(60)

@app.get("/eat/{megabytes:int}")
async def eat(ctx):
    kept.append(os.urandom(1 << 20) * ctx.params["megabytes"])
    return str(os.getpid())

@app.get("/hang/{seconds:float}", inline=True)
def hang(ctx):
    open("hangs", "w").close()
    time.sleep(ctx.params["seconds"])
    return "awake"

kept = []
imported_by = os.getuid()

def umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask
"""


class Server:
    """One `anylane run`, whose output goes into a file."""

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        app: str = APP,
        waits: bool = True,
        command: list[str] | None = None,
        python: str = sys.executable,
        **kwargs,
    ) -> None:
        (folder / "main.py").write_text(app, encoding="utf-8")
        self.folder = folder
        self._log = folder / f"log {time.monotonic_ns()}"
        command = command or [python, "-m", "anylane", "run", "main:app", *arguments]
        if "-c" not in command and {"--port", "--uds", "--fd", "--bind"}.isdisjoint(arguments):
            command += ["--port", "0"]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, **kwargs)
        self._others: set[int] = set()
        if waits:
            eventually(lambda: self.line or self.process.poll() is not None, 30)
            assert self.line, self.text

    @property
    def text(self) -> str:
        """What it has written so far."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    @property
    def line(self) -> str:
        """The line that says where it is, "" if there is none yet."""
        found = re.search(r"^anylane on .*$", self.text, re.MULTILINE)
        return found[0] if found else ""

    @property
    def url(self) -> str:
        found = re.search(r"https?://\S+:\d+", self.line)
        assert found is not None, self.line
        return found[0]

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def pid(self) -> int:
        return self.process.pid

    def workers(self, pid: int | None = None) -> set[int]:
        pid = self.pid if pid is None else pid
        try:
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
        except OSError:
            return set()
        found = {int(child) for child in children.split()}
        self._others |= found | {pid}
        return found

    def says(self, words: str, seconds: float = 20) -> str:
        """Wait until it has written this, and return all that it has written."""
        eventually(lambda: words in self.text, seconds, lambda: self.text)
        return self.text

    def end(self, seconds: float = 20) -> tuple[int, str]:
        """End it. Return its exit code and all that it has written."""
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(seconds), self.text

    def close(self) -> None:
        """Kill what is left: it, its workers, and a new binary of it."""
        for pid in {self.pid, *self._others}:
            if is_ours(pid, self.folder):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()

    def adopt(self, pid: int) -> None:
        """Have another process of this folder killed at the end, too."""
        self._others.add(pid)


def is_ours(pid: int, folder: Path) -> bool:
    """Whether this process runs, and in this folder: the number may be another one's by now."""
    try:
        return Path(f"/proc/{pid}/cwd").readlink() == folder
    except OSError:
        return False


def ask(port: int, path: str = "/") -> bytes:
    """Return the body of an answer, on a connection of its own."""
    with socket.create_connection(("127.0.0.1", port), 10) as sock:
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
        answer = b""
        while data := sock.recv(65536):
            answer += data
    assert answer.startswith(b"HTTP/1.1 200"), answer
    return answer.partition(b"\r\n\r\n")[2]


def environ(tmp_path: Path, **more: str) -> dict[str, str]:
    """Return the environment of a server that tells the `manager` how it is."""
    return {**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify.sock"), **more}


def until(manager: socket.socket, pattern: str) -> list[str]:
    """Return the messages up to the first that matches."""
    seen = []
    while True:
        seen.append(manager.recv(1000).decode())
        if re.search(pattern, seen[-1]):
            return seen
