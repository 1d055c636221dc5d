"""Intake: what a WebSocket session takes in, up to its mark and a few frames at a time.

`frame_reader` turns the bytes into messages and control frames. This file decides how much of them
is decoded now, which is the backpressure. What is answered to them is `session`'s.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from typing import TYPE_CHECKING

from anylane.protocol.interfaces import Carrier, Closing
from anylane.protocol.timers import Timer
from anylane.protocol.websocket.deflate import Inflater
from anylane.protocol.websocket.frame_reader import (
    CloseReceived,
    FrameReader,
    MessageReceived,
    PingReceived,
    PongReceived,
    Received,
    Violation,
)
from anylane.protocol.websocket.liveness import Liveness
from anylane.protocol.websocket.phases import Phase

if TYPE_CHECKING:
    from anylane.protocol.exchange import Exchange

Message = str | bytes

_OPEN = Phase.OPEN  # Every message asks for it; a member of an enum takes twice the time.

MESSAGE_COST = 64
"""Bytes that a held message counts besides its own, so that a flood of empty messages is one."""


class Intake(ABC):
    """Half of `WebSocketProtocol`: what comes from the peer.

    received: bytes of the messages that have come. _taken: of those that the handler was given.
    """

    __slots__ = ("_discarded", "_ended", "_exchange", "_full", "_life", "_limits",
                 "_messages", "_pieces", "_reader", "_rest", "_taken", "_timeouts", "carrier",
                 "phase", "received", "wants_read")  # fmt: skip

    def __init__(
        self, carrier: Carrier, exchange: Exchange, inflater: Inflater | None, now: float
    ) -> None:
        self.carrier: Carrier = carrier
        self._exchange = exchange
        self._limits = carrier.config.limits
        self._timeouts = carrier.config.timeouts
        self._pieces = self._limits.pieces_per_turn
        self._reader = FrameReader(
            self._limits.message,
            inflater,
            fragments=self._limits.fragments,
            express=carrier.config.express,
        )
        self.phase: Phase = Phase.OPEN
        self._life = Liveness(carrier, now)
        self._messages: deque[tuple[Message, int]] = deque()
        self.received: int = 0
        self._taken = 0
        self._full = False
        self._rest = b""
        self._ended = False
        self.wants_read: bool = True
        self._discarded = 0

    # -- the other half --------------------------------------------------------------------------

    @abstractmethod
    def receive_eof(self, now: float) -> None:
        """See `InnerProtocol`."""

    @abstractmethod
    def _pong(self, payload: bytes) -> None:
        """Answer a ping."""

    @abstractmethod
    def _peer_ends(self, code: int, reason: str, now: float, *, violation: bool) -> None:
        """Begin the end for a close frame or a violation."""

    # -- what comes ------------------------------------------------------------------------------

    def receive_data(self, data: bytes, now: float) -> None:
        """Take bytes of the peer: hold messages, answer control frames, end at a violation."""
        self._life.heard = now
        if self.phase is _OPEN and self.wants_read:
            had = len(self._messages)
            at, size = self._reader.read_plain(data, self._messages, self._pieces)
            if at:
                self._hold(size)
            if at == len(data):
                return
            self._read_on(data, at, self._pieces - len(self._messages) + had, now)
        elif not self._listening():
            self._discarded += len(data)
            if self._discarded > self._limits.linger:
                self.carrier.close(Closing.ABORT)
        elif self.wants_read:
            self._read_on(data, 0, self._pieces, now)
        else:
            self._rest += data
        if self._reader.unfinished or self._life.expects:
            self._life.keep_pace(len(data), now, self._awaits_message)

    @property
    def _awaits_message(self) -> bool:
        return self.phase is _OPEN and self.wants_read and self._reader.unfinished

    def _read_on(self, data: bytes, at: int, pieces: int, now: float) -> None:
        """Decode from *at* on: all of it, or up to the mark, or so many frames. The rest is gone on
        with in another turn, and nothing is read meanwhile.

        A read may hold a thousand messages, and each of them may be a thousand times as large as
        its frame.
        """
        reader, size = self._reader, len(data)
        try:
            while at < size and pieces > 0 and not self._full and self._listening():
                pieces -= 1
                if self.phase is _OPEN and (whole := reader.read_frame(data, at)) is not None:
                    message, length, at = whole
                    if message is not None:
                        self._messages.append((message, length))
                        self._hold(length)
                    continue
                end, before = reader.next_slice(data, at), reader.frames
                for received in reader.read(data[at:end]):
                    self._receive(received, now)
                pieces -= max(0, reader.frames - before - 1)
                at = end
        except Violation as violation:
            self._peer_ends(violation.code, violation.reason, now, violation=True)
        if at < size and self._listening():
            self._rest = data[at:]
            self._pause()
            if not self._full:
                self.carrier.timers.set(Timer.GO_ON, now)
        elif not self.wants_read and not self._full:
            self._unpause(now)
            if self._ended:
                self.receive_eof(now)

    def _pause(self) -> None:
        self.wants_read = False
        self._life.pause()

    def _unpause(self, now: float) -> None:
        """Read again, after what is left of the latest read."""
        if self._rest:
            self.carrier.timers.set(Timer.GO_ON, now)
            return
        self.wants_read = True
        self._life.resume(now)
        self._life.keep_pace(0, now, self._awaits_message)

    def _listening(self) -> bool:
        return self.phase in (Phase.OPEN, Phase.CLOSING)

    def _receive(self, received: Received, now: float) -> None:
        match received:
            case MessageReceived():
                # RFC 6455 §5.5.1: after our close frame, data is of no use any more.
                if self.phase is Phase.OPEN:
                    self._messages.append((received.data, received.size))
                    self._hold(received.size)
            case PingReceived():
                if self.phase is Phase.OPEN:
                    self._pong(received.payload)
            case PongReceived():
                if self._life.answered(received.payload, now, reading=self.wants_read):
                    self._exchange.news = True
            case CloseReceived():
                self._peer_ends(received.code, received.reason, now, violation=False)

    def _hold(self, size: int) -> None:
        """Take note that messages of that size were appended."""
        self._exchange.news = True
        self.received += size
        held = self.received - self._taken + MESSAGE_COST * len(self._messages)
        if held > self._limits.inbound_high and not self._full:
            self._full = True
            self._pause()
