"""Liveness: whether the peer of a WebSocket is alive, by our pings and by every other byte.

It keeps PING, PONG and the BODY of a message that comes in pieces, and neither sends nor closes.
Noting the time of each read is cheaper than setting a timer for each, so what came is looked at
when a timer has come.
"""

from __future__ import annotations

from anylane.protocol.interfaces import Carrier, Ping
from anylane.protocol.pace import Pace
from anylane.protocol.timers import Timer

_MAX_PINGS = 64
"""Pings that wait for a pong. A peer that sends but never answers lives; what a handler asks it
must not pile up."""


class Liveness:
    """The signs of life of one peer. Every `now` is in seconds, on the clock of the connection.

    expects: whether a message has begun and has to go on. heard: when a byte came last. latency: of
    the last ping that was answered, in seconds; None before.
    """

    __slots__ = ("_carrier", "_pace", "_pings", "_timeouts", "expects", "heard", "latency")

    def __init__(self, carrier: Carrier, now: float) -> None:
        self._carrier = carrier
        self._timeouts = carrier.config.timeouts
        self._pings: dict[bytes, Ping] = {}
        self._pace: Pace | None = None
        self.expects: bool = False
        self.heard: float = now
        self.latency: float | None = None
        carrier.timers.set(Timer.PING, now + self._timeouts.ping)

    def asked(self, payload: bytes, ping: Ping, *, reading: bool) -> None:
        """Take note that a ping was sent. reading: whether its pong would be read."""
        if len(self._pings) == _MAX_PINGS:
            del self._pings[next(iter(self._pings))]  # A pong for a later one is as good.
        self._pings[payload] = ping
        timers = self._carrier.timers
        timers.clear(Timer.PING)
        if not reading:
            timers.set(Timer.PING, ping.sent_at + self._timeouts.ping)
        elif not timers.is_set(Timer.PONG):
            timers.set(Timer.PONG, ping.sent_at + self._timeouts.pong)

    def answered(self, payload: bytes, now: float, *, reading: bool) -> bool:
        """Take note of a pong; return False if nobody asked for it, which is a heartbeat of the
        peer's own (RFC 6455 §5.5.3). reading: whether the next would be read."""
        if payload not in self._pings:
            return False
        # A pong answers all pings up to its own.
        for key in list(self._pings):
            ping = self._pings.pop(key)
            ping.latency = self.latency = now - ping.sent_at
            if key == payload:
                break
        timers = self._carrier.timers
        timers.clear(Timer.PONG)
        oldest = next(iter(self._pings.values()), None)
        if oldest is None:
            timers.set(Timer.PING, now + self._timeouts.ping)
        elif reading:
            timers.set(Timer.PONG, max(now, oldest.sent_at + self._timeouts.pong))
        return True

    def quiet(self, now: float) -> bool:
        """Return whether nothing has come for as long as that takes: PING has come. If something
        has, its time begins anew."""
        due = self.heard + self._timeouts.ping
        if due > now:
            self._carrier.timers.set(Timer.PING, due)
        return due <= now

    def alive(self, now: float) -> bool:
        """Return whether there was another sign of life than the pong: PONG has come. If there was,
        its time begins anew.

        A pong cannot come in the middle of a frame that is still arriving, nor before our ping,
        which may be behind much of our own data, has reached the peer. So bytes in either direction
        count.
        """
        due = max(self.heard, self._carrier.moved) + self._timeouts.pong
        if due > now:
            self._carrier.timers.set(Timer.PONG, due)
        return due > now

    def keep_pace(self, size: int, now: float, unfinished: bool) -> None:
        """Hold a message to its minimum rate, from its first byte to its last. `size` bytes have
        come. unfinished: more of it is to come, and is read."""
        began, self.expects = self.expects, unfinished
        if not unfinished:
            self._carrier.timers.clear(Timer.BODY)
            return
        if self._pace is None:
            self._pace = Pace(
                self._carrier.timers,
                Timer.BODY,
                rate=self._carrier.config.limits.body_rate,
                grace=self._timeouts.rate_grace,
                pause=self._timeouts.body,
            )
        if began:
            self._pace.moved(size, now)
        else:
            self._pace.begin(now)

    def pause(self) -> None:
        """Wait for no pong: while we do not read, one that came in time would stay in the kernel.

        Pings go on. To a program that has ended they are answered with a reset, also where its end
        could not reach us, because our kernel has no room for what is in front of it.
        """
        timers = self._carrier.timers
        timers.clear(Timer.PONG)
        if self._pings:
            timers.set(Timer.PING, self.heard + self._timeouts.ping)

    def resume(self, now: float) -> None:
        """Wait for the pongs that are owed: we read again."""
        if self._pings:
            self._carrier.timers.clear(Timer.PING)
            self._carrier.timers.set(Timer.PONG, now + self._timeouts.pong)

    def stop(self) -> None:
        """Expect nothing more: the session ends."""
        self._pings.clear()
        self.expects = False
        for timer in (Timer.PING, Timer.PONG, Timer.BODY):
            self._carrier.timers.clear(timer)
