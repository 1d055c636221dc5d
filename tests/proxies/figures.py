"""`make proxies`: POSTs and losses behind each proxy, while the workers behind it are renewed and
while nginx itself is reloaded, as a table. The tests hold the same losses to none."""

from __future__ import annotations

import signal
import sys
import tempfile
import time
from pathlib import Path

from tests.proxies.load import steady
from tests.proxies.running import PROXIES, SOME, anylane

RENEWALS = 3
SECONDS = 2.0


def measured(name: str, backend: str, what: str) -> str:
    """Return a row of the table. what: "workers renewed" or "proxy reloaded"."""
    renews = what == "workers renewed"
    with tempfile.TemporaryDirectory() as folder:
        tmp = Path(folder)
        with (
            anylane(tmp, "--proxy-headers", "--workers", "2", backend=backend) as server,
            PROXIES[name](tmp, f"127.0.0.1:{server.port}") as proxy,
        ):

            def hang_up() -> None:
                for _ in range(RENEWALS):
                    (server if renews else proxy).process.send_signal(signal.SIGHUP)
                    time.sleep(SECONDS)

            found = steady(proxy.port, hang_up, clients=6, close=not renews)
    answered, sent = found["answered"], sum(found.values())
    return f"| {name} | {backend} | {what}, {RENEWALS} times | {sent:,} | {sent - answered:,} |"


if __name__ == "__main__":
    lanes = sys.argv[1:] or SOME
    tell = sys.stdout.write
    tell("| proxy | lane | meanwhile | POSTs | lost |\n|---|---|---|---:|---:|\n")
    for lane in lanes:
        for each in PROXIES:
            tell(measured(each, lane, "workers renewed") + "\n")
            sys.stdout.flush()
        tell(measured("nginx", lane, "proxy reloaded") + "\n")
