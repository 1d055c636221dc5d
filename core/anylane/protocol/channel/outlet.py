"""AnswerOutlet: the answer of a channel, as the messages that its host is given."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from anylane.errors import Disconnected, UsageError
from anylane.protocol.channel.answer import Answer, encoded, plain_start
from anylane.protocol.channel.outputs import Content, Goodbye, Hints, Message
from anylane.protocol.channel.request_body import BodyIntake
from anylane.protocol.http1.encoding import with_defaults
from anylane.protocol.interfaces import Closing
from anylane.protocol.sse import EventStreamProtocol
from anylane.protocol.timers import Timer

if TYPE_CHECKING:
    from anylane.config.server_config import ServerConfig
    from anylane.protocol.fields import Header
    from anylane.protocol.request_head import RequestHead


@dataclass(frozen=True, slots=True)
class Abilities:
    """What the host of a channel can do besides answers and WebSockets.

    hints: informational responses (103). trailers: fields behind a body. denials: answers to a
    handshake that is not accepted; without it the client gets the host's own. closes: the end of
    its connection behind an answer that says `connection: close`, as HTTP/1 has it.
    """

    hints: bool = False
    trailers: bool = False
    denials: bool = False
    closes: bool = False


NO_ABILITIES = Abilities()


class AnswerOutlet(BodyIntake):
    """A part of `MessageChannel`: what goes to the client in answer to a request.

    draining: the answer is to end soon.
    """

    __slots__ = ("_abilities", "_answer", "_denied", "_events", "_subprotocols",
                 "draining")  # fmt: skip

    closing: Closing
    queued: int

    def __init__(
        self,
        config: ServerConfig,
        head: RequestHead | None,
        subprotocols: Sequence[str] | None,
        abilities: Abilities,
    ) -> None:
        super().__init__(config, head)
        self._abilities = abilities
        self._subprotocols = subprotocols
        self._answer: Answer | None = None
        self._denied = False
        self._events: EventStreamProtocol | None = None
        self.draining: bool = False

    def give(self, message: Message) -> None:
        """Queue a message for the host; it is dropped once the channel is closing."""
        if self.closing is Closing.NO:
            self.out.append(message)
            self.queued += len(message)

    def close(self, how: Closing) -> None:
        """End the channel when all that was queued was given, or at once (ABORT)."""
        if how > self.closing:
            self.closing = how
            self.timers.clear_all(Timer.WRITE_STALL, Timer.DRAIN)

    # -- Stream ------------------------------------------------------------------------------------

    @property
    def _open(self) -> bool:
        """Whether something can be answered still."""
        return self._exchange.gone is None and self.closing is Closing.NO

    def send_informational(self, status: int, headers: Iterable[Header]) -> None:
        """See `Stream`. Where the host takes none, none is sent."""
        if self._open and self._abilities.hints and status != 100 and not self._exchange.started:
            self.give(Hints(status, encoded(headers)))

    def send_head(self, status: int, headers: Iterable[Header], length: int | None) -> None:
        """See `Stream`."""
        exchange, can = self._exchange, self._abilities
        if not self._open or exchange.started:
            return
        closes = not self._body_will_end if can.closes else None
        answer = Answer(exchange.head, trailers=can.trailers, closes=closes)
        start = answer.head(status, with_defaults(headers, self.config.headers), length)
        self._answer = answer
        self.timers.clear(Timer.HANDLER)
        exchange.started = True
        if self._subprotocols is not None and not self._abilities.denials:
            self._denied = True
            self.give(Goodbye(1008, ""))
        else:
            self.give(start)

    def conclude(self, status: int, headers: Sequence[Header], body: bytes, now: float) -> bool:  # noqa: ARG002  # as Stream
        """See `Stream`. It gives what an Answer would, which knows all the exceptions; 0.9 of the
        time of a plain request without it."""
        exchange = self._exchange
        if self._subprotocols is not None or exchange.head is None or not self._open:
            return False
        if exchange.head.method == b"HEAD" or not exchange.body_complete:
            return False
        if self.config.headers:
            headers = with_defaults(headers, self.config.headers)
        start = plain_start(status, headers, len(body))
        if start is None:
            return False
        self.give(start)
        self.give(Content(body, more=False))
        self.close(Closing.CLOSE)
        return True

    def send_data(self, data: bytes) -> None:
        """See `Stream`."""
        answer = self._answer
        if self._open and answer is not None and not answer.ended:
            piece = answer.content(data)
            if piece is not None and not self._denied:
                self.give(piece)

    def send_end(self, trailers: Iterable[Header]) -> None:
        """See `Stream`."""
        answer = self._answer
        if self._open and answer is not None and not answer.ended:
            last, *more = answer.end(trailers)
            self._end_events()
            if self._denied:
                return
            out = self.out
            if out and isinstance(out[-1], Content):
                out[-1] = Content(out[-1].data, more=False)  # One message less for the host.
            else:
                self.give(last)
            for message in more:
                self.give(message)

    def begin_events(
        self, *, retry: int | None, heartbeat: float | None, now: float
    ) -> EventStreamProtocol:
        """See `Stream`."""
        exchange, answer = self._exchange, self._answer
        if answer is None or answer.ended:
            raise UsageError("an event stream begins after the head of its response was sent")
        events = EventStreamProtocol(
            exchange.carrier, exchange, retry=retry, heartbeat=heartbeat, now=now
        )
        self._events = events
        if answer.bodyless:
            # To HEAD the answer is complete, and the handler might run for ever.
            self.send_end(())
            exchange.lose(Disconnected(None, "the request was HEAD: its answer is complete"))
        elif self.draining:
            events.shutdown()
        return events

    def _end_events(self) -> None:
        if self._events is not None:
            self._events.end()
            self._events = None
