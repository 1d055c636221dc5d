"""Answering: the half of a Context that knows the request and makes the answer.

It talks to the Exchange and to the Link, never to the wire, and it decides nothing about bytes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Protocol

from anylane.errors import HTTPError, Refused, UsageError
from anylane.handling.blocking import Calls, transformed
from anylane.handling.job import Ending, Job
from anylane.handling.stream import Stream
from anylane.http.attributes import State
from anylane.http.headers import TOO_LATE
from anylane.http.request import Request
from anylane.http.response import Response
from anylane.http.semantics.address import absolute_url
from anylane.http.settled import HandshakeResponse, is_handshake_field
from anylane.protocol.fields import check_header
from anylane.protocol.sse import last_event_id
from anylane.read_only import explain
from anylane.realtime.event_stream import EventStream
from anylane.realtime.raw_stream import RawStream
from anylane.realtime.subprotocols import settled
from anylane.realtime.websocket import WebSocket
from anylane.routing.mounted import Mounted
from anylane.routing.parts import Transform
from anylane.shown import shown

if TYPE_CHECKING:
    from anylane.http.response import Items
    from anylane.lane.link import Handle, Link
    from anylane.protocol.exchange import Exchange
    from anylane.routing.base_app import BaseApp
    from anylane.routing.prefixes import Unrouted
    from anylane.routing.route import Route


class Held(Protocol):
    """What a handler was given, and gives back before its exchange ends."""

    async def close(self, failure: BaseException | None, /) -> None:
        """Give it back. failure: what the handler or its stream has raised."""


class AnswerGate(Protocol):
    """What a context asks of the `Gate` of its route."""

    async def whole(self, ctx: Any) -> None:
        """Let `ctx.response` pass before any of it is sent."""

    async def start(self, ctx: Any, *, whole: bool) -> list[Transform]:
        """Let `ctx.response` pass whose head goes out now (see `Context._begin`)."""
        ...


class Answering(ABC):
    """One request and its response: half of a `Context`, whose docstring names the attributes."""

    __slots__ = ("_calls", "_failed", "_gate", "_pending", "_place", "_request", "_response",
                 "_shown", "_state", "_streamed", "app", "endings", "error", "exchange", "held",
                 "items", "jobs", "left_running", "link", "params", "route",
                 "unrouted")  # fmt: skip

    def __init__(self, exchange: Exchange, link: Link, app: BaseApp) -> None:
        self.exchange: Exchange = exchange
        self.link: Link = link
        self.app: BaseApp = app
        self.params: dict[str, Any] = {}
        self.route: Route | None = None
        self.error: BaseException | None = None
        self.unrouted: Unrouted | None = None
        self._failed = False
        self._shown = False
        self._gate: AnswerGate | None = None
        self._pending: object = None
        self.items: Items | None = None
        self.held: Held | None = None
        self.jobs: list[Job] | None = None
        self.endings: list[Ending] | None = None
        self._request: Request | None = None
        self._response: Response | None = None
        self._state: State | None = None
        self._streamed: Response
        self._calls: Calls | None = None
        self.left_running: list[Handle]  # It is set when there is one.

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

        Another Response may be assigned. Raise UsageError then if the head was sent, and TypeError
        if its body is a value that JSON has no form for.
        """
        if self._response is None:
            self._response = Response()
        return self._response

    @response.setter
    def response(self, response: Response) -> None:
        if self._response is not None and self._response.sent:
            raise UsageError(TOO_LATE)
        try:
            body = response._body
        except AttributeError:
            raise UsageError(
                f"ctx.response got {shown(response)}; expected a Response: Response(body, "
                "status=201)"
            ) from None
        if body is None:
            response.encode()
        self._response = response

    @property
    def state(self) -> State:
        """Return an object for attributes of your own. It lives as long as this request."""
        if self._state is None:
            hosted = self.link.driver.connection.hosted
            self._state = State() if hosted is None else State(**hosted.state)
        return self._state

    @property
    def streams(self) -> bool:
        """Whether the answer that goes out now is sent piece by piece, so that `ctx.response` has
        no body. For response hooks."""
        response = self.response
        # Unset until a stream begins: that costs other requests nothing.
        return response.items is not None or getattr(self, "_streamed", None) is response

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

        In a mounted App that is one of its own, below its prefix, and else one of the App around
        it. It begins with `request.root_path`, for it is what the client asks for. Raise RouteError
        if there is none, and for parameters that the route does not take.
        """
        return self.request.root_path + self.place.path_for(name, params, self.params)

    @property
    def place(self) -> Mounted:
        """Return where `app` is, for the framework."""
        try:
            return self._place
        except AttributeError:  # No mounted app has to do with the request: that costs nothing.
            return Mounted(self.app)

    @place.setter
    def place(self, place: Mounted) -> None:
        self._place: Mounted = place
        self.app = place.app

    def url_for(self, name: str, /, **params: object) -> str:
        """Return the absolute URL of the route of that name.

        Scheme, host and port are those of the request, the scheme as a trusted proxy says; a host
        that the route's router names stands in the place of the request's. For a WebSocket the
        scheme is "ws" or "wss". The Host header is the client's word: see `TrustedHosts` before a
        URL goes into a mail. Raise RouteError as `path_for` does, if routes of that name have
        several hosts, and if the route's host has a `*` that the request does not fill.
        """
        path, host, websocket = self.place.place_of(name, params, self.params)
        request = self.request
        return absolute_url(request, request.root_path + path, host, websocket=websocket)

    def check(self) -> None:
        """Raise Disconnected if the client is gone.

        Raise the lane's own cancellation if this handler was interrupted, or `Cancelled` where
        there is none, and in a `def`: nothing that `except Exception` catches.
        """
        link, exchange = self.link, self.exchange
        if exchange.interrupt is not None and self._calls is not None:
            exchange.check()
        link.check()

    def _leave(self, handle: Handle) -> None:
        self.left_running = [*self.still_running(), handle]

    def still_running(self) -> list[Handle]:
        """Return the functions that go on in their threads though they were interrupted."""
        return [each for each in getattr(self, "left_running", ()) if not each.done()]

    # -- answering -----------------------------------------------------------------------------

    async def send(self) -> None:
        """Send the response as it stands, now, while the handler goes on.

        Its head, and so `ctx.response`, cannot be changed any more. Raise UsageError if a response
        was sent before, or its headers contradict its framing; nothing is sent then.
        """
        if self.exchange.interrupt is not None:
            await self.link.hear()
        self.check()
        if self.response.items is not None:
            await self.response.items.send(self)
            return
        response, transforms = await self._begin(204 if self.response.body is None else 200)
        if transforms:
            response.set_body(await transformed(self.link, response.body or b"", transforms))
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
        return Stream(self.exchange, self.link, length, self._begin_stream)

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
            retry=retry,
            heartbeat=heartbeat,
            begin=self._begin_events,
            call=self.call,
        )

    async def _begin(self, status: int, *, whole: bool = True) -> tuple[Response, list[Transform]]:
        """Let the response hooks see an answer whose head goes out now, while its handler runs on.

        status: the one that it has unless another was set. whole: whether its body may be changed.
        Return the response, and what changes its body. Raise UsageError if a hook has put another
        answer in its place; that one was sent.
        """
        if self.response.status is None:
            self.response.set_status(status)
        if self._gate is None:
            return self.response, []
        transforms = await self._gate.start(self, whole=whole)
        return self.response, transforms

    async def _begin_stream(self) -> tuple[Response, list[Transform]]:
        self._streamed = self.response
        return await self._begin(200)

    async def _begin_events(self, prepare: Callable[[Response], None]) -> Response:
        prepare(self.response)
        self._streamed = self.response
        response, _ = await self._begin(200, whole=False)
        prepare(response)  # A hook may have changed what it needs.
        return response

    async def _begin_handshake(self, status: int) -> HandshakeResponse:
        """Let the response hooks see a 101, or the 200 to a CONNECT. Raise as `_begin` does."""
        before = self.response
        handshake = HandshakeResponse(status, before)
        self.response = handshake
        before.freeze()
        if self._gate is not None:
            await self._gate.start(self, whole=False)
            if self.response is not handshake:
                self.response = handshake
                raise UsageError(
                    "a response middleware has assigned ctx.response at a handshake; to refuse it, "
                    "raise an HTTPError"
                )
        return handshake

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
            if is_handshake_field(name):
                raise UsageError(f"{name} is set by the WebSocket handshake itself; leave it out")
        exchange = self.exchange
        try:
            credential = getattr(self, "credential", None)
            if (self.route is not None and self.route.subprotocols) or credential is not None:
                spoken = () if self.route is None else self.route.subprotocols
                offers = self.request.headers.get_all("sec-websocket-protocol")
                subprotocol = settled(subprotocol, spoken, offers, credential)
            # Before the response hooks: what they see is what goes out.
            exchange.check_accept(subprotocol)
            shown = await self._begin_handshake(101)
            lines = [*shown.headers.items(), *lines]
            protocol = exchange.accept(lines, subprotocol, self.link.now())
        except Refused as refused:
            raise HTTPError(refused.status, refused.reason, headers=refused.headers) from refused
        shown.freeze()
        ws = WebSocket(exchange, self.link, protocol)
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
        exchange = self.exchange
        try:
            before = self.response.headers.items()
            status = exchange.check_take_over(before)
            shown = await self._begin_handshake(status)
            upgrade = [each for each in before if each[0].lower() == "upgrade"]
            session = exchange.take_over([*upgrade, *shown.headers.items()], self.link.now())
        except Refused as refused:
            raise HTTPError(refused.status, refused.reason, headers=refused.headers) from refused
        shown.freeze()
        self.link.pump()
        return RawStream(exchange, self.link, session)

    @abstractmethod
    def call(self, func: Callable[..., Any], *args: Any) -> Any:
        """Have `func(*args)` awaited for a `def` handler."""


_HAPPENS = "it tells what has happened to the exchange"

explain(
    Answering,
    {
        "request": "it is the client's own; what your code makes of it belongs on ctx.state",
        "state": "set attributes on it instead: ctx.state.name = value",
        "streams": "return an iterator, or use ctx.stream(), for an answer that is streamed",
        "half_closed": _HAPPENS,
        "disconnected": _HAPPENS,
        "interrupted": _HAPPENS,
        "last_event_id": "the client sends it; an event's own is that of events.send(..., id=)",
    },
)
