"""What the tests of workers share."""

from __future__ import annotations

import socket
from collections.abc import Callable, Generator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.backends.hosting.workers.servers import Server

Start = Callable[..., Server]


@pytest.fixture
def start(tmp_path: Path) -> Generator[Start]:
    """Starts servers in a folder of the test. None of them is left at its end."""
    with ExitStack() as stack:

        def begin(*arguments: str, **kwargs) -> Server:
            server = Server(tmp_path, *arguments, **kwargs)
            stack.callback(server.close)
            return server

        yield begin


@pytest.fixture
def manager(tmp_path: Path) -> Generator[socket.socket]:
    """What a service manager reads from. Servers find it by `environ`."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify.sock"))
        sock.settimeout(20)
        yield sock
