"""The bound of what a library is given to do, whatever it does with its cancellation."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from anylane_backends.bridges.broker_thread import BrokerThread, within


async def stubborn(seconds: float) -> None:
    """Swallow a cancellation, as some code of libraries does."""
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        await asyncio.sleep(seconds)


async def failing() -> None:
    raise LookupError


async def cancelled() -> None:
    raise asyncio.CancelledError


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: stubborn(30), TimeoutError),
        (failing, LookupError),
        (cancelled, ConnectionAbortedError),
    ],
)
def test_what_a_library_does_has_a_bound(make: Any, expected: type[Exception]) -> None:
    async def main() -> None:
        with pytest.raises(expected):
            await within(0.02, make())
        assert await within(5, asyncio.sleep(0, "result")) == "result"

    thread = BrokerThread("test")
    outcome: list[BaseException | None] = []

    async def guarded() -> None:
        try:
            await main()
            outcome.append(None)
        except BaseException as exc:  # noqa: BLE001  # told by the assertion below
            outcome.append(exc)

    thread.start(guarded)
    assert thread.join(5), "what was left behind holds the thread up"
    assert outcome == [None]


def test_a_cancellation_of_ours_passes_a_library_that_swallows_it() -> None:
    async def main() -> None:
        task = asyncio.create_task(within(30, stubborn(30)))
        await asyncio.sleep(0)
        task.cancel()
        done, _ = await asyncio.wait((task,), timeout=5)
        assert done
        assert task.cancelled()
        for each in asyncio.all_tasks() - {asyncio.current_task()}:
            each.cancel()

    asyncio.run(main())


def test_a_thread_that_has_ended_takes_nothing_and_says_so() -> None:
    thread = BrokerThread("test")

    async def main() -> None: ...

    thread.start(main)
    assert thread.join(5)
    thread.call_soon(lambda: 1 / 0)
    with pytest.raises(RuntimeError):
        thread.submit(main())
