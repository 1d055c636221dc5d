"""A real broker for each test, of each kind."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

from tests.brokers import Broker, running


@pytest.fixture(params=["nats", "valkey"])
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[Broker]:
    with running(request.param, tmp_path) as found:
        yield found


@pytest.fixture
def valkey(tmp_path: Path) -> Generator[Broker]:
    with running("valkey", tmp_path) as found:
        yield found
