"""What an operator reads about an error: the user's own line, never one of Python's or of ours."""

from __future__ import annotations

import re
import socket
import sysconfig
from pathlib import Path
from typing import Any

import pytest

import anylane_backends
from anylane import ServerConfig, errors
from anylane_backends.hosting.messages import describe, url_of

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
