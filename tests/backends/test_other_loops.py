"""A handler that awaits the library of another event loop is told so, where a loop runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import curio
import pytest
import trio

from anylane import App, Context
from anylane.testing import TestClient


async def asyncio_sleep(seconds: float) -> None:
    await asyncio.sleep(seconds)


async def asyncio_timeout() -> None:
    async with asyncio.timeout(1):
        await asyncio.sleep(0)


async def trio_nursery() -> None:
    async with trio.open_nursery():
        pass


@asynccontextmanager
async def through_a_library() -> AsyncGenerator[None]:
    await asyncio.sleep(0)
    yield


async def in_a_library() -> None:
    async with through_a_library():
        pass


AWAITED: dict[str, tuple[Callable[[Context], Any], str]] = {
    "asyncio.sleep": (lambda ctx: asyncio_sleep(0.01), "asyncio"),
    "asyncio.sleep at once": (lambda ctx: asyncio_sleep(0), "asyncio"),
    "asyncio.sleep in a library": (lambda ctx: in_a_library(), "asyncio"),
    "asyncio.timeout": (lambda ctx: asyncio_timeout(), "asyncio"),
    "trio.sleep": (lambda ctx: trio.sleep(0.01), "trio"),  # noqa: ASYNC105
    "trio.open_nursery": (lambda ctx: trio_nursery(), "trio"),
    "curio.sleep": (lambda ctx: curio.sleep(0.01), "curio"),
    "anyio.sleep": (lambda ctx: anyio.sleep(0.01), "anyio"),
}

RUN_BY = {
    "asyncio": {"asyncio", "anyio"},
    "uvloop": {"asyncio", "anyio"},
    "trio": {"trio", "anyio"},
    "curio": {"curio"},
}


@pytest.fixture(params=RUN_BY)
def lane(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture
def client(lane: str) -> Iterator[TestClient]:
    app = App()

    @app.get("/{name}")
    async def handler(ctx: Context) -> str:
        await AWAITED[ctx.params["name"]][0](ctx)
        return "awaited"

    with TestClient(app, backend=lane) as client:
        yield client


def test_what_another_loop_would_have_to_run_is_named(client: TestClient, lane: str) -> None:
    for name, (_, package) in AWAITED.items():
        answer = client.get(f"/{name}")
        if package in RUN_BY[lane]:
            assert answer.text == "awaited", name
            continue
        assert answer.status == 500, name
        message = client.log[-1].message
        assert f"the handler awaited {name.split(' ')[0]}, which needs {package}'s own" in message
        assert f"the {lane} lane runs another" in message
        assert f"--backend {package}" in message
