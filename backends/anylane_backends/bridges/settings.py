"""BridgeSettings: the bounds of a bridge, each with its reason."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import Any, TypedDict

from anylane.errors import UsageError
from anylane.shown import shown


class BridgeOptions(TypedDict, total=False):
    """The fields of `BridgeSettings`, as keyword arguments of a bridge."""

    tls: ssl.SSLContext | None
    required: bool
    max_queue: int
    max_queue_bytes: int
    max_rooms: int
    max_payload: int
    timeout: float
    ping_interval: float
    unsubscribe_after: float


@dataclass(frozen=True, kw_only=True, slots=True)
class BridgeSettings:
    """How a bridge treats its broker. Raise UsageError, with the bound, for a value beyond it."""

    tls: ssl.SSLContext | None = None
    """The context of the connection to the broker. Without one, a URL that begins with `tls://`,
    `valkeys://` or `rediss://` is checked against the authorities of the system."""
    required: bool = False
    """Whether a broker that is missing at the start keeps the server from starting (exit code 3).
    Most applications serve most pages without their broker, so it is a warning else."""
    max_queue: int = 10_000
    """Messages that wait to be sent, and of each room those that wait to be taken from the client's
    library. Beyond it the oldest are dropped and counted in `lagged`. It is a second's worth at
    10,000 a second."""
    max_queue_bytes: int = 16 * 1024 * 1024
    """Bytes that wait to be sent, for the same reason."""
    max_rooms: int = 10_000
    """Rooms with a subscription, in this process. Clients often choose the name of a room, so one
    more is refused with 503."""
    max_payload: int = 1024 * 1024
    """Bytes of a message, with 19 bytes of ours in front. It is what a NATS server takes unless it
    is told otherwise; a smaller bound of the server counts, too."""
    timeout: float = 2.0
    """Seconds that the broker may take for an answer. One in the same data centre takes a
    millisecond; after two seconds it is taken for lost, and connected to anew."""
    ping_interval: float = 2.0
    """Seconds between two signs of life. A broker that was cut off is noticed after this and
    `timeout`. One small packet in two seconds costs nothing."""
    unsubscribe_after: float = 5.0
    """Seconds for which a room without subscribers stays subscribed at the broker, so that a page
    that is loaded anew costs the broker nothing."""

    def __post_init__(self) -> None:
        if self.tls is not None and not isinstance(self.tls, ssl.SSLContext):
            raise UsageError(f"tls of a bridge is {shown(self.tls)}; expected an ssl.SSLContext")
        if not isinstance(self.required, bool):
            raise UsageError(
                f"required of a bridge is {shown(self.required)}; expected True or False"
            )
        for name, (low, high) in _WHOLE.items():
            value: Any = getattr(self, name)
            if type(value) is not int or not low <= value <= high:
                raise UsageError(
                    f"{name} of a bridge is {shown(value)}; expected an int from {low:,} to "
                    f"{high:,}"
                )
        for name, (least, most) in _SECONDS.items():
            value = getattr(self, name)
            if (
                isinstance(value, bool)
                or not isinstance(value, int | float)
                or not least <= value <= most
            ):
                raise UsageError(
                    f"{name} of a bridge is {shown(value)}; expected seconds, from {least:g} to "
                    f"{most:g}"
                )


_WHOLE = {
    "max_queue": (1, 10_000_000),
    "max_queue_bytes": (1024, 2**40),
    "max_rooms": (1, 1_000_000),
    # 512 MB is the longest value that Valkey takes; below a kilobyte no message has room.
    "max_payload": (1024, 512 * 1024 * 1024),
}

_SECONDS = {"timeout": (0.05, 60), "ping_interval": (0.05, 600), "unsubscribe_after": (0.05, 3600)}
