"""The transport of one's own, run as its docstring says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).with_name("own_transport.py")


def serve(sent: bytes) -> bytes:
    done = subprocess.run(
        [sys.executable, str(EXAMPLE)], input=sent, capture_output=True, timeout=20, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_requests_on_stdin_are_answered_on_stdout() -> None:
    head = b"HTTP/1.1\r\nHost: a\r\n\r\n"
    answers = serve(b"GET / " + head + b"GET /nowhere " + head)
    assert answers.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b'"client":"stdin"' in answers
    assert answers.endswith(b"404 Not Found\n")


def test_nonsense_is_refused() -> None:
    assert serve(b"nonsense\r\n\r\n").startswith(b"HTTP/1.1 400 Bad Request\r\n")
