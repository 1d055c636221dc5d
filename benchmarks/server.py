"""A server of the table as a process: pinned to its core, awaited, watched, ended."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Self

import psutil
from peers import APPS, Peer, Tls

ROOT = Path(__file__).resolve().parents[1]
SERVER_CORE, LOAD_CORE = "0", "1"
PATIENCE = 20.0
"""Seconds to start in."""


class Broken(Exception):
    """A peer that did not start, or did not do the work: the report says so, and why."""


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def certificate(folder: Path) -> Tls:
    """A certificate for 127.0.0.1, with its key as PKCS#8."""
    import trustme
    from cryptography.hazmat.primitives import serialization as forms

    leaf = trustme.CA().issue_cert("127.0.0.1", "localhost")
    cert, key = folder / "cert.pem", folder / "key.pem"
    cert.write_bytes(b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
    private = forms.load_pem_private_key(leaf.private_key_pem.bytes(), None)
    key.write_bytes(
        private.private_bytes(forms.Encoding.PEM, forms.PrivateFormat.PKCS8, forms.NoEncryption())
    )
    return Tls(str(cert), str(key))


def environment() -> dict[str, str]:
    """What processes are measured in: free to keep what they compile. What pip has installed is
    compiled already, and a tree that never may be is compiled at each start."""
    return {key: each for key, each in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}


class Server:
    """One peer, running. `with` ends it."""

    def __init__(
        self, peer: Peer, *, middleware: int = 0, routes: int = 0, tls: Tls | None = None
    ) -> None:
        self.peer = peer
        self.middleware = middleware
        self.routes = routes
        self.tls = tls
        self.start()

    def start(self) -> None:
        self.port = free_port()
        told = {
            **environment(),
            "BENCH_PORT": str(self.port),
            "BENCH_MIDDLEWARE": str(self.middleware),
            "BENCH_ROUTES": str(self.routes),
            "PYTHONPATH": os.pathsep.join([str(ROOT / "core"), str(ROOT / "backends"), str(APPS)]),
        }
        if self.tls is not None:
            told |= {"BENCH_CERT": self.tls.cert, "BENCH_KEY": self.tls.key}
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 (closed by __exit__)
        began = time.perf_counter()
        self.process = subprocess.Popen(
            ["taskset", "-c", SERVER_CORE, *self.peer.start(self.port, self.tls)],
            cwd=APPS,
            env=told,
            stdout=self._log,
            stderr=self._log,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        while True:
            if self.process.poll() is not None:
                raise Broken(f"ended with {self.process.returncode}: {self.last_words()}")
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                break
            except OSError:
                if time.perf_counter() - began > PATIENCE:
                    self.stop()
                    raise Broken(f"no listener after {PATIENCE:g} s: {self.last_words()}") from None
                time.sleep(0.005)
        self.started_in = time.perf_counter() - began

    def last_words(self) -> str:
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").strip().splitlines()
        return " / ".join(lines[-3:]) if lines else "it said nothing"

    def tree(self) -> list[psutil.Process]:
        try:
            root = psutil.Process(self.process.pid)
            return [root, *root.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def cpu(self) -> float:
        """Seconds of CPU that all its processes have used."""
        total = 0.0
        for process in self.tree():
            try:
                times = process.cpu_times()
                total += times.user + times.system
            except psutil.NoSuchProcess:
                pass
        return total

    def memory(self) -> int:
        """Bytes that would be free if it ended (USS), all processes together."""
        total = 0
        for process in self.tree():
            try:
                total += process.memory_full_info().uss
            except psutil.NoSuchProcess:
                pass
        return total

    def alive(self) -> bool:
        """It runs, and takes a connection."""
        if self.process.poll() is not None:
            return False
        try:
            socket.create_connection(("127.0.0.1", self.port), 2).close()
        except OSError:
            return False
        return True

    def stop(self) -> None:
        tree = self.tree()
        for process in tree:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                pass
        self.process.wait(5)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._log.close()
