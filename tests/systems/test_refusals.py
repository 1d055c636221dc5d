"""What a system does not have is refused in words: they name the system and say what to do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from anylane_backends.hosting.system.pidfile import PidFile, PidFileError

ROOT = Path(__file__).parents[2]
APP = "from anylane import App\napp = App()\n"


def printed(module: str, hidden: list[str], *arguments: str) -> tuple[int, str]:
    """Return the status and what was printed by a module of this folder, without what is hidden."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", f"tests.systems.{module}", json.dumps(hidden),
         *arguments],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    return done.returncode, done.stdout


@pytest.mark.parametrize(
    ("hidden", "flags", "seen", "advice"),
    [
        ("fork", ("--workers", "2"), "workers come by fork(), which", "leave --workers"),
        ("fork", ("--reload",), "workers come by fork(), which", "--reload"),
        ("Windows", ("--max-requests", "9"), "workers come by fork(), which", "leave --workers"),
        ("users", ("--user", "nobody"), "no process can become another user", "as that user"),
        ("Windows", ("--group", "1"), "no process can become another user", "leave --user"),
        ("unix sockets", ("--uds", "/tmp/a.sock"), "no unix sockets", "listen on a port instead"),
    ],
)
def test_a_flag_that_the_system_cannot_meet(
    hidden: str, flags: tuple[str, ...], seen: str, advice: str, tmp_path: Path
) -> None:
    (tmp_path / "here.py").write_text(APP, encoding="utf-8")
    status, text = printed(
        "command", [hidden], "run", "here:app", "--app-dir", str(tmp_path), *flags
    )
    assert status == 3
    assert text.count("\n") == 1, text
    assert seen in text
    assert advice in text


def test_a_directory_of_files_where_no_path_begins_at_a_descriptor() -> None:
    code = """
from anylane import UsageError
from anylane.contrib import StaticFiles
try:
    StaticFiles(".")
except UsageError as exc:
    print(exc)
"""
    status, text = printed("asked", ["paths by descriptor", "more of POSIX"], code)
    assert status == 0, text
    assert text.startswith("StaticFiles cannot serve a directory on ")
    assert "return a FileResponse" in text


def test_a_file_is_sent_all_the_same() -> None:
    code = """
import pathlib
from anylane import App
from anylane.contrib import FileResponse
from anylane.testing import TestClient
app = App()
@app.get("/")
def file(ctx):
    return FileResponse("pyproject.toml")
with TestClient(app) as client:
    print(client.get("/").content == pathlib.Path("pyproject.toml").read_bytes())
"""
    assert printed("asked", ["paths by descriptor", "more of POSIX"], code) == (0, "True\n")


def test_serving_inside_a_loop_that_watches_no_sockets() -> None:
    code = """
import asyncio
from anylane import App, ServerConfig, UsageError, serve
try:
    asyncio.run(serve(App(), ServerConfig(port=0)))
except UsageError as exc:
    print(exc)
"""
    status, text = printed("asked", ["readers in loops"], code)
    assert status == 0, text
    assert "a ProactorEventLoop does not have" in text
    assert "loop_factory=asyncio.SelectorEventLoop" in text


def test_a_service_manager_behind_an_abstract_socket() -> None:
    """Linux alone has these, and systemd with them: elsewhere there is nothing to tell."""
    code = """
import os
os.environ["NOTIFY_SOCKET"] = "@anylane-test"
from anylane_backends.hosting.systemd import notify
print(notify("READY=1"))
"""
    for hidden in ("abstract sockets", "unix sockets"):
        assert printed("asked", [hidden], code) == (0, "None\n")


def test_the_shared_lead_without_memfd() -> None:
    code = """
from anylane_backends.hosting.supervision.lead import SharedLead
lead = SharedLead()
print(lead.take(), lead.release())
"""
    assert printed("asked", ["memfd_create"], code) == (0, "True None\n")


def test_figures_of_the_machine_without_linux() -> None:
    """The CPUs are counted, and memory is the most that the process ever held."""
    code = """
from anylane_backends.hosting.supervision.recycling import resident
from anylane_backends.hosting.system.cpus import usable_cpus
print(usable_cpus() >= 1, resident() > 1 << 20)
"""
    hidden = ["files of Linux", "sched_getaffinity"]
    assert printed("asked", hidden, code) == (0, "True True\n")


def test_all_is_imported_without_what_python_3_14_has_removed() -> None:
    """With `-W error`, as everything here. Only what needs a part that is not installed is left."""
    code = """
import importlib, pkgutil
import anylane, anylane_backends
for package in (anylane, anylane_backends):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
print("all")
"""
    assert printed("asked", ["what Python 3.14 has removed"], code) == (0, "all\n")


def test_a_pid_file_where_no_process_can_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """On Windows `os.kill(pid, 0)` is Ctrl-C."""
    with monkeypatch.context() as patched:
        patched.setattr(os, "name", "nt")
        with pytest.raises(PidFileError, match=r"which .* does not have; leave --pidfile out"):
            PidFile("server.pid")
