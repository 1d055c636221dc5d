"""FetchHandler: an App as what a fetch event is answered with."""

from __future__ import annotations

import asyncio

from anylane.app import App, check_served
from anylane.config.server_config import ServerConfig
from anylane.protocol.channel.message_channel import MessageChannel
from anylane_backends.asgi.embedded import Embedded, server_of
from anylane_backends.asgi.late_start import LateStart
from anylane_backends.asyncio.lane import AsyncioBackend
from anylane_backends.fetch.host import FetchHost
from anylane_backends.fetch.javascript import Javascript, Request, Response, javascript
from anylane_backends.fetch.request import channel_of


class FetchHandler:
    """An App in Pyodide: a function from the Request of a fetch event to its Response.

    In JavaScript: `addEventListener("fetch", event => event.respondWith(handler(event.request)))`.

    config: the settings. Of those about sockets, workers and TLS none has an effect. `root_path` is
    taken off the path of each URL: an app is often served below a prefix of its site.

    The app's life begins with the first request. `close` ends it, if the host says when. Handlers
    run on the event loop, those written as `def` too: there are no threads. Raise UsageError
    outside of Pyodide, and for an app that cannot be served.
    """

    def __init__(self, app: App, config: ServerConfig | None = None) -> None:
        self._js: Javascript = javascript()
        self._app = app
        self._config = ServerConfig() if config is None else config
        check_served(app, self._config)
        self._life: LateStart | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __call__(self, request: Request) -> Response:
        """Return the Response to a Request, as soon as the head of the answer is there.

        Its body is a stream that the handler fills as it is read. Raise what a startup hook raises,
        UsageError if the request's body was read before, and ConnectionAbortedError if the client
        leaves before the answer has begun.
        """
        here = await self._begun()
        channel = channel_of(request, here, self._config.root_path)
        host = FetchHost(self._js, channel, request)
        task = asyncio.create_task(self._carry(here, channel, host))
        self._tasks.add(task)  # The loop itself holds tasks weakly.
        task.add_done_callback(self._tasks.discard)
        try:
            return await host.response
        except asyncio.CancelledError:
            host.leave()
            raise

    async def close(self) -> None:
        """Drain, and run the shutdown hooks. Raise what one of them raises.

        Requests that come later begin the app's life anew.
        """
        life, self._life = self._life, None
        if life is not None:
            await life.end()

    async def _begun(self) -> Embedded:
        life = self._life
        if life is None or not life.is_here:
            server = server_of(self._app, self._config)
            life = self._life = LateStart(server, AsyncioBackend())
        return await life.begun()

    async def _carry(self, here: Embedded, channel: MessageChannel, host: FetchHost) -> None:
        try:
            await here.carry(channel, host)
        except Exception as exc:  # noqa: BLE001  # The answer is broken off with it.
            host.fail(exc)
        finally:
            host.end()
