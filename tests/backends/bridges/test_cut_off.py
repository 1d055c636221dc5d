"""A broker that is cut off without a word: no FIN, no RST, as when a cable is pulled.

This takes a network namespace, in which the test turns the loopback down.
"""

from __future__ import annotations

import functools
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]

PROGRAM = """
import subprocess, sys, time
from pathlib import Path
sys.path[:0] = [{root!r}, {root!r} + "/docs/examples"]
from tests.brokers import running
from tests.waiting import eventually

def loopback(state):
    subprocess.run(["ip", "link", "set", "lo", state], check=True)

loopback("up")
with running({kind!r}, Path(sys.argv[1])) as broker:
    settings = dict(timeout=0.5, ping_interval=0.2)
    one, two = broker.bridge(**settings), broker.bridge(**settings)
    room = one.room("chat")
    with two, two.room("chat").subscribe() as far:
        with one:
            eventually(lambda: two.subscriptions == 1)
            room.send("before")
            eventually(lambda: len(far) == 1)
            loopback("down")
            began = time.monotonic()
            assert room.send("on its way") == 0
            eventually(lambda: not one.connected and not two.connected)
            assert time.monotonic() - began < 3, "noticed too late"
            room.send("meanwhile")
            eventually(lambda: one.lost == 2)
            loopback("up")
            eventually(lambda: one.connected and two.subscriptions == 1)
            room.send("after")
            eventually(lambda: len(far) >= 2)
            loopback("down")
            for _ in range(100):
                room.send(bytes(100_000))
            began = time.monotonic()
        assert time.monotonic() - began < 1.5, "the end was held up"
        loopback("up")
        got = [far.poll() for _ in range(2)]
        # A message that lay in the kernel when the cable was pulled may still arrive: once.
        assert got in (["before", "after"], ["before", "on its way"]), got
print("done")
"""


@functools.cache
def has_namespaces() -> bool:
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        return False
    command = ["unshare", "-rn", "ip", "link", "set", "lo", "up"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("kind", ["nats", "valkey"])
def test_a_broker_that_is_cut_off_is_noticed_and_found_again(kind: str, tmp_path: Path) -> None:
    if not has_namespaces():
        pytest.skip("needs `unshare -rn` and `ip`: no network namespace can be made here")
    program = PROGRAM.format(root=str(ROOT), kind=kind)
    command = ["unshare", "-rn", sys.executable, "-W", "error", "-c", program, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "done"), done.stderr
    assert "Traceback" not in done.stderr
