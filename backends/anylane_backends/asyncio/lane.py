"""The asyncio lane, and uvloop, which is a loop factory for it."""

from __future__ import annotations

import asyncio
import contextvars
import socket
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from importlib import import_module
from types import MappingProxyType
from typing import Any

from anylane.errors import UsageError
from anylane.lane.link import Errand, Scope
from anylane.lane.server_core import ServerCore
from anylane.lane.variables import InheritedVariables
from anylane.lane.wake_queue import WakeQueue
from anylane.protocol.channel.message_channel import MessageChannel
from anylane_backends.asyncio.channel import AsyncioChannelDriver
from anylane_backends.asyncio.driver import AsyncioDriver, call_at
from anylane_backends.asyncio.link import AsyncioLink, AsyncioScope
from anylane_backends.channels.delivery import Host
from anylane_backends.sockets.accepting import Accepting
from anylane_backends.thread_pool import Pool


class Lane:
    """One server on one running loop.

    new_link: makes the link of an exchange.
    """

    new_link: type[AsyncioLink] = AsyncioLink

    def __init__(self, server: ServerCore) -> None:
        self.server = server
        self.loop: asyncio.AbstractEventLoop = asyncio.get_running_loop()
        self.pool: Pool = Pool(server)
        self.over: asyncio.Event = asyncio.Event()
        self.variables: contextvars.Context = contextvars.copy_context()
        self.inherited: InheritedVariables = InheritedVariables()
        self._tasks: set[asyncio.Task[None]] = set()
        self._connecting: set[asyncio.Task[None]] = set()
        self.accepting: Accepting | None = None
        self.eager: bool = server.config.eager and sys.version_info >= (3, 12)
        self.resumes: bool = server.config.eager
        server.attach(WakeQueue(self._kick), self._changed, self)

    def _changed(self) -> None:
        if self.accepting is not None:
            self.accepting.update()
        if self.server.over:
            self.over.set()

    def _kick(self) -> None:
        try:
            self.loop.call_soon_threadsafe(self.server.wakes.run)
        except RuntimeError:  # The loop is closed: nothing is left to wake.
            pass

    # -- jobs ------------------------------------------------------------------------------------

    def clock(self) -> float:
        return self.loop.time()

    def arm(self, at: float, call: Callable[[], None]) -> asyncio.TimerHandle:
        return call_at(self.loop, at, call)

    def run_errand(self, errand: Errand) -> None:
        AsyncioDriver(self, None, None, errand).pump()

    # -- accepting: create_server() accepts by the hundred and cannot pause at a limit ------------

    def listen(self) -> None:
        """Accept from the server's listeners, while it wants to. Raise UsageError on a loop that
        cannot watch them."""
        self.accepting = Accepting(self.server, self, blocking=True)
        try:
            self.accepting.update()
        except NotImplementedError:
            raise UsageError(
                f"anylane watches its listeners by add_reader(), which a {type(self.loop).__name__}"
                " does not have; run on the other loop: asyncio.run(main(), "
                "loop_factory=asyncio.SelectorEventLoop), or use Server(app, config).start()"
            ) from None

    def watch(self, listener: socket.socket, call: Callable[[], None]) -> None:
        self.loop.add_reader(listener, call)

    def unwatch(self, listener: socket.socket) -> None:
        self.loop.remove_reader(listener)

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        self.loop.call_later(seconds, call)

    def connect(self, sock: socket.socket, peer: Any, local: Any) -> None:
        # Measured with Python 3.11, run by run beside a coroutine that is stepped by hand: a task
        # takes 2 % of a connection that is used once, which is less than the runs differ.
        # In the lane's context, and not in the current one: accepting may go on in the middle of a
        # handler.
        driver = AsyncioDriver(self, peer, local)
        task = self.loop.create_task(self._connect(driver, sock), context=self.variables)
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _connect(self, driver: AsyncioDriver, sock: socket.socket) -> None:
        try:
            await self.loop.connect_accepted_socket(lambda: driver, sock)
        except Exception as exc:  # noqa: BLE001  # The client left before.
            sock.close()
            driver.lose(exc)

    async def to_the_end(self, func: Callable[[], Awaitable[Any]]) -> None:
        """Await the function to its end, even if this task is cancelled meanwhile, or at every
        await, as anyio does it."""

        failure: BaseException | None = None

        async def run() -> None:
            nonlocal failure
            try:
                await func()
            except BaseException as exc:  # noqa: BLE001  # It is raised below.
                failure = exc  # The loop, which may be a host's, would end of a SystemExit in it.

        cancelled: asyncio.CancelledError | None = None
        task = self.loop.create_task(run())
        while not task.done():
            try:
                await asyncio.wait((task,))
            except asyncio.CancelledError as exc:
                cancelled = exc
        if failure is not None:
            raise failure
        if cancelled is not None:
            raise cancelled

    async def end(self) -> None:
        """End what is left: nothing after a drain, and everything if the server was cancelled.

        A handler that ignores that has `Timeouts.close`. Then it is left behind: the shutdown hooks
        are still to run, and the loop may be a host's.
        """
        self.server.abort()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            seconds = self.server.config.timeouts.close
            _, left = await asyncio.wait(self._tasks, timeout=seconds)
            if left:
                line = f"{len(left)} handlers are left behind: they ignore that they are cancelled"
                self.server.log("warning", line, None)
        if self._connecting:
            await asyncio.wait(self._connecting)

    def scope(self) -> Scope:
        """Return a new scope, which can cancel natively what runs inside."""
        return AsyncioScope(self.server.wakes)

    # -- channels ----------------------------------------------------------------------------------

    def event(self) -> asyncio.Event:
        return asyncio.Event()

    def checkpoint(self) -> Coroutine[Any, Any, None]:
        return asyncio.sleep(0)

    def carry(self, channel: MessageChannel, host: Host) -> Coroutine[Any, Any, None]:
        """Return the coroutine that runs the exchange of a channel to its end, in the task and in
        the context that are the current ones."""
        return AsyncioChannelDriver(self, channel, self.inherited.joined()).run(host)

    async def until_over(self) -> None:
        """Return when the server has drained."""
        await self.over.wait()

    # -- tasks -----------------------------------------------------------------------------------

    def keep(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class AsyncioBackend:
    """asyncio from the standard library."""

    name = "asyncio"
    concurrent_input = True
    native_cancel = True
    ignores: Mapping[str, str] = MappingProxyType({})

    def check(self) -> None:
        """Raise ImportError if a library is missing."""

    def loop_factory(self) -> asyncio.AbstractEventLoop:
        if hasattr(asyncio, "ProactorEventLoop"):
            return asyncio.SelectorEventLoop()  # The choice of Windows cannot watch listeners.
        return asyncio.new_event_loop()

    def new_lane(self, server: ServerCore) -> Lane:
        """Return a lane in the running loop."""
        return Lane(server)

    def run(self, server: ServerCore) -> None:
        with asyncio.Runner(loop_factory=self.loop_factory) as runner:
            runner.run(self.serve(server))

    async def serve(self, server: ServerCore) -> None:
        async with self.embed(server) as lane:
            lane.listen()
            server.ready()
            await lane.until_over()

    @asynccontextmanager
    async def embed(self, server: ServerCore) -> AsyncGenerator[Lane]:
        """Give a lane in the running loop, which listens to nothing: it carries the exchanges that
        the host of the loop brings."""
        lane = self.new_lane(server)
        try:
            async with server.lifespan(lane.to_the_end, lane.scope):
                lane.variables = contextvars.copy_context()  # With what the hooks have set.
                lane.inherited.note()
                try:
                    yield lane
                finally:
                    await lane.to_the_end(lane.end)
        finally:
            lane.pool.close()


class UvloopBackend(AsyncioBackend):
    """asyncio on uvloop."""

    name = "uvloop"
    ignores: Mapping[str, str] = MappingProxyType(
        dict.fromkeys(("http_buffer_size", "ws_buffer_size"), "uvloop chooses what one read gives")
    )

    def check(self) -> None:
        import_module("uvloop")

    def loop_factory(self) -> asyncio.AbstractEventLoop:
        import uvloop

        return uvloop.new_event_loop()
