"""The anyio lane: the asyncio lane, with handlers in anyio's cancel scopes."""

from __future__ import annotations

import asyncio
import types
from collections.abc import Callable, Generator, Mapping
from types import TracebackType
from typing import Any, Self

import anyio
import anyio.lowlevel

from anylane.errors import Cancelled
from anylane.lane.driver import Driver
from anylane.lane.link import Link
from anylane.lane.server_core import ServerCore
from anylane.lane.wake_queue import WakeQueue
from anylane.protocol import Exchange
from anylane_backends.asyncio.lane import AsyncioBackend, Lane, UvloopBackend
from anylane_backends.asyncio.link import AsyncioLink, LinkLane, is_cancellation
from anylane_backends.scoped_link import Canceller, ScopedLink


class AnyioScope:
    """A scope that is an anyio CancelScope. Cancelling it after its block was left does nothing."""

    heard = True  # It is raised at every checkpoint.

    __slots__ = ("_scope", "_wakes", "caught")

    def __init__(self, wakes: WakeQueue, *, shields: bool = False) -> None:
        self._wakes = wakes
        self._scope = anyio.CancelScope(shield=shields)
        self.caught: bool = False

    def cancel(self) -> None:
        self._wakes.put(self._scope.cancel)

    def strike(self) -> BaseException:
        self._scope.cancel()
        return Cancelled()

    async def __aenter__(self) -> Self:
        self._scope.__enter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        swallowed = bool(self._scope.__exit__(kind, exc, traceback))
        self.caught = self._scope.cancelled_caught
        return swallowed


class AnyioLink(ScopedLink, AsyncioLink):
    """The Link of an exchange that is interrupted by a scope: each await in it is cancelled until
    it was left, and a shielded one is not."""

    __slots__ = ("canceller",)

    native = False

    canceller: Canceller

    @types.coroutine
    def wait(self) -> Generator[Any, None, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        yield from AsyncioLink.wait(self)
        if self.exchange.interrupt is not None:
            yield from self.interrupted().__await__()

    def scope(self) -> AnyioScope:
        return AnyioScope(self.driver.wakes)

    def shield(self) -> AnyioScope:
        return AnyioScope(self.driver.wakes, shields=True)

    async def checkpoint(self) -> None:
        await anyio.lowlevel.checkpoint()

    def is_native(self, exc: BaseException) -> bool:
        return is_cancellation(exc)

    def is_cancellation(self, exc: BaseException) -> bool:
        return is_cancellation(exc) or Link.is_cancellation(self, exc)

    def is_own_cancellation(self, exc: BaseException) -> bool:  # noqa: ARG002  # as Link
        return False  # Its scope takes it back.


class AnyioLane(Lane):
    """One server on one running loop of asyncio's kind."""

    new_link: Callable[[Driver, Exchange, LinkLane], AsyncioLink] = AnyioLink

    def scope(self) -> AnyioScope:
        return AnyioScope(self.server.wakes)


class AnyioBackend(AsyncioBackend):
    """The backend of anyio: on uvloop where it is installed, else on asyncio."""

    name = "anyio"
    cancel_scopes = True

    def __init__(self) -> None:
        self._loops: AsyncioBackend = UvloopBackend()
        try:
            self._loops.check()
        except ImportError:
            self._loops = AsyncioBackend()
        self.ignores: Mapping[str, str] = self._loops.ignores

    @property
    def loop(self) -> str:
        """Return the name of the event loop."""
        return self._loops.name

    def loop_factory(self) -> asyncio.AbstractEventLoop:
        return self._loops.loop_factory()

    def run(self, server: ServerCore) -> None:
        options = {"loop_factory": self.loop_factory}
        anyio.run(self.serve, server, backend="asyncio", backend_options=options)

    def lane(self, server: ServerCore) -> Lane:
        return AnyioLane(server)
