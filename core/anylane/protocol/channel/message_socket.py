"""ChannelWebSocket: a WebSocket whose frames are the host's. Here are its messages and its end."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING

from anylane.errors import Disconnected, UsageError
from anylane.protocol.channel.outputs import Goodbye, Message, Sent
from anylane.protocol.interfaces import Carrier, Closing, Join, Ping
from anylane.protocol.websocket.close_codes import check_close
from anylane.protocol.websocket.intake import MESSAGE_COST

if TYPE_CHECKING:
    from anylane.protocol.exchange import Exchange


class ChannelWebSocket:
    """A WebSocket session between the acceptance of its handshake and its end.

    carrier: the channel. give: queues a message for the host. subprotocol: the one chosen, or None.
    close_code, close_reason: those of the peer or of the failure; None and "" while open. received:
    bytes of the messages that have come. wants_read: False while more messages are held than their
    limit allows. is_open: neither side has ended it.
    """

    latency: float | None = None
    """Pings are the host's, and it does not tell."""

    __slots__ = (
        "_exchange",
        "_give",
        "_messages",
        "_taken",
        "carrier",
        "close_code",
        "close_reason",
        "is_open",
        "received",
        "subprotocol",
        "wants_read",
    )  # fmt: skip

    def __init__(
        self,
        carrier: Carrier,
        give: Callable[[Message], None],
        exchange: Exchange,
        subprotocol: str | None,
    ) -> None:
        self.carrier: Carrier = carrier
        self._give = give
        self._exchange = exchange
        self._messages: deque[tuple[str | bytes, int]] = deque()
        self._taken = 0
        self.received: int = 0
        self.subprotocol: str | None = subprotocol
        self.close_code: int | None = None
        self.close_reason: str = ""
        self.is_open: bool = True
        self.wants_read: bool = True

    # -- what the host reports -------------------------------------------------------------------

    def receive(self, message: str | bytes) -> None:
        """Take one message whole. One that is too large ends the session with 1009."""
        if not self.is_open:
            return
        size = (
            len(message.encode("utf-8", "surrogatepass"))
            if isinstance(message, str)
            else len(message)
        )
        limit = self.carrier.config.limits.message
        if size > limit:
            self._end(1009, f"a message is over {limit} bytes")
            return
        self._messages.append((message, size))
        self.received += size
        self._exchange.news = True
        self.wants_read = self._held <= self.carrier.config.limits.inbound_high

    def peer_left(self, code: int, reason: str) -> None:
        """Take note that the peer has closed, or is gone (1006)."""
        self._ended(code, reason)

    @property
    def _held(self) -> int:
        return self.received - self._taken + MESSAGE_COST * len(self._messages)

    # -- what the handler asks -------------------------------------------------------------------

    @property
    def has_messages(self) -> bool:
        """Whether the next `poll` gives a message."""
        return bool(self._messages)

    def take(self) -> str | bytes | None:
        """Return the next message, None if there is none."""
        if not self._messages:
            return None
        message, size = self._messages.popleft()
        self._taken += size
        if not self.wants_read and self._held <= self.carrier.config.limits.inbound_low:
            self.wants_read = True
        return message

    def is_quiet(self) -> bool:
        """Return whether `poll` would give None."""
        return not self._messages and self.is_open

    def poll(self, now: float) -> str | bytes | None:  # noqa: ARG002  # as WebSocketSession
        """Return the next message, None when there is none yet. Raise Disconnected at the end."""
        message = self.take()
        if message is None and not self.is_open:
            raise Disconnected(self.close_code, self.close_reason)
        return message

    def send(self, message: str | bytes) -> None:
        """Queue one message. Raise Disconnected if it cannot be sent any more."""
        self.put(Sent(message))

    framing: Hashable = "messages"
    """Messages are not framed here, and a room may have receivers elsewhere whose are."""

    def form(self, message: str | bytes) -> Sent:
        """Return the message as the host takes it."""
        return Sent(message)

    join: Join | None = None
    """Each message stays one for the host."""

    def put(self, formed: Sent) -> None:
        """Queue what `form` has made. Raise Disconnected if it cannot be sent any more."""
        if not self.is_open:
            raise Disconnected(self.close_code, self.close_reason or "the WebSocket is closing")
        self._give(formed)
        self._exchange.sent += len(formed)

    def ping(self, now: float) -> Ping:  # noqa: ARG002  # as WebSocketSession
        """Raise UsageError: the host pings by itself, and tells of no pong."""
        raise UsageError(
            "this WebSocket is served by another server, which sends its own pings (its settings "
            "say how often) and tells of none; ws.ping() works on anylane's own lanes"
        )

    def close(self, code: int, reason: str, now: float) -> None:  # noqa: ARG002  # as WebSocketSession
        """End the session. Do nothing if it is over. Raise UsageError for a code or a reason that
        must not be sent (RFC 6455 §7.4)."""
        check_close(code, reason)
        if self.is_open:
            self._end(code, reason)

    def finish(self, now: float) -> None:
        """End it normally: its handler has ended, and receives no more."""
        self._messages.clear()
        self._taken = self.received
        self.close(1000, "", now)
        self.carrier.close(Closing.CLOSE)

    # -- the end -----------------------------------------------------------------------------------

    def _end(self, code: int, reason: str) -> None:
        # The close handshake is the host's: what the peer answers is not told.
        encoded = reason.encode("utf-8")[:123]
        self._give(Goodbye(code, encoded.decode("utf-8", "ignore")))
        self._ended(code, reason)

    def _ended(self, code: int, reason: str) -> None:
        if self.is_open:
            self.is_open = False
            self.wants_read = True
            self.close_code, self.close_reason = code, reason
            self._exchange.lose(Disconnected(code, reason))
