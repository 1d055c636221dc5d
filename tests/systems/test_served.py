"""The command on what other systems have: it serves, and the signals that are left end it."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
APP = """
from anylane import App
app = App()

@app.get("/")
async def home(ctx):
    return {"message": "here"}

@app.on_shutdown
def ended():
    print("shutdown hook", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(
    ("hidden", "backend"),
    [("signals", "asyncio"), ("Windows", "asyncio"), ("Windows", "threads"), ("macOS", "asyncio")],
)
def test_served_until_a_signal(hidden: str, backend: str, number: int, tmp_path: Path) -> None:
    (tmp_path / "here.py").write_text(APP, encoding="utf-8")
    command = [sys.executable, "-W", "error", "-m", "tests.systems.command", json.dumps([hidden]),
               "run", "here:app", "--app-dir", str(tmp_path), "--port", "0",
               "--backend", backend]  # fmt: skip
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            found = re.match(r"anylane on (http://\S+) ", line)
            assert found, line + process.stdout.read()
            with urllib.request.urlopen(found[1], timeout=30) as answer:
                assert json.load(answer) == {"message": "here"}
            process.send_signal(number)
            assert process.stdout.read() == "shutdown hook\n"
            assert process.wait(30) == 0
        finally:
            process.kill()
