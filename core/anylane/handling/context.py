"""Context: everything about one request, for its handler.

It talks to the Exchange and to the Link, never to the wire. It decides nothing about bytes.
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
from anylane.protocol.fields import check_header
from anylane.protocol.sse import last_event_id
from anylane.protocol.timers import deadline_after
from anylane.realtime.event_stream import EventStream
from anylane.realtime.raw_stream import RawStream
from anylane.realtime.select import Select
from anylane.realtime.source import Source
from anylane.realtime.websocket import WebSocket

if TYPE_CHECKING:
    from anylane.http.response import Items
    from anylane.lane.link import Link
    from anylane.protocol.exchange import Exchange
    from anylane.routing.route import Route
    from anylane.routing.router import Router


_HANDSHAKE = frozenset(("connection", "upgrade", "content-length", "transfer-encoding"))


class Context:
    """One request and its response.

    params: of the route, converted. state: attributes of your own, for this request.
    error: what went wrong, for error and response hooks. app: the App that serves this.

    For the framework: route, allow (methods, of a 405), items (a returned iterator), jobs (of
    `background`), exchange and link. Private to `handling`: _request and _response (None until they
    are first looked at), _failed (`error` has not been dealt with), _responded (the response hooks
    have had their turn).
    """

    __slots__ = ("_calls", "_failed", "_request", "_responded", "_response", "_state", "allow",
                 "app", "error", "exchange", "items", "jobs", "link", "params",
                 "route")  # fmt: skip

    def __init__(self, exchange: Exchange, link: Link, app: Router) -> None:
        self.exchange = exchange
        self.link = link
        self.app = app
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
        if self._request is None:
            self._request = Request(self.exchange, self.link)
        return self._request

    @property
    def response(self) -> Response:
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
        if self._state is None:
            self._state = SimpleNamespace()
        return self._state

    @property
    def half_closed(self) -> bool:
        """The client sends no more; it may still read."""
        self.link.take_input()
        return self.exchange.half_closed

    @property
    def disconnected(self) -> bool:
        """The client is gone: nobody will read what is sent."""
        self.link.take_input()
        return self.exchange.gone is not None

    def path_for(self, name: str, /, **params: object) -> str:
        """The percent-encoded path of the route of that name."""
        return self.app.path_for(name, **params)

    def check(self) -> None:
        """Raise Disconnected if the client is gone or this handler outlived its deadline."""
        self.link.check()

    # -- answering -----------------------------------------------------------------------------

    async def send(self) -> None:
        """Send the response as it stands, now."""
        response = self.response
        self.check()
        if response.items is not None:
            await response.items.send(self)
        else:
            self.respond(response)
            self.link.pump()

    def respond(self, response: Response) -> None:
        """Queue it whole. To a client that is gone it says nothing."""
        self.exchange.respond(*response.wire())
        response.freeze()

    def stream(self, *, length: int | None = None) -> Stream:
        """Send the body piece by piece. length: in bytes, if you know it."""
        return Stream(self.exchange, self.link, self.response, length)

    def event_stream(self, retry: int | None = None, heartbeat: float | None = None) -> EventStream:
        """Server-sent events: `async with ctx.event_stream() as events: await events.send(data)`.

        retry: milliseconds until the client comes again after the stream has ended; its own 3 to
        5 seconds if None. heartbeat: seconds of silence after which a comment is sent, also while
        the handler awaits something else; under the 60 seconds after which most proxies give up.
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
        """The id of the last event that this client saw before it came again; None if it is new.

        What it says is the client's: look it up, do not trust it. Last-Event-ID, HTML §9.2.4.
        """
        return last_event_id(self.exchange.head)

    async def early_hints(self, links: Iterable[str]) -> None:
        """103 with Link headers, before the answer is ready (RFC 8297)."""
        self.check()
        if isinstance(links, str):
            raise UsageError(f"links is {links!r:.80}; expected a list of such values: [link]")
        headers = [("link", link) for link in links]
        for name, value in headers:
            check_header(name, value)
        self.exchange.send_informational(103, headers)
        self.link.pump()

    async def accept(
        self, subprotocol: str | None = None, headers: Iterable[tuple[str, str]] = ()
    ) -> WebSocket:
        """Accept the WebSocket handshake. A bad one raises HTTPError, which answers it.

        subprotocol: one that the client offered; without it, the first of the client's that the
            route speaks.
        """
        self.check()
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
        self.link.pump()
        return WebSocket(self.exchange, self.link, protocol)

    async def take_over(self) -> RawStream:
        """Answer a CONNECT with 200 or an upgrade with 101, and have the connection for yourself.

        The headers of ctx.response go with it; `upgrade` names the protocol, the client's first
        choice if it is not set. Raises HTTPError 426 where the client asked for no upgrade.
        """
        self.check()
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
        """Return the core's clock, in seconds: monotonic, virtual in tests, and of no use outside
        of this process."""
        return self.link.now()

    def time(self) -> float:
        """Return the wall time, in seconds since 1970: virtual in tests."""
        return self.link.host.time()

    async def sleep(self, seconds: float) -> None:
        """Wait, on the core's clock: virtual in tests. Raises Disconnected if the client leaves.

        seconds: 0 or less gives others their turn.
        """
        link, alarms = self.link, self.exchange.alarms
        self.check()
        alarm = alarms.set(deadline_after(link.now(), seconds))
        try:
            while not alarm.fired:
                await link.wait()
                self.check()
        finally:
            alarms.cancel(alarm)

    def timeout(self, seconds: float) -> Timeout:
        """`async with ctx.timeout(5): ...` raises TimeoutError when it takes longer."""
        return Timeout(self.exchange, self.link, seconds)

    def select(self, *sources: Source) -> Select:
        """`async for source, item in ctx.select(ws, subscription)`: ready sources in turn.

        An ended source is dropped without a word (also a subscription that lagged in a Broadcast
        with on_lag="close"); ends when all have. `break` loses no item. Raises what a source
        raises, such as Lagged, and Disconnected once the client is gone.
        """
        if not sources:
            raise UsageError("ctx.select() needs a source: a WebSocket, a Subscription ...")
        return Select(self.exchange, self.link, sources)

    async def run_sync(self, func: Callable[..., Any], *args: Any) -> Any:
        """Run a blocking function in the pool."""
        if is_coroutine_function(func):
            raise UsageError(
                f"ctx.run_sync() got {location(func)}, an `async def`; it takes a function that "
                "blocks. Await that one as it is"
            )
        return await run_blocking(self.link, lambda: func(*args))

    def call(self, func: Callable[..., Any], *args: Any) -> Any:
        """From a `def` handler: have `func(*args)` awaited, e.g. `ctx.call(ctx.sleep, 1)`."""
        if self._calls is None:
            raise UsageError("ctx.call() is for `def` handlers; in an `async def` use await")
        if func == self.run_sync:
            # Already in a pool thread; a second one could only be waited for.
            return args[0](*args[1:])
        if self.link.inline:
            return self.link.drive(func(*args))
        return self._calls.run(func, args)

    def background(self, func: Callable[..., Any], *args: Any) -> None:
        """Call `func(*args)` once the last byte of the response was written, whatever became of
        it. The next request does not wait for it; a drain does, up to its grace. `def` functions
        run in the pool. A failure is logged. ctx can be used in it to wait, not to answer.
        """
        if self.jobs is None:
            self.jobs = []
        self.jobs.append(Job(func, args))

    def release(self) -> None:
        """The exchange is over, and so is its background work."""
        if self._request is not None and self._request.uploads is not None:
            self._request.uploads.close()

    async def run_handler(self, func: Callable[[Context], Any]) -> Any:
        """Run a `def` handler in the pool, with `call` working inside."""
        self._calls = Calls(self.link)
        return await run_blocking(self.link, lambda: func(self), self._calls)
