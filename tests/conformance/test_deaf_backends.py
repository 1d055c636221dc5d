"""The suite finds a backend that goes on reading where the core has asked it to stop."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from anylane_backends.asyncio import AsyncioBackend
from anylane_backends.asyncio.driver import AsyncioDriver
from anylane_conformance.cases import load
from anylane_conformance.harness.lanes import ServerLane

HELD_UP = ("upload_that_is_not_read_is_held_up", "messages_that_are_not_received_are_held_up")


def keep_reading(self: AsyncioDriver, on: bool) -> None:
    """Do nothing."""


class DeafBackend(AsyncioBackend):
    """asyncio, with a verb that does nothing."""

    def run(self, server: Any) -> None:
        # The lane makes its drivers by that name, and knows no other way to replace them.
        with pytest.MonkeyPatch.context() as patch, asyncio.Runner() as runner:
            patch.setattr(AsyncioDriver, "set_reading", keep_reading)
            runner.run(self.serve(server))


@pytest.mark.parametrize("name", HELD_UP)
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_a_backend_that_never_parks_its_reader_fails(name: str, tls: bool) -> None:
    case = load()[name]
    lane = ServerLane("deaf", backend=f"{__name__}:{DeafBackend.__name__}", tls=tls)
    with pytest.raises(AssertionError, match="bytes were taken"), lane.conversation(case) as talk:
        case.script(talk)
