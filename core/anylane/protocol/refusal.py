"""Refusal: the connection of a client for which there is no place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anylane.protocol.http1.encoding import encode_head, with_defaults
from anylane.protocol.interfaces import Closing
from anylane.protocol.timers import NEVER

if TYPE_CHECKING:
    from anylane.config.server_config import ServerConfig
    from anylane.protocol.exchange import Exchange
    from anylane.protocol.peer import Address

LINGER = 1.0
"""Seconds in which a refused client can take its answer. It costs no place, but a descriptor."""

RETRY_AFTER = 5
"""Seconds after which a refused client is asked to come again (RFC 9110 §10.2.3): places become
free within the time of a few requests, and not all clients of a full house should come at once."""

_HEADERS = (("retry-after", str(RETRY_AFTER)), ("content-length", "0"), ("connection", "close"))


class Refusal:
    """A machine as `Connection` is, which answers 503 without having read a request, and closes.

    Input is thrown away for a moment, so that a reset cannot destroy the answer (RFC 9112 §9.6). No
    hook and no handler ever runs.

    config: the server's settings. peer: the client. now: the time at which it begins, in seconds.
    answers: False only closes.
    """

    __slots__ = ("_deadline", "_discarded", "closing", "config", "out", "peer", "queued", "unsent",
                 "waiting")  # fmt: skip

    local = tls = proxy = hosted = read_size = None
    refused = True
    ready = idle = congested = False
    caught_up = True
    pending = 0
    idle_since = NEVER
    handler_due = NEVER

    def __init__(self, config: ServerConfig, peer: Address, now: float, *, answers: bool) -> None:
        self.config: ServerConfig = config
        self.peer: Address = peer
        self.closing: Closing = Closing.NO if answers else Closing.CLOSE
        self.out: list[bytes] = []
        if answers:
            self.out.append(encode_head(503, with_defaults(_HEADERS, config.headers)))
        self.queued: int = sum(map(len, self.out))
        self.unsent: int = self.queued
        self.waiting: list[Exchange] = []
        self._deadline = now + LINGER
        self._discarded = 0

    # -- inputs

    def receive_data(self, data: bytes, now: float) -> None:  # noqa: ARG002  # as Connection
        """Throw it away, up to `Limits.linger`."""
        self._discarded += len(data)
        if self._discarded > self.config.limits.linger:
            self.abort()

    def receive_eof(self, now: float) -> None:  # as Connection
        """Close: the client has what it gets."""
        self.dismiss(now)

    def connection_lost(self, exc: BaseException | None) -> None:  # noqa: ARG002  # as Connection
        """Take note that the transport is gone."""
        self.abort()

    def handle_timeout(self, now: float) -> None:
        """Close when the moment is over, with a reset if the client has not taken its answer."""
        if now >= self._deadline:
            self._deadline = NEVER
            self.closing = Closing.ABORT if self.unsent else max(self.closing, Closing.CLOSE)

    def data_unsent(self, size: int, now: float) -> None:  # noqa: ARG002  # as Connection
        """Take note of what the kernel has not taken."""
        self.unsent = self.queued + size

    def data_taken(self, taken: int, pending: int, now: float) -> None:
        """Do nothing: it ends in a moment, however much the client has taken."""

    def peer_left(self, now: float) -> None:
        """Do nothing: it reads on for its moment, and finds the end by itself."""

    def shutdown(self, now: float) -> None:
        """Do nothing: it ends in a moment."""

    def dismiss(self, now: float) -> None:  # noqa: ARG002  # as Connection
        """Close."""
        self.closing = max(self.closing, Closing.CLOSE)

    def abort(self) -> None:
        """End it now."""
        self.closing = Closing.ABORT
        self._deadline = NEVER
        self.out.clear()
        self.queued = self.unsent = 0

    def forget(self, exchange: Exchange) -> None:
        """Do nothing: there is no exchange."""

    def release(self) -> None:
        """Do nothing: nothing is inside."""

    def relieve(self, stuck: Exchange, now: float) -> Refusal:  # noqa: ARG002  # as Connection
        """Return itself: no handler runs here that could block its owner."""
        return self

    # -- outputs

    def data_to_send(self) -> list[bytes]:
        """Return the answer, once. Behind it our side ends."""
        out, self.out = self.out, []
        self.queued = 0
        if out:
            self.closing = max(self.closing, Closing.SEND_EOF)
        return out

    def next_exchange(self) -> None:
        """Return None: nothing is started for this client."""

    def next_deadline(self) -> float | None:
        """Return when to call `handle_timeout`."""
        return None if self._deadline == NEVER else self._deadline

    @property
    def deadline_bound(self) -> float:
        """Return the same, NEVER if there is none."""
        return self._deadline

    @property
    def wants_read(self) -> bool:
        """Return whether input is still thrown away."""
        return self.closing < Closing.CLOSE
