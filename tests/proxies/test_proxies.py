"""nginx, HAProxy and Caddy in front of a server, with the configurations of docs/deployment."""

from __future__ import annotations

import json
import socket
import ssl
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from tests.proxies.running import (
    LANES,
    PAIRS,
    PROXIES,
    SOME,
    Running,
    anylane,
    haproxy,
    make_certificate,
    nginx,
)
from tests.waiting import eventually

CLIENT = "127.0.0.9"
BELIEVED = ("--proxy-headers", "--timeouts-keep-alive", "15")


@contextmanager
def behind(name: str, tmp: Path, backend: str, *options: str) -> Generator[tuple[Running, Running]]:
    """A server and a proxy in front of it."""
    with (
        anylane(tmp, *BELIEVED, *options, backend=backend) as server,
        PROXIES[name](tmp, f"127.0.0.1:{server.port}") as proxy,
    ):
        yield server, proxy


@pytest.mark.parametrize(("name", "backend"), PAIRS)
def test_http_websockets_and_events_behind_a_proxy(name: str, backend: str, tmp_path: Path) -> None:
    with behind(name, tmp_path, backend) as (_, proxy):
        # An address of its own, for that of the proxy is believed.
        source = httpx.HTTPTransport(local_address=CLIENT)
        with httpx.Client(base_url=f"http://127.0.0.1:{proxy.port}", transport=source) as client:
            forged = {"x-forwarded-for": "192.0.2.66", "x-forwarded-prefix": "/evil"}
            for _ in range(2):
                found = client.get("/whose?a=b", headers=forged).json()
                assert found["client"] == [CLIENT, 0], found
                assert (found["scheme"], found["root"], found["here"]) == ("http", "", "/whose")
                assert found["host"] == f"127.0.0.1:{proxy.port}"
            assert client.post("/echo", content=b"x" * 100_000).content == b"x" * 100_000
            # Events come one by one, and not together at the end.
            with client.stream("GET", "/events") as events:
                lines = events.iter_lines()
                came = [time.monotonic() for line in lines if line.startswith("data:")]
            assert len(came) == 3
            assert came[2] - came[0] > 0.3, came
            with client.stream("GET", "/endless") as events:
                next(events.iter_lines())
            eventually(lambda: client.get("/left").json() == ["endless"])
        with connect(f"ws://127.0.0.1:{proxy.port}/ws") as websocket:
            for message in ("hello", b"\x00\xff", "x" * 70_000):
                websocket.send(message)
                assert websocket.recv(timeout=10) == message


@pytest.mark.parametrize("name", ["nginx", "haproxy"])
@pytest.mark.parametrize("backend", SOME)
def test_tls_that_ends_at_the_proxy(name: str, backend: str, tmp_path: Path) -> None:
    with behind(name, tmp_path, backend) as (_, proxy):
        url = f"https://127.0.0.1:{proxy.tls_port}/whose"
        forged = {"x-forwarded-proto": "http"}
        assert httpx.get(url, verify=False, headers=forged).json()["scheme"] == "https"


@pytest.mark.parametrize("backend", SOME)
def test_an_upload_of_50_mb_is_not_kept_by_nginx(backend: str, tmp_path: Path) -> None:
    """It reaches the handler as it comes: the first piece before the last one is sent."""
    pieces, pause = 50, 0.02

    def upload() -> Iterator[bytes]:
        for _ in range(pieces):
            yield b"x" * 1_000_000
            time.sleep(pause)

    with behind("nginx", tmp_path, backend) as (_, proxy):
        size = {"content-length": str(pieces * 1_000_000)}
        url = f"http://127.0.0.1:{proxy.port}/size"
        found = httpx.post(url, content=upload(), headers=size, timeout=60).json()
        assert found["size"] == pieces * 1_000_000
        assert found["first"] < pieces * pause / 2


@pytest.mark.parametrize("name", ["nginx", "haproxy"])
@pytest.mark.parametrize("backend", SOME)
def test_a_unix_socket_between_proxy_and_server(name: str, backend: str, tmp_path: Path) -> None:
    path = tmp_path / "app.sock"
    options = ("--uds", str(path), "--proxy-headers", "--forwarded-allow-ips", "unix")
    upstream = f"unix:{path}" if name == "nginx" else f"unix@{path}"
    with (
        anylane(tmp_path, *options, backend=backend),
        PROXIES[name](tmp_path, upstream) as proxy,
    ):
        found = httpx.get(f"http://127.0.0.1:{proxy.port}/whose").json()
        assert found["client"][0] == "127.0.0.1"


@pytest.mark.parametrize("setting", ["/api", "forwarded"])
def test_a_prefix_that_nginx_takes_off(setting: str, tmp_path: Path) -> None:
    with behind("nginx", tmp_path, "asyncio", "--root-path", setting) as (_, proxy):
        base = f"http://127.0.0.1:{proxy.port}"
        forged = {"x-forwarded-prefix": "/evil"}
        found = httpx.get(f"{base}/api/whose", headers=forged).json()
        assert (found["path"], found["root"], found["here"]) == ("/whose", "/api", "/api/whose")
        assert httpx.get(base + found["here"]).json()["path"] == "/whose"


SENDS = {"send-proxy": 1, "send-proxy-v2": 2, "send-proxy-v2-ssl": 2,
         "send-proxy-v2 proxy-v2-options crc32c,unique-id": 2}  # fmt: skip


def whose(port: int, *, tls: bool = False, source: str = CLIENT) -> dict[str, Any]:
    """Ask over a connection whose address the proxy is to pass on."""
    sock = socket.create_connection(("127.0.0.1", port), 10, (source, 0))
    own = sock.getsockname()
    if tls:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        sock = context.wrap_socket(sock)
    with sock:
        sock.sendall(b"GET /whose HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        data = b""
        while piece := sock.recv(1 << 16):
            data += piece
    found: dict[str, Any] = json.loads(data.partition(b"\r\n\r\n")[2])
    assert found["client"] == list(own), found
    return found


@pytest.mark.parametrize("backend", LANES)
def test_the_proxy_protocol_of_haproxy(backend: str, tmp_path: Path) -> None:
    with anylane(tmp_path, "--proxy-protocol", backend=backend) as server:
        upstream = f"127.0.0.1:{server.port}"
        for send, version in SENDS.items():
            secured = "ssl" in send
            with haproxy(tmp_path, upstream, "haproxy-proxy-protocol.cfg", send=send) as proxy:
                found = whose(proxy.port, tls=secured)
                assert found["version"] == version
                assert found["scheme"] == ("https" if secured else "http")
                assert (found["tls"] is not None) == secured
        assert "PROXY protocol: closed" not in server.told()


@pytest.mark.parametrize("backend", LANES)
def test_the_proxy_protocol_of_nginx(backend: str, tmp_path: Path) -> None:
    with (
        anylane(tmp_path, "--proxy-protocol", backend=backend) as server,
        nginx(tmp_path, f"127.0.0.1:{server.port}", "nginx-stream.conf") as proxy,
    ):
        assert whose(proxy.port)["version"] == 1
        # It comes straight, so it sends no header.
        sock = socket.create_connection(("127.0.0.1", server.port), 10)
        with sock:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert sock.recv(100) == b""
        eventually(lambda: "which sent no PROXY header" in server.told(), tell=server.told)


@pytest.mark.parametrize("backend", SOME)
def test_tls_that_a_proxy_passes_on(backend: str, tmp_path: Path) -> None:
    certificate = str(make_certificate(tmp_path))
    options = ("--proxy-protocol", "--ssl-certfile", certificate)
    with (
        anylane(tmp_path, *options, backend=backend) as server,
        haproxy(tmp_path, f"127.0.0.1:{server.port}", "haproxy-proxy-protocol.cfg") as proxy,
    ):
        found = whose(proxy.port, tls=True)
        assert (found["scheme"], found["version"], found["tls"]) == ("https", 2, None)
