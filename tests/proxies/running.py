"""Real proxies and real servers behind them, on this machine's loopback only.

The configuration files are those of docs/deployment. Tests change ports and paths in them, and
nothing else.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest

from tests.waiting import eventually

ROOT = Path(__file__).resolve().parents[2]
CONFIGURATIONS = ROOT / "docs" / "deployment"

REQUIRED = "REQUIRE_PROXIES"
"""Set to 1 where a missing proxy is a failure."""

PATIENCE = 20.0
"""Seconds that a process has to end; a loaded machine needs some."""

LANES = ("asyncio", "uvloop", "anyio", "trio", "curio", "threads")
SOME = ("asyncio", "trio", "threads")
"""Lanes that stand for the others where a test takes long."""


def program(name: str) -> str:
    """Return the path of a server; skip the test where it is not there, or fail it."""
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if path is None:
        missing(f"no {name}: `apt-get install {name}` and the like bring it")
    return path


def missing(what: str) -> NoReturn:
    """Skip the test, or fail it where nothing may be missing."""
    if os.environ.get(REQUIRED) == "1":
        pytest.fail(f"{what}; {REQUIRED}=1 says that it has to be there", pytrace=False)
    pytest.skip(what)


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def configured(name: str, changes: Mapping[str, str]) -> str:
    """Return a configuration file with ports and paths of the test. Each is to be found in it."""
    text = (CONFIGURATIONS / name).read_text(encoding="utf-8")
    for shown, used in changes.items():
        assert shown in text, f"{name} has no {shown!r}"
        text = text.replace(shown, used)
    return text


def listens(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


@dataclass
class Running:
    """A process, what it wrote, and where it listens."""

    process: subprocess.Popen[bytes]
    log: Path
    port: int = 0
    tls_port: int = 0

    def told(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


Proxy = Callable[[Path, str], AbstractContextManager[Running]]
"""Runs a proxy in front of an address, with files of its own in a folder."""


def start(command: list[str], log: Path, **environment: str) -> Running:
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, stdout=out, stderr=subprocess.STDOUT, env={**os.environ, **environment}
        )
    return Running(process, log)


@contextmanager
def anylane(tmp: Path, *options: str, backend: str = "asyncio") -> Generator[Running]:
    """Serve `app.py` with these options of `anylane run`; on a free port unless they say where."""
    where = () if "--uds" in options else ("--port", "0")
    command = [sys.executable, "-m", "anylane", "run", "tests.proxies.app:app",
               "--app-dir", str(ROOT), "--backend", backend, *where, *options]  # fmt: skip
    running = start(command, tmp / f"anylane-{backend}.log", PYTHONUNBUFFERED="1")
    try:
        eventually(
            lambda: "127.0.0.1:" in running.told() or "unix:" in running.told()
            or running.process.poll() is not None,
            tell=running.told,
        )  # fmt: skip
        found = re.search(r"127\.0\.0\.1:(\d+)", running.told())
        assert running.process.poll() is None, running.told()
        running.port = int(found.group(1)) if found else 0
        yield running
    finally:
        running.stop()


@contextmanager
def started(
    name: str, command: list[str], tmp: Path, port: int, tls_port: int = 0
) -> Generator[Running]:
    """Run a proxy until the block ends."""
    running = start(command, tmp / f"{name}.log", HOME=str(tmp))
    running.port, running.tls_port = port, tls_port
    try:
        eventually(lambda: listens(port) or running.process.poll() is not None, tell=running.told)
        assert running.process.poll() is None, running.told()
        yield running
    finally:
        running.stop()


def nginx(
    tmp: Path, upstream: str, file: str = "nginx.conf", changes: Mapping[str, str] | None = None
) -> AbstractContextManager[Running]:
    """Run nginx in front of an address. changes: what else is changed in the file."""
    path = program("nginx")
    port, tls_port = free_port(), free_port()
    certificate = make_certificate(tmp)
    if file == "nginx.conf":
        places = {
            "listen 80;": f"listen 127.0.0.1:{port};",
            "listen 443 ssl;": f"listen 127.0.0.1:{tls_port} ssl;",
            "/etc/ssl/app.pem": str(certificate),
            "/etc/ssl/app.key": str(certificate),
            # Where a package keeps them is root's.
            "http {\n": "http {\n"
            + "".join(
                f"    {kind}_temp_path {tmp}/{kind};\n"
                for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
            )
            + f"    access_log {tmp}/access.log;\n",
        }
    else:
        module = Path("/usr/lib/nginx/modules/ngx_stream_module.so")
        if not module.exists():
            missing("nginx has no stream module: `apt-get install libnginx-mod-stream` brings it")
        places = {"listen 443;": f"listen 127.0.0.1:{port};"}
    places["127.0.0.1:8000"] = upstream
    text = configured(file, {**places, **(changes or {})})
    conf = tmp / "nginx.conf"
    user = "user root;\n" if os.geteuid() == 0 else ""  # Its workers read files of this test.
    conf.write_text(f"{user}daemon off;\npid {tmp}/nginx.pid;\n{text}", encoding="utf-8")
    command = [path, "-p", str(tmp), "-e", str(tmp / "error.log"), "-c", str(conf)]
    return started("nginx", command, tmp, port, tls_port)


def haproxy(
    tmp: Path, upstream: str, file: str = "haproxy.cfg", *, send: str = "send-proxy-v2"
) -> AbstractContextManager[Running]:
    """Run HAProxy in front of an address. send: stands in the place of send-proxy-v2."""
    path = program("haproxy")
    port, tls_port = free_port(), free_port()
    certificate = make_certificate(tmp)
    if file == "haproxy.cfg":
        places = {
            "bind :80": f"bind 127.0.0.1:{port}",
            "bind :443": f"bind 127.0.0.1:{tls_port}",
            "/etc/ssl/app.pem": str(certificate),
        }
    else:
        secured = f" ssl crt {certificate}" if "ssl" in send else ""
        places = {
            "bind :443": f"bind 127.0.0.1:{port}{secured}",
            "8000 send-proxy-v2\n": f"8000 {send}\n",
        }
    places["127.0.0.1:8000"] = upstream
    conf = tmp / "haproxy.cfg"
    conf.write_text(configured(file, places), encoding="utf-8")
    return started("haproxy", [path, "-db", "-f", str(conf)], tmp, port, tls_port)


def caddy(tmp: Path, upstream: str) -> AbstractContextManager[Running]:
    """Run Caddy in front of an address."""
    path = program("caddy")
    port = free_port()
    conf = tmp / "Caddyfile"
    places = {"http://:80": f"http://127.0.0.1:{port}", "127.0.0.1:8000": upstream}
    conf.write_text(configured("Caddyfile", places), encoding="utf-8")
    command = [path, "run", "--config", str(conf), "--adapter", "caddyfile"]
    return started("caddy", command, tmp, port)


PROXIES: dict[str, Proxy] = {"nginx": nginx, "haproxy": haproxy, "caddy": caddy}
PAIRS = [(name, lane) for name in PROXIES for lane in (LANES if name == "nginx" else SOME)]


def make_certificate(tmp: Path) -> Path:
    """Return a PEM file with a certificate for this machine, and its key."""
    path = tmp / "server.pem"
    if not path.exists():
        import trustme

        issued = trustme.CA().issue_cert("localhost", "127.0.0.1")
        issued.private_key_and_cert_chain_pem.write_to_path(path)
    return path
