"""The anyio lane: the asyncio lane, with handlers in anyio's cancel scopes."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from types import TracebackType
from typing import Any, Self

import anyio
import anyio.lowlevel

from anylane.errors import Cancelled
from anylane.lane.server_core import ServerCore
from anylane.lane.wake_queue import WakeQueue
from anylane_backends.asyncio.lane import AsyncioBackend, Lane, UvloopBackend
from anylane_backends.asyncio.link import AsyncioLink, is_cancellation
from anylane_backends.scoped_link import ScopedLink


class AnyioScope:
    """A scope that is an anyio CancelScope. Cancelling it after its block was left does nothing."""

    __slots__ = ("_scope", "_wakes", "caught")

    def __init__(self, wakes: WakeQueue, *, shields: bool = False) -> None:
        self._wakes = wakes
        self._scope = anyio.CancelScope(shield=shields)
        self.caught: bool = False

    def cancel(self) -> None:
        self._wakes.put(self._scope.cancel)

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
    """The Link of an exchange that is interrupted by a scope around it: from then on each await in
    it is cancelled, and none that is shielded."""

    __slots__ = ("_scope",)

    native = False
    lane: AnyioLane  # pyright: ignore[reportIncompatibleVariableOverride]  # never set anew

    async def guard(self, work: Coroutine[Any, Any, None]) -> None:
        # As Link's own, without the object around the scope and its two coroutines: this runs for
        # every request.
        self._scope = self.lane.new_scope()
        try:
            with self._scope:
                self.begin()
                await work
        except Cancelled:
            if self.exchange.interrupt is None:
                raise

    def cancel_task(self) -> None:
        self._scope.cancel()

    @property
    def heard(self) -> bool:
        return True  # It is raised at every await.

    def cancellation(self) -> BaseException:
        self._scope.cancel()
        return Cancelled()

    async def wait(self) -> None:  # type: ignore[override]  # awaited, whatever it is
        await AsyncioLink.wait(self)
        if self.exchange.interrupt is not None:
            await self.interrupted()

    def scope(self) -> AnyioScope:
        return AnyioScope(self.driver.wakes)

    def shield(self) -> AnyioScope:
        return AnyioScope(self.driver.wakes, shields=True)

    async def checkpoint(self) -> None:
        await anyio.lowlevel.checkpoint()

    def is_native(self, exc: BaseException) -> bool:
        return is_cancellation(exc)

    def is_own_cancellation(self, exc: BaseException) -> bool:  # noqa: ARG002  # as Link
        return False  # Its scope takes it back.


class AnyioLane(Lane):
    """One server on one running loop of asyncio's kind.

    new_scope: anyio's own class for this loop; to find it anew takes as long as to enter it.
    """

    new_link: type[AsyncioLink] = AnyioLink

    def __init__(self, server: ServerCore) -> None:
        super().__init__(server)
        self.new_scope: type[anyio.CancelScope] = type(anyio.CancelScope())

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

    def new_lane(self, server: ServerCore) -> Lane:
        return AnyioLane(server)
