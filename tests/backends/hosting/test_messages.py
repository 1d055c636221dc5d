"""What an operator reads about an error: the user's own line, never one of Python's or of ours."""

from __future__ import annotations

import io
import logging
import os
import re
import socket
import sys
import sysconfig
import traceback
from pathlib import Path
from typing import Any

import pytest

import anylane_backends
from anylane import ServerConfig, errors
from anylane_backends.hosting.messages import (
    describe,
    flush_standard_streams,
    log,
    logger,
    say,
    url_of,
)

CORE = Path(errors.__file__).parent
BACKENDS = Path(anylane_backends.__file__).parent


def raised(*files: str | Path) -> ValueError:
    """Return an error that came up through line 3 of each of the files; the last one raised it."""
    call: Any = None
    for file in reversed(files):
        line = "call()" if call else "raise ValueError('no key')"
        names = {"call": call}
        exec(compile(f"\ndef run():\n    {line}\n", str(file), "exec"), names)
        call = names["run"]
    try:
        call()
    except ValueError as exc:
        return exc
    raise AssertionError("nothing was raised")


@pytest.mark.parametrize(
    "hidden",
    [
        CORE / "handling" / "context.py",
        BACKENDS / "asyncio" / "lane.py",
        BACKENDS / "hosting" / "server.py",
        Path(sysconfig.get_path("stdlib")) / "json" / "decoder.py",
        Path(sysconfig.get_path("purelib")) / "h11" / "_events.py",
        "<frozen importlib._bootstrap>",
    ],
    ids=str,
)
def test_the_last_line_of_the_users_own_code_is_named(hidden: str | Path) -> None:
    assert describe(raised("/srv/shop.py", hidden)) == "ValueError: no key (/srv/shop.py:3)"


@pytest.mark.parametrize("folder", [CORE, BACKENDS], ids=str)
def test_a_folder_whose_name_only_begins_like_ours_is_the_users(folder: Path) -> None:
    own = f"{folder}_shop/db.py"
    assert describe(raised("/srv/shop.py", own)) == f"ValueError: no key ({own}:3)"


def test_an_error_that_was_never_raised_names_no_line() -> None:
    assert describe(ValueError("no key")) == "ValueError: no key"
    assert describe(ValueError()) == "ValueError"


@pytest.mark.parametrize(
    ("config", "family", "expected"),
    [
        (ServerConfig(), socket.AF_INET, r"http://127\.0\.0\.1:\d+"),
        (ServerConfig(ssl_certfile="a.pem"), socket.AF_INET, r"https://127\.0\.0\.1:\d+"),
        (ServerConfig(), socket.AF_INET6, r"http://\[::1\]:\d+"),
        (ServerConfig(), socket.AF_UNIX, r"unix:.*/a\.sock"),
    ],
)
def test_a_listener_has_a_url(
    tmp_path: Path, config: ServerConfig, family: socket.AddressFamily, expected: str
) -> None:
    place: dict[int, Any] = {
        socket.AF_INET: ("127.0.0.1", 0),
        socket.AF_INET6: ("::1", 0),
        socket.AF_UNIX: str(tmp_path / "a.sock"),
    }
    with socket.socket(family) as listener:
        try:
            listener.bind(place[family])
        except OSError:
            pytest.skip("this machine has no such address")
        assert re.fullmatch(expected, url_of(listener, config))


FORGED = "no\r\n2026-01-01 00:00:00,000 ERROR forged\x1b[2J\x85\u2028\u202e\ud800"
SHOWN = r"no\r\n2026-01-01 00:00:00,000 ERROR forged\x1b[2J\x85\u2028\u202e\ud800"


class Loud(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


class Repr(Exception):
    def __repr__(self) -> str:
        return FORGED


def plain() -> Exception:
    return ValueError(FORGED)


def with_cause() -> Exception:
    error = ValueError("outer")
    error.__cause__ = ValueError(FORGED)
    return error


def with_context() -> Exception:
    error = ValueError("outer")
    error.__context__ = ValueError(FORGED)
    return error


def of_a_group() -> Exception:
    return ExceptionGroup(FORGED, [ValueError(FORGED), ExceptionGroup("b", [KeyError(FORGED)])])


def with_a_note() -> Exception:
    error = ValueError("outer")
    error.add_note(FORGED)
    return error


def of_syntax() -> Exception:
    try:
        compile("a = \x1b", FORGED.replace("\ud800", ""), "exec")
    except SyntaxError as exc:
        return exc
    raise AssertionError


@pytest.mark.parametrize(
    "make",
    [
        plain,
        with_cause,
        with_context,
        of_a_group,
        with_a_note,
        of_syntax,
        Loud,
        lambda: Repr(FORGED),
    ],
)
def test_what_a_client_sends_forges_no_line_of_the_log(make: Any) -> None:
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    logger.addHandler(handler)
    try:
        error = make()
        log("error", f"it failed: {FORGED}", error)
    finally:
        logger.removeHandler(handler)
    text = out.getvalue()
    assert text.startswith(f"ERROR it failed: {SHOWN}\n")
    lines = text.split("\n")
    assert all(line.isprintable() for line in lines), text
    assert not any(line.startswith("2026") for line in lines)
    assert make in (Loud, of_syntax, with_a_note) or SHOWN in "".join(lines[1:])


def test_a_traceback_is_as_python_writes_it() -> None:
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    logger.addHandler(handler)
    try:
        error = raised("/srv/shop.py")
        log("error", "it failed", error)
    finally:
        logger.removeHandler(handler)
    expected = "".join(traceback.format_exception(error))
    assert out.getvalue() == f"it failed\n{expected}"


class Full(io.TextIOBase):
    def write(self, _: str) -> int:
        raise OSError(28, "No space left on device")

    def flush(self) -> None:
        raise OSError(28, "No space left on device")

    def close(self) -> None:
        pass


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_line_that_cannot_be_written_is_dropped(
    monkeypatch: pytest.MonkeyPatch, stream: str
) -> None:
    monkeypatch.setattr(sys, stream, None)
    say("hello", error=stream == "stderr")
    flush_standard_streams()
    monkeypatch.setattr(sys, stream, Full())
    say("hello", error=stream == "stderr")
    with getattr(sys, stream) as null:
        assert null.name == os.devnull
    monkeypatch.setattr(sys, stream, Full())
    flush_standard_streams()
    with getattr(sys, stream) as null:
        assert null.name == os.devnull
