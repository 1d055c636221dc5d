"""WebSocket on one connection: messages, control frames, the close handshake, timers (RFC 6455).

`intake` takes in what the peer sends, by `frame_reader`; `frame_writer` makes the bytes of what is
sent. This file decides what is answered. A close waits until everything received before it was
answered. A deadline for each state is here, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from anylane.errors import Disconnected
from anylane.protocol.interfaces import Carrier, Closing, Join, Ping
from anylane.protocol.outgoing import Framed, join
from anylane.protocol.timers import Timer
from anylane.protocol.websocket.close_codes import check_close
from anylane.protocol.websocket.deflate import Agreed, Deflater, Inflater
from anylane.protocol.websocket.frame_writer import FrameWriter
from anylane.protocol.websocket.intake import MESSAGE_COST, Intake, Message
from anylane.protocol.websocket.liveness import Liveness
from anylane.protocol.websocket.phases import PHASES, Phase, PhaseEvent

if TYPE_CHECKING:
    from collections.abc import Hashable

    from anylane.protocol.exchange import Exchange

# Every message looks these up, and a member of an enum takes twice the time of a global.
_OPEN, _NO = Phase.OPEN, Closing.NO


class WebSocketProtocol(Intake):
    """A WebSocket session between the 101 and the end of the connection (RFC 6455).

    It is what the connection speaks then (`InnerProtocol`), and what its handler's side sees
    (`WebSocketSession`). Every `now` is in seconds, on the clock of the connection.

    phase: where the closing handshake is. subprotocol: the one chosen, or None.
    close_code, close_reason: those of the peer's close frame, or of the failure; None and "" while
        open.
    wants_read: False while more messages are held than their limit allows, or the rest of a read
        is not decoded yet.
    """

    __slots__ = ("_close_frame", "_left_with", "_owed_pong", "_owing", "_writer", "close_code",
                 "close_reason", "subprotocol")  # fmt: skip

    phase: Phase
    wants_read: bool
    received: int
    _taken: int
    _full: bool
    _rest: bytes
    _ended: bool

    def __init__(
        self,
        carrier: Carrier,
        exchange: Exchange,
        subprotocol: str | None,
        now: float,
        agreed: Agreed | None = None,
    ) -> None:
        settings = carrier.config.deflate
        inflater = Inflater(agreed) if agreed else None
        super().__init__(carrier, exchange, inflater, now)
        self._writer = FrameWriter(
            Deflater(agreed, settings) if agreed else None, settings.threshold
        )
        self._left_with = 0
        self._owing = False
        self._owed_pong: bytes | None = None
        self._close_frame: tuple[int, str] | None = None
        self.subprotocol: str | None = subprotocol
        self.close_code: int | None = None
        self.close_reason: str = ""
        self._life = Liveness(carrier, now)

    def _move(self, event: PhaseEvent) -> None:
        self.phase = PHASES[self.phase][event]

    # -- what the connection hears -----------------------------------------------------------

    def receive_eof(self, now: float) -> None:  # noqa: ARG002  # as InnerProtocol
        """End the session with 1006, for no close frame came; then the client is gone."""
        if self._rest:
            self._ended = True  # Its close frame may be in there.
            return
        if self.phase is Phase.ENDING:
            return  # Its close frame came; what it asked before that is still answered.
        self.connection_lost(Disconnected(1006, "the connection ended without a close frame"))
        self.carrier.close(Closing.CLOSE)

    def peer_left(self, now: float) -> None:
        """Give the handler `Timeouts.close` seconds to receive what is in front of the peer's end:
        as long as behind a close frame, which may be there, too."""
        if self.phase is _OPEN and not self.wants_read:
            timers = self.carrier.timers
            if not timers.is_set(Timer.CLOSE):
                self._left_with = self.received - self._taken
                timers.set(Timer.CLOSE, now + self._timeouts.close)

    def connection_lost(self, reason: Disconnected) -> None:
        """End the session; with 1006 if no close frame has come (RFC 6455 §7.1.5)."""
        if self.close_code is None:
            self.close_code, self.close_reason = 1006, reason.reason
        self._closed()

    def timeout(self, timer: Timer, now: float) -> None:
        """Act on PING, PONG or CLOSE, which has come."""
        match timer:
            case Timer.BODY:
                self._fail(1008, "a message came too slowly", now)
            case Timer.PING:
                if self._life.quiet(now):
                    self.ping(now)
            case Timer.PONG:
                if not self._life.alive(now):
                    self._fail(1011, "no pong came in time", now)
            case Timer.GO_ON:
                rest, self._rest = self._rest, b""
                self._read_on(rest, 0, self._pieces, now)
            case Timer.CLOSE if self.phase is Phase.ENDING:
                self._answer_close(now)
            case Timer.CLOSE if self.phase is Phase.OPEN:
                self._read_to_the_end(now)
            case Timer.CLOSE:
                self.connection_lost(Disconnected(1006, "no close frame came in time"))
                self.carrier.close(Closing.CLOSE)
            case _:
                pass

    def sent(self, now: float) -> None:
        """Do nothing: nothing waits for that here."""

    def eased(self, now: float) -> None:  # noqa: ARG002  # as InnerProtocol
        """Send the pong that waited for room in the output."""
        if self._owed_pong is not None and not self.carrier.congested:
            payload, self._owed_pong = self._owed_pong, None
            self._pong(payload)

    def shutdown(self, now: float) -> None:
        """Start the close handshake with 1001 (RFC 6455 §7.4.1)."""
        self.close(1001, "the server is shutting down", now)

    # -- what the handler asks -----------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """Whether neither side has begun to end the session."""
        return self.phase is _OPEN

    @property
    def latency(self) -> float | None:
        """Return the seconds that the last answered ping took, None before."""
        return self._life.latency

    @property
    def has_messages(self) -> bool:
        """Whether the next `poll` gives a message."""
        return bool(self._messages)

    def take(self) -> Message | None:
        """Return what `poll` would, if that does not depend on the time, else None."""
        if self._messages and not self._full:
            self._owing = True
            message, size = self._messages.popleft()
            self._taken += size
            return message
        return None

    def is_quiet(self) -> bool:
        """Return whether `poll` would give None, whatever the time is; if so, take note as it
        does that nothing more is owed."""
        if self._messages or self.phase is not _OPEN:
            return False
        self._owing = False
        return True

    def poll(self, now: float) -> Message | None:
        """Return the next message, None when there is none yet.

        Raise Disconnected, with the close code, when the session is over and all messages that came
        before were returned. A poll after the last of them answers the peer's close frame.
        """
        # Written out in WebSocketProtocol.take and WebSocketProtocol.is_quiet: see
        # tests/test_inlined_copies.py.
        if self._messages:
            self._owing = True
            message, size = self._messages.popleft()
            self._taken += size
            if self._full:
                held = self.received - self._taken + MESSAGE_COST * len(self._messages)
                if held <= self._limits.inbound_low:
                    self._full = False
                    self._unpause(now)
            return message
        self._owing = False
        if self.phase is Phase.ENDING:
            self._answer_close(now)
        if self.phase is Phase.CLOSED:
            raise Disconnected(self.close_code, self.close_reason)
        return None

    def send(self, message: Message) -> None:
        """Queue one message in one frame. Raise Disconnected if it cannot be sent any more."""
        if self.phase is not _OPEN and self.phase is not Phase.ENDING:
            raise Disconnected(self.close_code, self.close_reason or "the WebSocket is closing")
        conn = self.carrier
        if conn.closing is _NO:  # As `Connection.send`, without the call.
            size = self._writer.write(message, conn.out)
            conn.queued += size
            self._exchange.sent += size

    @property
    def framing(self) -> Hashable:
        """See `WebSocketSession`."""
        return self._writer.framing

    def form(self, message: Message) -> Framed:
        """Return the frame of a message."""
        chunks: list[bytes] = []
        self._writer.write(message, chunks)
        return Framed.of(chunks)

    @property
    def join(self) -> Join:
        """See `WebSocketSession`."""
        return join

    def put(self, formed: Framed) -> None:
        """Queue a frame that `form` has made. Raise Disconnected if it cannot be sent any more."""
        if self.phase is not _OPEN and self.phase is not Phase.ENDING:
            raise Disconnected(self.close_code, self.close_reason or "the WebSocket is closing")
        conn = self.carrier
        if conn.closing is _NO:
            chunks, size, _ = formed
            conn.out += chunks
            conn.queued += size
            self._exchange.sent += size

    def ping(self, now: float) -> Ping:
        """Send a ping and return it; the peer owes a pong (RFC 6455 §5.5.2).

        A session that is not open sends none: the ping that is returned stays unanswered.
        """
        ping = Ping(now)
        if self.phase is Phase.OPEN:
            payload = self.carrier.token(4)
            self.carrier.send(self._writer.ping(payload))
            self._life.asked(payload, ping, reading=self.wants_read)
        return ping

    def close(self, code: int, reason: str, now: float) -> None:
        """Start or answer the close handshake (RFC 6455 §7.1.2). Do nothing if that was done.

        Raise UsageError for a code or a reason that must not be sent (§7.4).
        """
        check_close(code, reason)
        if self.phase is Phase.ENDING:
            self._answer_close(now)
        elif self.phase is Phase.OPEN:
            self._move(PhaseEvent.WE_CLOSE)
            self._send_close(code, reason)
            self._life.stop()
            self._reader.skip_messages()
            self._full = False  # Its close frame may be behind what made us pause.
            self._unpause(now)
            self.carrier.timers.set(Timer.CLOSE, now + self._timeouts.close)

    def finish(self, now: float) -> None:
        """Close with 1000 and drop the messages: the handler has ended and receives no more."""
        self._messages.clear()
        self._taken = self.received
        self.close(1000, "", now)

    # -- frames ----------------------------------------------------------------------------------

    def _pong(self, payload: bytes) -> None:
        # RFC 6455 §5.5.3: only the latest ping needs an answer, so a peer that sends pings and
        # reads nothing costs one payload, not a queue.
        if self.carrier.congested:
            self._owed_pong = payload
        else:
            self.carrier.send(self._writer.pong(payload))

    # -- the end ---------------------------------------------------------------------------------

    def _peer_ends(self, code: int, reason: str, now: float, *, violation: bool) -> None:
        """Begin the end for a close frame, which is echoed, or a violation, which is named."""
        self.close_code, self.close_reason = code, reason
        self._close_frame = (code, reason if violation else "")
        self._exchange.news = True
        self._life.stop()
        self._move(PhaseEvent.PEER_ENDS)
        if self.phase is Phase.CLOSED:
            self._closed()
            self.carrier.linger(now)
        elif self._messages or self._owing:
            # A peer that sent a question and then a close still gets its answer, but not for ever.
            self.carrier.timers.set(Timer.CLOSE, now + self._timeouts.close)
        else:
            self._answer_close(now)

    def _read_to_the_end(self, now: float) -> None:
        """Read on to the end of a peer that has left. If the handler receives nothing, what comes
        in front of the end is dropped."""
        if self.received - self._taken != self._left_with:
            self._left_with = self.received - self._taken
            self.carrier.timers.set(Timer.CLOSE, now + self._timeouts.close)
        else:
            self._reader.skip_messages()
            self._full = False
            self._unpause(now)

    def _answer_close(self, now: float) -> None:
        code, reason = self._close_frame or (1000, "")
        self._move(PhaseEvent.WE_CLOSE)
        self._send_close(code, reason)
        self._closed()
        self.carrier.linger(now)

    def _fail(self, code: int, reason: str, now: float) -> None:
        """Close without waiting for an answer: the peer cannot be reached any more."""
        self._send_close(code, reason)
        self.close_code, self.close_reason = code, reason
        self._closed()
        self.carrier.linger(now)

    def _send_close(self, code: int, reason: str) -> None:
        self.carrier.send(self._writer.close(code, reason))

    def _closed(self) -> None:
        self._move(PhaseEvent.LOST)
        self._life.stop()
        self.carrier.timers.clear(Timer.CLOSE)
        self._rest = b""
        self._full = False
        self.wants_read = True
        self._exchange.lose(Disconnected(self.close_code, self.close_reason))
