"""The demo as a user starts it."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

DEMO = Path(__file__).with_name("demo.py")

Demo = Callable[..., AbstractContextManager[str]]


@contextmanager
def _running(backend: str, port: int = 0) -> Generator[str]:
    """A process, found by the line that it prints; it has to end by itself and say nothing bad."""
    process = subprocess.Popen(
        [sys.executable, str(DEMO), "--backend", backend, "--port", str(port), "--interval", "0.2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    with process.stdout as output:
        line = output.readline()
        found = re.search(r"http://[\d.:]+", line)
        if found is None:
            pytest.fail(line + output.read())
        assert backend in line
        try:
            yield found[0]
        finally:
            process.send_signal(signal.SIGTERM)
            rest = output.read()
            code = process.wait(10)
        assert (code, "Traceback" in rest) == (0, False), rest


@pytest.fixture(scope="session")
def demo() -> Demo:
    """`with demo(backend, port) as url:`; port 0 is any free one."""
    return _running
