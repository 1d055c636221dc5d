"""POSTs behind nginx while connections end: by a timeout, by a renewal, by a reload. None is lost.

A client must not repeat a POST by itself (RFC 9110 §9.2.2), and nginx does not either. So one that
meets a connection that is being closed is lost, and counted here.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from tests.proxies.load import bursts, steady
from tests.proxies.running import PAIRS, PROXIES, SOME, Running, anylane, nginx
from tests.waiting import eventually


def renewed(server: Running) -> int:
    """Return how many times the supervisor has begun to renew its workers."""
    return server.told().count("renewing all workers")


@pytest.mark.parametrize("backend", SOME)
def test_the_pool_of_nginx_is_emptied_before_our_timeout(backend: str, tmp_path: Path) -> None:
    """As documented: keepalive_timeout of nginx is less than timeouts.keep_alive. The pauses end
    around the moments at which nginx closes what is idle."""
    changes = {"keepalive_timeout 10s": "keepalive_timeout 100ms"}
    options = ("--proxy-headers", "--timeouts-keep-alive", "0.4")
    with (
        anylane(tmp_path, *options, backend=backend) as server,
        nginx(tmp_path, f"127.0.0.1:{server.port}", changes=changes) as proxy,
    ):
        for pause in (0.09, 0.1, 0.105):
            found = bursts(proxy.port, clients=50, rounds=14, pause=pause)
            assert found == {"answered": 700}


@pytest.mark.parametrize(("name", "backend"), PAIRS)
def test_no_post_is_lost_while_the_workers_are_renewed(
    name: str, backend: str, tmp_path: Path
) -> None:
    options = ("--proxy-headers", "--workers", "2", "--log-level", "info")
    with (
        anylane(tmp_path, *options, backend=backend) as server,
        PROXIES[name](tmp_path, f"127.0.0.1:{server.port}") as proxy,
    ):

        def renew() -> None:
            for count in range(1, 3):
                server.process.send_signal(signal.SIGHUP)
                eventually(lambda: renewed(server) == count, tell=server.told)  # noqa: B023
                time.sleep(2.0)

        found = steady(proxy.port, renew, clients=6)
        assert set(found) == {"answered"}, found
        assert found["answered"] > 200


@pytest.mark.parametrize("backend", SOME)
def test_no_post_is_lost_while_nginx_is_reloaded(backend: str, tmp_path: Path) -> None:
    """Its clients have connections of their own for each POST: nginx closes idle ones at once."""
    with (
        anylane(tmp_path, "--proxy-headers", backend=backend) as server,
        nginx(tmp_path, f"127.0.0.1:{server.port}") as proxy,
    ):

        def reload() -> None:
            for _ in range(3):
                os.kill(proxy.process.pid, signal.SIGHUP)
                time.sleep(0.7)

        found = steady(proxy.port, reload, clients=6, close=True)
        assert set(found) == {"answered"}, found
        assert found["answered"] > 200
