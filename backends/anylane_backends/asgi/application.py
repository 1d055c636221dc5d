"""AsgiApplication: what `uvicorn main:app` calls."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from anylane.app import App
from anylane.config.server_config import ServerConfig
from anylane.errors import UsageError
from anylane.lane.server_core import ServerCore
from anylane_backends.asgi import loops
from anylane_backends.asgi.embedded import Embedded, embedded, server_of
from anylane_backends.asgi.host import AsgiHost, Receive, Send
from anylane_backends.asgi.late_start import LateStart
from anylane_backends.asgi.scope import ScopeMapping, channel_of
from anylane_backends.channels.delivery import Event
from anylane_backends.hosting.messages import describe, log


class AsgiServer:
    """A server of ours as an ASGI 3 application.

    server: makes it, once for each life: in the loop of the other server, and when that begins.
    """

    def __init__(self, server: Callable[[], ServerCore]) -> None:
        self._server = server
        self._embedded: Embedded | None = None
        self._late: LateStart | None = None
        self._life: _Life | None = None

    async def __call__(self, scope: ScopeMapping, receive: Receive, send: Send) -> None:
        """Serve one scope of type "lifespan", "http" or "websocket"."""
        kind = scope["type"]
        if kind == "lifespan":
            await self._live(receive, send)
        elif kind in ("http", "websocket"):
            here = self._embedded
            if here is None or not here.is_here:
                here = await self._find()
            if here is None:
                await _refuse(send, websocket=kind == "websocket")
            else:
                channel = channel_of(scope, here)
                host = AsgiHost(channel, receive, send, websocket=kind == "websocket")
                await here.carry(channel, host)
        else:
            raise UsageError(f"ASGI scope {kind!r:.40}; expected 'http', 'websocket', 'lifespan'")

    async def _live(self, receive: Receive, send: Send) -> None:
        """Be there from the server's start to its end."""
        await receive()
        started = False
        life = self._life = _Life()
        try:
            async with embedded(self._server()) as here:
                self._embedded = here
                started = True
                life.begun.set()
                try:
                    await send({"type": "lifespan.startup.complete"})
                    await receive()
                    await here.drain()
                finally:
                    self._embedded = None
                    life.over = True
        except BaseException as exc:
            if loops.comes_from_outside(exc):
                raise
            # The server says it, and gives its start up. It must not see what a hook raises, an
            # exit of the process least of all: some servers take an application that raises here
            # for one without a lifespan, and serve it.
            moment = "shutdown" if started else "startup"
            if not started:
                self._life = None
            await send({"type": f"lifespan.{moment}.failed", "message": describe(exc)})
            if started and isinstance(exc, Exception):
                raise
            return
        finally:
            life.begun.set()
        await send({"type": "lifespan.shutdown.complete"})

    async def _find(self) -> Embedded | None:
        """Return the server once its start is over, None if its end has begun. One that is told
        nothing of its life begins here."""
        life = self._life
        if life is not None and life.is_here and await life.is_over():
            return None
        here = self._embedded
        return here if here is not None and here.is_here else await self._start_late()

    async def _start_late(self) -> Embedded:
        late = self._late
        if late is None or not late.is_here:
            log(
                "warning",
                "this server, or the app around it, has sent no lifespan events: startup hooks and "
                "jobs begin with the first request, and shutdown hooks may never run",
                None,
            )
            late = self._late = LateStart(self._server())
        return await late.begun()


class AsgiApplication(AsgiServer):
    """An App as an ASGI 3 application, for any server that speaks ASGI on asyncio or trio.

    config: the settings. Of those about sockets, workers and TLS none has an effect, because the
    connections are the server's. The app's life begins with the lifespan of the server, or where
    it has none with the first request, after one warning.
    """

    def __init__(self, app: App, config: ServerConfig | None = None) -> None:
        super().__init__(partial(server_of, app, config or ServerConfig()))


async def _refuse(send: Send, *, websocket: bool) -> None:
    """Answer a request that comes behind the end of the app's life."""
    if websocket:
        await send({"type": "websocket.close", "code": 1012, "reason": ""})
        return
    headers = [(b"retry-after", b"1"), (b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


class _Life:
    """The life of an app in a server that sends lifespan events.

    begun: its start is over. over: its end has begun.
    """

    def __init__(self) -> None:
        self._loop = loops.running()
        self.begun: Event = loops.new_event()
        self.over: bool = False

    @property
    def is_here(self) -> bool:
        """Whether it belongs to the loop that runs now."""
        return self._loop is loops.running()

    async def is_over(self) -> bool:
        """Wait for the end of the start. Return whether the end has begun, too."""
        await self.begun.wait()
        return self.over
