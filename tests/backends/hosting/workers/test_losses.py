"""What clients lose while workers are killed, hang, are replaced or renewed: all of it counted.

The quick form of `make losses`: each happening once, on one lane.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from tests import benchmark_module

losses = benchmark_module.load("losses")


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="it looks into /proc")
@pytest.mark.parametrize("name", losses.HAPPENINGS)
def test_what_clients_lose(name: str) -> None:
    outcome = asyncio.run(losses.measure(name, "asyncio", 12))
    assert outcome.holds, outcome
    assert outcome.tally.answered > 200


def test_a_loss_is_seen(tmp_path: Path) -> None:
    """A server that loses what it should not fails the check: here its workers abort at once."""

    async def cut():
        server = losses.Server(tmp_path, "asyncio", "--timeouts-drain", "0.1")
        await server.start()
        load = losses.Load(server.port, 12)
        await load.answers(100)
        for pid in server.workers():
            os.kill(pid, 9)
        await load.answers(100)
        tally = await load.end()
        await server.end()
        return losses.Outcome("cut", tally, 0)

    assert not asyncio.run(cut()).holds
