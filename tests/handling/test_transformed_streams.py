"""Long pieces of a stream that are changed in the pool: their order, and a write that is cancelled.

On asyncio, because a pool needs threads and two writers need tasks.
"""

from __future__ import annotations

import asyncio
import threading

import pytest

from anylane import App, Context, UsageError
from anylane.testing import TestClient
from anylane.testing.client.errors import IncompleteResponse

BOUND = 100


class Slow:
    """A transform that may block, and notes where it worked."""

    pooled_above = BOUND

    def __init__(self, part: Part) -> None:
        self._part = part

    def feed(self, chunk: bytes) -> bytes:
        self._part.threads.append(threading.get_ident())
        if len(chunk) > BOUND:
            assert self._part.free.wait(10)
        return chunk.upper()

    def flush(self) -> bytes:
        return b"."

    def finish(self) -> bytes:
        return b"!"


class Part:
    def __init__(self) -> None:
        self.threads: list[int] = []
        self.free = threading.Event()

    def body(self, ctx: Context) -> Slow:
        return Slow(self)


def test_only_long_pieces_go_to_the_pool() -> None:
    app, part = App(), Part()
    app.use(part)
    part.free.set()

    @app.get("/")
    async def home(ctx: Context) -> None:
        part.threads.append(threading.get_ident())
        async with ctx.stream() as out:
            await out.write(b"a" * BOUND)
            await out.write(b"b" * (BOUND + 1))
            await out.write(b"c")

    with TestClient(app, backend="asyncio") as client:
        assert client.get("/").content == b"A" * 100 + b"." + b"B" * 101 + b".C.!"
    loop, short, long, last = part.threads
    assert loop == short == last != long


def test_tasks_that_write_at_once_are_served_one_after_the_other() -> None:
    app, part = App(), Part()
    app.use(part)

    @app.get("/")
    async def home(ctx: Context) -> None:
        async with ctx.stream() as out:
            long = asyncio.create_task(out.write(b"a" * 200))
            others = [asyncio.create_task(out.write(each)) for each in (b"b", b"c" * 200, b"d")]
            await asyncio.sleep(0.05)
            assert not any(each.done() for each in (long, *others))
            part.free.set()
            await asyncio.gather(long, *others)

    with TestClient(app, backend="asyncio") as client:
        content = client.get("/").content
    assert content.startswith(b"A" * 200 + b".")
    pieces = content.removesuffix(b"!").split(b".")
    assert sorted(pieces) == [b"", b"A" * 200, b"B", b"C" * 200, b"D"]


@pytest.mark.parametrize("goes_on", [False, True])
def test_a_write_that_is_cancelled_in_the_pool_ends_the_body(goes_on: bool) -> None:
    app, part = App(), Part()
    app.use(part)
    seen: list[str] = []

    @app.get("/")
    async def home(ctx: Context) -> None:
        try:
            async with ctx.stream() as out:
                try:
                    async with ctx.timeout(0.05):
                        await out.write(b"a" * 200)
                except TimeoutError:
                    seen.append("timeout")
                part.free.set()
                if goes_on:
                    await out.write(b"b")
        except UsageError as exc:
            seen.append(str(exc))
            raise

    with (
        TestClient(app, backend="asyncio", raise_server_exceptions=False) as client,
        pytest.raises(IncompleteResponse),
    ):
        client.get("/").read()
    assert seen[0] == "timeout"
    assert seen[1].startswith("the stream cannot go on")
