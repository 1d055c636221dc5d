"""What the tests of workers share."""

from __future__ import annotations

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
