"""Real brokers for tests: NATS and Valkey from their wheels, started, killed and started again."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from broker import Kind, command, free_port, wait_for

from anylane_backends.bridges import NatsBridge, ValkeyBridge


class Broker:
    """A server on a port that stays the same over restarts.

    log: what the server says. options: of its command.
    """

    def __init__(self, kind: Kind, folder: Path, *options: str, scheme: str | None = None) -> None:
        self.kind: Kind = kind
        self.port = free_port()
        self.log = folder / f"{kind}-{self.port}.log"
        self._options = options
        self._scheme = scheme or kind
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return self.url_as("")

    def url_as(self, login: str) -> str:
        """The URL with "user:password" in it."""
        at = f"{login}@" if login else ""
        return f"{self._scheme}://{at}127.0.0.1:{self.port}"

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command(self.kind, self.port, *self._options),
                stdout=log,
                stderr=log,
                cwd=self.log.parent,
            )
        wait_for(self.port)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def bridge(self, **settings: Any) -> NatsBridge | ValkeyBridge:
        return bridge_to(self.url, **settings)


def bridge_to(url: str, **settings: Any) -> NatsBridge | ValkeyBridge:
    kind = NatsBridge if url.startswith(("nats", "tls")) else ValkeyBridge
    return kind(url, **settings)


@contextmanager
def running(
    kind: Kind, folder: Path, *options: str, scheme: str | None = None
) -> Generator[Broker]:
    broker = Broker(kind, folder, *options, scheme=scheme)
    broker.start()
    try:
        yield broker
    finally:
        broker.kill()


def eventually(condition: Callable[[], object], seconds: float = 20) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.01)
