"""WakeupSocketpair: nothing that wakes is lost, and nothing that wakes raises."""

from __future__ import annotations

import select
import signal
from collections.abc import Iterator
from contextlib import suppress

import pytest

from anylane_backends.sockets.wakeup import WakeupSocketpair


@pytest.fixture
def wakeup() -> Iterator[WakeupSocketpair]:
    pair = WakeupSocketpair()
    yield pair
    pair.close()


def is_readable(wakeup: WakeupSocketpair) -> bool:
    return bool(select.select([wakeup.reader], [], [], 0)[0])


def test_a_wake_up_stays_until_it_is_read(wakeup: WakeupSocketpair) -> None:
    assert not is_readable(wakeup)
    wakeup.wake()
    assert is_readable(wakeup)
    assert wakeup.drain() == b"\0"
    assert not is_readable(wakeup)


def test_there_may_be_nothing_to_drain(wakeup: WakeupSocketpair) -> None:
    assert wakeup.drain() == b""


def test_a_wake_up_never_blocks_however_many_were_not_read(wakeup: WakeupSocketpair) -> None:
    with suppress(BlockingIOError):
        while wakeup.writer.send(bytes(4096)):
            pass
    wakeup.wake()
    assert is_readable(wakeup)


def test_a_wake_up_after_the_end_is_harmless(wakeup: WakeupSocketpair) -> None:
    wakeup.close()
    wakeup.wake()


def test_signals_leave_their_numbers(wakeup: WakeupSocketpair) -> None:
    before = signal.signal(signal.SIGUSR1, lambda *_: None)
    try:
        theirs = signal.set_wakeup_fd(wakeup.writer.fileno())
        signal.raise_signal(signal.SIGUSR1)
        signal.set_wakeup_fd(theirs)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert wakeup.drain() == bytes((signal.SIGUSR1,))
