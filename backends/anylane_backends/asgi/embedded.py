"""Embedded: one server without sockets, in a loop that somebody else runs."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol, cast

from anylane.app import App, check_served
from anylane.cache import RepeatCache
from anylane.config.limits import Limits
from anylane.config.server_config import ServerConfig
from anylane.errors import Refused, UsageError
from anylane.lane.server_core import ServerCore
from anylane.protocol import RequestHead, TlsInfo
from anylane.protocol.channel.message_channel import MessageChannel
from anylane.protocol.channel.outlet import NO_ABILITIES, Abilities
from anylane.protocol.peer import Address, Hosted
from anylane_backends.asgi import loops
from anylane_backends.channels.delivery import Host
from anylane_backends.hosting.loading import load_backend
from anylane_backends.hosting.messages import log, write_access_line
from anylane_backends.hosting.server import date_now, running_backend


class ChannelLane(Protocol):
    """A lane in a loop of somebody else's."""

    def clock(self) -> float:
        """Return its time, in seconds."""
        ...

    def carry(self, channel: MessageChannel, host: Host) -> Coroutine[Any, Any, None]:
        """Return the coroutine that runs the exchange of a channel to its end."""
        ...

    async def until_over(self) -> None:
        """Return when the server has drained."""


class EmbeddingBackend(Protocol):
    """A backend that has a lane for a loop that is somebody else's."""

    @property
    def embed(self) -> Callable[[ServerCore], AbstractAsyncContextManager[ChannelLane]]:
        """Return what makes such a lane."""
        ...


MAX_HEADS = 128
MAX_REMEMBERED = 4096
"""How many heads a server remembers, and the bytes of the largest. As on our own lanes."""


class Embedded:
    """A server in the loop that runs here. Make it with `embedded`.

    heads: those that came more than once, by all that they say.
    """

    def __init__(self, server: ServerCore, lane: ChannelLane) -> None:
        self._server = server
        self._lane = lane
        self._loop = loops.running()
        self.heads: RepeatCache[tuple[Any, ...], RequestHead] = RepeatCache(MAX_HEADS)

    @property
    def is_here(self) -> bool:
        """Whether it belongs to the loop that runs now."""
        return self._loop is loops.running()

    @property
    def limits(self) -> Limits:
        """Return the bounds of its server, which a request is to be held to."""
        return self._server.config.limits

    def channel(
        self,
        head: RequestHead | None,
        *,
        subprotocols: Sequence[str] | None = None,
        abilities: Abilities = NO_ABILITIES,
        peer: Address = None,
        local: Address = None,
        tls: TlsInfo | None = None,
        hosted: Hosted | None = None,
        refused: Refused | None = None,
    ) -> MessageChannel:
        """Return a channel for one exchange, as `MessageChannel` describes it. `carry` it next."""
        return MessageChannel(
            self._server.config,
            head,
            now=self._lane.clock(),
            token=self._server.token,
            subprotocols=subprotocols,
            abilities=abilities,
            peer=peer,
            local=local,
            tls=tls,
            hosted=hosted,
            refused=refused,
        )

    def carry(self, channel: MessageChannel, host: Host) -> Coroutine[Any, Any, None]:
        """Return the coroutine that runs the exchange of a channel to its end, in the task and in
        the context that are the current ones. It raises Incomplete if the host has to break the
        answer off, and what the host raises."""
        if self._server.draining:
            channel.shutdown(self._lane.clock())
        return self._lane.carry(channel, host)

    async def drain(self) -> None:
        """End what runs, in `Timeouts.drain` seconds at most, and those of `Timeouts.close` for
        handlers that were aborted. Those that ignore that do not hold up the host."""
        timeouts = self._server.config.timeouts
        self._server.shutdown()
        await loops.within(_Over(self._lane), timeouts.drain + timeouts.close)


class _Over:
    """The end of a drain, as what can be waited for."""

    def __init__(self, lane: ChannelLane) -> None:
        self._lane = lane

    async def wait(self) -> None:
        await self._lane.until_over()


@asynccontextmanager
async def embedded(server: ServerCore, backend: Any = None) -> AsyncGenerator[Embedded]:
    """Run a server without listeners, its app's lifespan around the block. Raise what a startup
    hook raises, and UsageError in a loop that has no such lane.

    backend: the one of the loop that runs here; without it, it is looked up by that loop's name.
    """
    if backend is None:
        backend = load_backend(running_backend())
    if not hasattr(backend, "embed"):
        raise UsageError(f"the {backend.name} lane cannot run in the loop of another server")
    async with cast("EmbeddingBackend", backend).embed(server) as lane:
        server.ready()
        yield Embedded(server, lane)


def server_of(app: App, config: ServerConfig) -> ServerCore:
    """Return a server of the app that has no listeners. Raise UsageError if it cannot be served."""
    check_served(app, config)
    server = ServerCore(
        app.freeze(),
        config,
        time=time.time,
        date=date_now,
        token=os.urandom,
        log=log,
        lane=running_backend(),
        spool=tempfile.TemporaryFile,
    )
    server.access_line = write_access_line
    return server
