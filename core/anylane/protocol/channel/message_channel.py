"""MessageChannel: one exchange whose carrier is a channel of messages instead of a byte connection.

The host of such an exchange (an ASGI server, a browser's fetch event) has read the request and
frames the answer. What is left is what anylane promises: limits, deadlines, marks, interruption,
the end. So everything above an exchange is the same as on a byte connection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, cast

from anylane.errors import Disconnected, Refused, UsageError
from anylane.protocol.channel.answer import encoded, without_connection
from anylane.protocol.channel.message_socket import ChannelWebSocket
from anylane.protocol.channel.outlet import NO_ABILITIES, Abilities, AnswerOutlet
from anylane.protocol.channel.outputs import Accepted
from anylane.protocol.exchange import Exchange, Interrupt
from anylane.protocol.http1.encoding import with_defaults
from anylane.protocol.interfaces import Closing
from anylane.protocol.timers import NEVER, Timer

if TYPE_CHECKING:
    from anylane.config.server_config import ServerConfig
    from anylane.protocol.fields import Header
    from anylane.protocol.interfaces import Carrier, HearsOutput, Stream
    from anylane.protocol.peer import Address, Hosted
    from anylane.protocol.request_head import RequestHead


class MessageChannel(AnswerOutlet):
    """One request, or one WebSocket, with what comes of it: a `Connection` for a single exchange.

    Inputs are `receive_body`, `receive_message`, `receive_close` and `receive_disconnect`; after
    each look at all outputs, as a Driver does. `data_to_send` gives `Message`s.

    head: the request, None with `refused`: why it cannot be answered otherwise.
    subprotocols: those that the client of a WebSocket offers; None for a request.
    peer, local, tls, token: as for a Connection. hosted: what else the host says. now: in seconds;
    so is every other time.
    cut: the answer is not whole, and its client must be told so by the end of the connection.
    """

    __slots__ = ("_protocol", "_running", "_token", "_websocket", "cut", "hosted", "local", "peer",
                 "tls", "waiting")  # fmt: skip

    read_size = proxy = None
    refused = False
    ready = True
    handler_due = NEVER
    idle_since = NEVER

    closing: Closing
    eof: bool
    queued: int

    def __init__(
        self,
        config: ServerConfig,
        head: RequestHead | None,
        *,
        now: float,
        token: Callable[[int], bytes],
        subprotocols: Sequence[str] | None = None,
        abilities: Abilities = NO_ABILITIES,
        peer: Address = None,
        local: Address = None,
        tls: Any = None,
        hosted: Hosted | None = None,
        refused: Refused | None = None,
    ) -> None:
        super().__init__(config, head, subprotocols, abilities)
        self._token = token
        self._websocket: ChannelWebSocket | None = None
        self._protocol: HearsOutput = self
        self._running = False
        self.peer: Address = peer
        self.local: Address = local
        self.tls: Any = tls
        self.hosted: Hosted | None = hosted
        self.cut: bool = False
        self._exchange = Exchange(self, self, head, refused)
        self.waiting: list[Exchange] = [self._exchange]
        self.timers.set(Timer.HANDLER, now + config.request_timeout)
        if not (self._exchange.body_complete or self._paused):
            self._expect_body(now)

    # -- inputs ------------------------------------------------------------------------------------

    def receive_message(self, message: str | bytes) -> None:
        """Take a message of the WebSocket."""
        if self._websocket is not None:
            self._websocket.receive(message)

    def receive_close(self, code: int, reason: str) -> None:
        """Take note that the client has closed the WebSocket, or is gone (1006)."""
        self.eof = True
        if self._websocket is not None:
            self._websocket.peer_left(code, reason)
        self._exchange.lose(Disconnected(code, reason))

    def receive_disconnect(self) -> None:
        """Take note that the client of a request is gone. Harmless behind the whole answer: hosts
        say it then of every client."""
        self.eof, answer = True, self._answer
        if not (self._exchange.finished or (answer is not None and answer.ended)):
            self._end_events()
            self._exchange.lose(Disconnected(None, "the client is gone"))

    def connection_lost(self, exc: BaseException | None) -> None:
        """Take note that nothing more can be given: the host has ended, or has failed."""
        self.closing = Closing.ABORT
        self.out.clear()
        self.queued = self.backlog = 0
        self.timers.clear_all()
        reason = str(exc) if exc else "connection lost"
        if self._websocket is not None:
            self._websocket.peer_left(1006, reason)
        self._end_events()
        self._exchange.lose(Disconnected(None, reason))

    def handle_timeout(self, now: float) -> None:
        """Act on the deadlines that have come; too early or too often is harmless."""
        if self._running:
            self._exchange.fire_alarms(now)
        while (timer := self.timers.take_due(now)) is not None:
            match timer:
                case Timer.HANDLER:
                    self._handler_late(now)
                case Timer.BODY:
                    self._body_late(now)
                case Timer.HEARTBEAT if self._events is not None:
                    self._events.timeout(now)
                case Timer.WRITE_STALL:
                    self._lose("the client stopped reading")
                case Timer.DRAIN:
                    self.abort()
                case _:
                    pass

    def shutdown(self, now: float) -> None:
        """Drain: let a request end, tell event streams and WebSockets to."""
        if not self.draining and self.closing is not Closing.ABORT:
            self.draining = True
            self.timers.set(Timer.DRAIN, now + self.config.timeouts.drain)
            if self._websocket is not None:
                self._websocket.close(1001, "the server is shutting down", now)
            elif self._events is not None:
                self._events.shutdown()

    def abort(self) -> None:
        """End everything now. The handler is interrupted."""
        self._exchange.interrupted(Interrupt.SHUTDOWN)
        self._lose("the server shut down")

    def forget(self, exchange: Exchange) -> None:
        """Take note that the last coroutine of the exchange has returned."""
        exchange.forgotten = True
        self._running = False

    def release(self) -> None:
        """Drop what refers to this channel itself, as `Connection.release` does. There is one for
        each request: a collector that had to find them took an eighth of the time."""
        self._protocol = _NOTHING
        self._exchange = _ENDED

    def _ignore(self, *_: Any, **__: Any) -> None:
        """Do nothing: there are no bytes here."""

    receive_data: Callable[..., None] = _ignore
    receive_eof: Callable[..., None] = _ignore
    peer_left: Callable[..., None] = _ignore
    dismiss: Callable[..., None] = _ignore

    def relieve(self, stuck: Exchange, now: float) -> MessageChannel:  # noqa: ARG002  # as Connection
        """Return itself: a lane whose handlers block has no channels."""
        return self

    # -- outputs -----------------------------------------------------------------------------------

    def next_exchange(self) -> Exchange | None:
        """Return the exchange, once."""
        if not self.waiting:
            return None
        exchange = self.waiting.pop()
        exchange.news = False
        self._running = True
        return exchange

    def next_deadline(self) -> float | None:
        """Return when to call `handle_timeout`, or None."""
        deadline = self.timers.next()
        if self._running:
            deadline = min(deadline, self._exchange.next_alarm())
        return None if deadline == NEVER else deadline

    @property
    def deadline_bound(self) -> float:
        """Return a time that is never later than `next_deadline`."""
        bound = self.timers.bound
        return min(bound, self._exchange.next_alarm()) if self._running else bound

    @property
    def wants_read(self) -> bool:
        """Whether to ask the host for more: a body, a message, or that the client has left."""
        if self.eof or self.closing is Closing.ABORT:
            return False
        if self._websocket is not None and self.closing is Closing.NO:
            return self._websocket.wants_read
        # Behind the answer all that comes is dropped: a host may wait for that to send its end.
        return self.closing >= Closing.CLOSE or self._exchange.body_complete or not self._paused

    # -- Carrier -----------------------------------------------------------------------------------

    def token(self, size: int) -> bytes:
        """Return that many random bytes."""
        return self._token(size)

    def linger(self, now: float) -> None:  # noqa: ARG002  # as Carrier
        """End the channel: what a client still sends is the host's to throw away."""
        self.close(Closing.CLOSE)

    def sent(self, now: float) -> None:
        """Do nothing: nothing waits here for the last of the output."""

    def eased(self, now: float) -> None:
        """Count the client's time anew: it was not read."""
        if self.timers.is_set(Timer.BODY):
            self._expect_body(now)

    # -- Stream ------------------------------------------------------------------------------------

    def check_accept(self, subprotocol: str | None) -> None:
        """See `Stream`."""
        if self._exchange.started or self.closing is not Closing.NO:
            raise UsageError("too late to accept a WebSocket: the exchange was answered already")
        if self._subprotocols is None:
            raise Refused(426, "this is a WebSocket; its client did not ask for one")
        if subprotocol is not None and subprotocol not in self._subprotocols:
            raise UsageError(
                f"subprotocol {subprotocol!r} was accepted, but the client offered "
                f"{', '.join(self._subprotocols) or 'none'} (RFC 6455 §4.2.2)"
            )

    def accept(
        self, headers: Iterable[Header], subprotocol: str | None, now: float
    ) -> ChannelWebSocket:
        """See `Stream`."""
        self.check_accept(subprotocol)
        lines = without_connection(with_defaults(headers, self.config.headers))
        accepted = Accepted(subprotocol, encoded(lines))
        self.timers.clear(Timer.HANDLER)
        self._exchange.started = True
        self._websocket = ChannelWebSocket(self, self.give, self._exchange, subprotocol)
        self.give(accepted)
        if self.draining:
            self._websocket.close(1001, "the server is shutting down", now)
        return self._websocket

    def check_take_over(self, headers: Iterable[Header]) -> NoReturn:  # noqa: ARG002  # as Stream
        """Raise Refused: the connection is the host's."""
        raise Refused(501, "the connection belongs to another server, which does not give it away")

    def take_over(self, headers: Iterable[Header], now: float) -> NoReturn:  # noqa: ARG002  # as Stream
        """Raise Refused, as `check_take_over`."""
        self.check_take_over(headers)

    def finish(self, now: float) -> None:  # noqa: ARG002  # as Stream
        """End the exchange: its handler has ended, the answer maybe not."""
        self._end_events()
        whole = self._denied or (self._answer is not None and self._answer.ended)
        self.cut = not whole and self._exchange.gone is None
        self.close(Closing.CLOSE)

    # -- what is late ------------------------------------------------------------------------------

    def _handler_late(self, now: float) -> None:
        exchange = self._exchange
        if exchange.started or not self._open:
            return
        if exchange.interrupt is None:
            # The handler gets `close` seconds to react to its cancellation, then we answer.
            self.timers.set(Timer.HANDLER, now + self.config.timeouts.close)
            exchange.interrupted(Interrupt.DEADLINE)
            return
        exchange.respond(503, [("connection", "close")], b"")
        self.close(Closing.CLOSE)

    def _lose(self, why: str) -> None:
        self.cut = self.cut or self._exchange.gone is None
        self.connection_lost(Disconnected(None, why))


class _Nothing:
    """What a channel that is over reports to."""

    def sent(self, now: float) -> None: ...
    def eased(self, now: float) -> None: ...


_NOTHING = _Nothing()

_ENDED = Exchange(cast("Stream", _NOTHING), cast("Carrier", _NOTHING), None)
"""The exchange of a channel that is over: what its host still reports changes nothing."""
_ENDED.finished = _ENDED.forgotten = True
_ENDED.gone = Disconnected(None, "the exchange is over")
