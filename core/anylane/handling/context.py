"""Context: everything about one request, for its handler.

It talks to the Exchange and to the Link, never to the wire, and it decides nothing about bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from anylane.callables import is_coroutine_function, location
from anylane.errors import HTTPError, Refused, UsageError
from anylane.handling.blocking import Calls, run_blocking
from anylane.handling.job import Job
from anylane.handling.stream import Stream
from anylane.handling.timeout import Timeout
from anylane.http.headers import TOO_LATE
from anylane.http.request import Request
from anylane.http.response import Response
from anylane.lane.link import shielded
from anylane.protocol.fields import check_header
from anylane.protocol.sse import last_event_id
from anylane.protocol.timers import deadline_after
from anylane.realtime.event_stream import EventStream
from anylane.realtime.raw_stream import RawStream
from anylane.realtime.select import Select
from anylane.realtime.source import Source
from anylane.realtime.websocket import WebSocket
from anylane.shown import shown

if TYPE_CHECKING:
    from anylane.http.response import Items
    from anylane.lane.link import Link
    from anylane.protocol.exchange import Exchange
    from anylane.routing.route import Route
    from anylane.routing.router import Router


_HANDSHAKE = frozenset(("connection", "upgrade", "content-length", "transfer-encoding"))


class Context:
    """One request and its response. Handlers and hooks are given it.

    params: the parameters of the route, converted. error: the exception that the response is for,
    which error and response hooks may look at; None otherwise. app: the App that serves this.

    Whatever sends or waits takes in what the client did meanwhile. It raises Disconnected if the
    client is gone, and the lane's cancellation (or `Cancelled`) if the handler was interrupted,
    again at each use; and UsageError once the handler has returned. `run_sync`, `background` and a
    WebSocket's `close` still work after an interruption, until `Timeouts.close` is over.

    For the framework: route, allow (the methods of a 405), items (a returned iterator), jobs (those
    of `background`), exchange and link. Private to `handling`: _request and _response (None until
    they are first looked at), _failed (`error` has not been dealt with), _responded (the response
    hooks have had their turn).
    """

    __slots__ = ("_calls", "_failed", "_request", "_responded", "_response", "_state", "allow",
                 "app", "error", "exchange", "items", "jobs", "link", "params",
                 "route")  # fmt: skip

    def __init__(self, exchange: Exchange, link: Link, app: Router) -> None:
        self.exchange: Exchange = exchange
        self.link: Link = link
        self.app: Router = app
        self.params: dict[str, Any] = {}
        self.route: Route | None = None
        self.error: BaseException | None = None
        self.allow: tuple[str, ...] = ()
        self._failed = False
        self._responded = False
        self.items: Items | None = None
        self.jobs: list[Job] | None = None
        self._request: Request | None = None
        self._response: Response | None = None
        self._state: SimpleNamespace | None = None
        self._calls: Calls | None = None

    # -- request and response ----------------------------------------------------------------

    @property
    def request(self) -> Request:
        """Return the request, as the client sent it."""
        if self._request is None:
            self._request = Request(self.exchange, self.link)
        return self._request

    @property
    def response(self) -> Response:
        """Return what will be answered, to be changed until its head is sent.

        Another Response may be assigned. Raise UsageError then if the head was sent.
        """
        if self._response is None:
            self._response = Response()
        return self._response

    @response.setter
    def response(self, response: Response) -> None:
        if self._response is not None and self._response.sent:
            raise UsageError(TOO_LATE)
        self._response = response

    @property
    def state(self) -> SimpleNamespace:
        """Return an object for attributes of your own. It lives as long as this request."""
        if self._state is None:
            self._state = SimpleNamespace()
        return self._state

    @property
    def half_closed(self) -> bool:
        """Whether the client sends no more. It may still read."""
        self.link.take_input()
        return self.exchange.half_closed

    @property
    def disconnected(self) -> bool:
        """Whether the client is gone, so that nothing more reaches it."""
        self.link.take_input()
        return self.exchange.gone is not None

    @property
    def interrupted(self) -> str | None:
        """Why the framework has interrupted this handler: "deadline" for `request_timeout`,
        "shutdown" for the end of a drain, "disconnected" for a client that is gone; None if it has
        not."""
        self.link.take_input()
        interrupt = self.exchange.interrupt
        return None if interrupt is None else interrupt.value

    def path_for(self, name: str, /, **params: object) -> str:
        """Return the percent-encoded path of the route of that name.

        Raise RouteError if there is none, and for parameters that the route does not take.
        """
        return self.app.path_for(name, **params)

    def check(self) -> None:
        """Raise Disconnected if the client is gone.

        Raise the lane's own cancellation if this handler was interrupted, or `Cancelled` where
        there is none, and in a `def`: nothing that `except Exception` catches.
        """
        link, exchange = self.link, self.exchange
        if exchange.interrupt is not None and self._calls is not None:
            exchange.check()
        link.check()

    # -- answering -----------------------------------------------------------------------------

    async def send(self) -> None:
        """Send the response as it stands, now, while the handler goes on.

        Its head, and so `ctx.response`, cannot be changed any more. Raise UsageError if a response
        was sent before, or its headers contradict its framing; nothing is sent then.
        """
        response = self.response
        if self.exchange.interrupt is not None:
            await self.link.hear()
        self.check()
        if response.items is not None:
            await response.items.send(self)
        else:
            self.respond(response)
            self.link.pump()

    def respond(self, response: Response) -> None:
        """Queue a response whole. Do nothing but freeze it if the client is gone."""
        self.exchange.respond(*response.wire())
        response.freeze()

    def stream(self, *, length: int | None = None) -> Stream:
        """Return a block that sends the body piece by piece: `async with ctx.stream() as out`.

        length: of the body, in bytes, if you know it. See `Stream`.
        """
        return Stream(self.exchange, self.link, self.response, length)

    def event_stream(self, retry: int | None = None, heartbeat: float | None = None) -> EventStream:
        """Return a block that sends server-sent events (HTML standard §9.2).

            async with ctx.event_stream() as events:
                await events.send(data)

        retry: milliseconds until the client comes again after the stream has ended; its own 3 to
        5 seconds if None. heartbeat: seconds of silence after which a comment is sent, also while
        the handler awaits something else; choose less than the 60 seconds after which most proxies
        give up. Raise UsageError for bad values of the two.
        """
        return EventStream(
            self.exchange,
            self.link,
            self.response,
            retry=retry,
            heartbeat=heartbeat,
            call=self.call,
        )

    @property
    def last_event_id(self) -> str | None:
        """Return the id of the last event that this client saw before it came again; None if it is
        new.

        Last-Event-ID, HTML standard §9.2.4. It is the client's word: look it up, do not trust it.
        """
        return last_event_id(self.exchange.head)

    async def early_hints(self, links: Iterable[str]) -> None:
        """Send a 103 response with Link headers, before the answer is ready (RFC 8297).

        links: the values of the headers. An HTTP/1.0 client gets none. Raise UsageError for what is
        no list, and for values that no header can have; nothing is sent then.
        """
        await self.link.hear()
        if isinstance(links, str):
            raise UsageError(f"links is {shown(links)}; expected a list of such values: [link]")
        headers = [("link", link) for link in links]
        for name, value in headers:
            check_header(name, value)
        self.exchange.send_informational(103, headers)
        self.link.pump()

    async def accept(
        self, subprotocol: str | None = None, headers: Iterable[tuple[str, str]] = ()
    ) -> WebSocket:
        """Accept the WebSocket handshake and return the session (RFC 6455 §4.2.2).

        subprotocol: one that the client offered; without it, the first of the client's that the
        route speaks. headers: more headers of the 101 response.

        Raise HTTPError if the handshake is bad or none; where it passes through, it answers the
        request (400, 405 or 426). Raise UsageError for a subprotocol that was not offered, for
        headers that the handshake sets itself, and if the request was answered already. Nothing is
        sent in any of these cases.
        """
        await self.link.hear()
        lines = list(headers)
        for name, value in lines:
            check_header(name, value)
            if name.lower() in _HANDSHAKE or name.lower().startswith("sec-websocket-"):
                raise UsageError(f"{name} is set by the WebSocket handshake itself; leave it out")
        try:
            if subprotocol is None and self.route is not None and self.route.subprotocols:
                subprotocol = self._negotiate(self.route.subprotocols)
            protocol = self.exchange.accept(lines, subprotocol, self.link.now())
        except Refused as refused:
            raise HTTPError(refused.status, refused.reason, headers=refused.headers) from refused
        self.response.freeze()
        ws = WebSocket(self.exchange, self.link, protocol)
        if self.route is None or self.route.cancel_on_disconnect is None:
            ws.watch()
        self.link.pump()
        return ws

    async def take_over(self) -> RawStream:
        """Leave HTTP and return the bytes of the connection as a RawStream.

        A CONNECT is answered with 200 (RFC 9110 §9.3.6), an upgrade with 101 (§7.8). The headers of
        `ctx.response` go with it; `upgrade` names the protocol, the client's first choice if it is
        not set. Raise HTTPError 426 if the client asked for no upgrade, and UsageError if the body
        was not read or the request was answered already. Nothing is sent then.
        """
        await self.link.hear()
        try:
            session = self.exchange.take_over(self.response.headers.items(), self.link.now())
        except Refused as refused:
            raise HTTPError(refused.status, refused.reason, headers=refused.headers) from refused
        self.response.freeze()
        self.link.pump()
        return RawStream(self.exchange, self.link, session)

    def _negotiate(self, spoken: tuple[str, ...]) -> str | None:
        offered = ",".join(self.request.headers.get_all("sec-websocket-protocol"))
        return next(
            (name for part in offered.split(",") if (name := part.strip()) in spoken),
            None,
        )

    # -- waiting ---------------------------------------------------------------------------------

    def now(self) -> float:
        """Return the core's clock, in seconds. It is monotonic, virtual in tests, and of no use
        outside of this process."""
        return self.link.now()

    def time(self) -> float:
        """Return the wall time, in seconds since 1970. It is virtual in tests."""
        return self.link.host.time()

    async def sleep(self, seconds: float) -> None:
        """Wait so many seconds on the core's clock, which is virtual in tests.

        seconds: 0 or less gives others their turn. Raise Disconnected as soon as the client leaves,
        and UsageError if `seconds` is no number. An interruption is raised as `check` says.
        """
        link, exchange = self.link, self.exchange
        if exchange.interrupt is not None and self._calls is None:
            await link.hear()
        alarms = exchange.alarms
        self.check()
        alarm = alarms.set(deadline_after(link.now(), seconds))
        try:
            while not alarm.fired:
                await link.wait()
                self.check()
        finally:
            alarms.cancel(alarm)

    def timeout(self, seconds: float) -> Timeout:
        """Return a block that raises TimeoutError when it takes longer: `async with
        ctx.timeout(5):`. seconds: on the core's clock. See `Timeout`."""
        return Timeout(self.exchange, self.link, seconds)

    def select(self, *sources: Source) -> Select:
        """Return an iterator over the items of several sources, in one handler and without a task:
        `async for source, item in ctx.select(ws, subscription)`.

        Sources that have an item get their turns in order. A source that ends is dropped without a
        word (also a subscription that lagged in a Broadcast with on_lag="close"); the loop ends
        when all have. `break` loses no item. The loop raises what a source raises, such as Lagged,
        and Disconnected once the client is gone. Raise UsageError for no source, and for what is
        none.
        """
        if not sources:
            raise UsageError("ctx.select() needs a source: a WebSocket, a Subscription ...")
        return Select(self.exchange, self.link, sources)

    async def run_sync(self, func: Callable[..., Any], *args: Any) -> Any:
        """Run a blocking function in the pool; return its result, or raise what it raises.

        If the handler is cancelled meanwhile, the function goes on in its thread. After an
        interruption this still works, for cleaning up, until `Timeouts.close` is over. Raise
        UsageError for an `async def`.
        """
        if is_coroutine_function(func):
            raise UsageError(
                f"ctx.run_sync() got {location(func)}, an `async def`; it takes a function that "
                "blocks. Await that one as it is"
            )
        link = self.link
        if self.exchange.interrupt is not None:
            return await shielded(link, lambda: run_blocking(link, lambda: func(*args)))
        return await run_blocking(link, lambda: func(*args))

    def call(self, func: Callable[..., Any], *args: Any) -> Any:
        """Have `func(*args)` awaited for a `def` handler, such as `ctx.call(ctx.sleep, 1)`.

        It blocks the handler's thread. Return the result, or raise what `func` raises. Raise
        UsageError in an `async def` handler and if the handler has ended, and Cancelled if it was
        interrupted.
        """
        if self._calls is None:
            raise UsageError("ctx.call() is for `def` handlers; in an `async def` use await")
        if func == self.run_sync:
            # Already in a pool thread; a second one could only be waited for.
            return args[0](*args[1:])
        if self.link.inline:
            return self.link.drive(func(*args))
        return self._calls.run(func, args)

    def background(self, func: Callable[..., Any], *args: Any) -> None:
        """Call `func(*args)` once the last byte of the response was written, whatever became of it.

        func: a `def` runs in the pool, an `async def` is awaited. The functions of one request run
        one after the other. The next request does not wait for them; a drain does, up to
        `Timeouts.drain`. A failure is logged. In the function, `ctx` can be used to wait and not to
        answer. Raise UsageError for what is no function.
        """
        if self.jobs is None:
            self.jobs = []
        self.jobs.append(Job(func, args))

    def release(self) -> None:
        """Close the uploads: the exchange is over, and so is its background work."""
        if self._request is not None and self._request.uploads is not None:
            self._request.uploads.close()

    async def run_handler(self, func: Callable[[Context], Any]) -> Any:
        """Run a `def` handler in the pool, where `call` works, and return its result."""
        self._calls = Calls(self.link)
        return await run_blocking(self.link, lambda: func(self), self._calls)
