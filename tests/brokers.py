"""Real brokers for tests: NATS and Valkey from their wheels, started, killed and started again."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import subprocess
import threading
from collections.abc import Generator
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
        try:
            wait_for(self.port)
        except OSError:
            self.kill()
            raise AssertionError(self.log.read_text(errors="replace")) from None

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def suspend(self) -> None:
        """Stop it where it stands: it is there, and says nothing."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)
        # On a busy machine some of its threads run on for a while after the signal.
        os.waitid(os.P_PID, self.process.pid, os.WSTOPPED | os.WNOWAIT)

    def resume(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

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


class TlsFront:
    """TLS in front of a broker that was built without it: a relay, as stunnel is."""

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        self._behind = port
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _accept(self) -> None:
        relays = []
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                break
            relays.append(threading.Thread(target=self._relay, args=(client,), daemon=True))
            relays[-1].start()
        for each in relays:
            each.join(5)

    def _relay(self, client: socket.socket) -> None:
        with client:
            try:
                near = self._context.wrap_socket(client, server_side=True)
            except OSError:
                return
            with near, socket.create_connection(("127.0.0.1", self._behind)) as far:
                far.settimeout(0.05)
                near.settimeout(0.05)
                while self._pass_on(near, far) and self._pass_on(far, near):
                    pass

    @staticmethod
    def _pass_on(one: socket.socket, other: socket.socket) -> bool:
        try:
            data = one.recv(65536)
        except TimeoutError:
            return True
        except OSError:
            return False
        if data:
            other.sendall(data)
        return bool(data)
