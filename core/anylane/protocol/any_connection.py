"""AnyConnection: what a Driver drives, which is a Connection or a layer around one (TLS)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from anylane.protocol.interfaces import Closing

if TYPE_CHECKING:
    from anylane.config.server_config import ServerConfig
    from anylane.protocol.exchange import Exchange
    from anylane.protocol.peer import Hosted, ProxyInfo


class AnyConnection(Protocol):
    """What has exactly the inputs and outputs of `Connection`, which tells more about each.

    A layer may hold input that the connection inside does not want yet. When it does again, no
    byte comes from the socket to say so: then `next_deadline` is in the past, and
    `handle_timeout` delivers.
    """

    @property
    def config(self) -> ServerConfig:
        """Return the server's settings."""
        ...

    @property
    def peer(self) -> Any:
        """Return the socket address of the other end."""
        ...

    @property
    def local(self) -> Any:
        """Return the socket address of our end."""
        ...

    @property
    def tls(self) -> Any:
        """Return what the TLS layer knows, None without TLS."""
        ...

    @property
    def proxy(self) -> ProxyInfo | None:
        """Return what a proxy says of its client by the PROXY protocol, None without one."""
        ...

    @property
    def hosted(self) -> Hosted | None:
        """Return what another server says that carries it, None on anylane's own lanes."""
        ...

    @property
    def refused(self) -> bool:
        """Whether it is that of a client for which there is no place."""
        ...

    @property
    def ready(self) -> bool:
        """Whether requests can come: what a layer has to settle first is settled."""
        ...

    # -- inputs

    def receive_data(self, data: bytes, now: float) -> None:
        """Take bytes that came from the socket."""

    def receive_eof(self, now: float) -> None:
        """Take note that the peer sends no more."""

    def peer_left(self, now: float) -> None:
        """Take note that the peer has ended its side behind input that is not being read."""

    def connection_lost(self, exc: BaseException | None) -> None:
        """Take note that the transport is gone."""

    def handle_timeout(self, now: float) -> None:
        """Act on the deadlines that have come."""

    def data_unsent(self, size: int, now: float) -> None:
        """Take note that the kernel has not taken `size` bytes of what `data_to_send` gave."""

    def data_taken(self, taken: int, pending: int, now: float) -> None:
        """Take note of how much output the peer has acknowledged, and how much it has not."""

    def shutdown(self, now: float) -> None:
        """Drain: finish what runs, and close."""

    def dismiss(self, now: float) -> None:
        """Close in order, for a newcomer. It is idle."""

    def abort(self) -> None:
        """End everything now."""

    def forget(self, exchange: Exchange) -> None:
        """Take note that the last coroutine of an exchange has returned."""

    def release(self) -> None:
        """Drop what is inside: nothing more is reported."""

    # -- relief, on lanes whose handlers can block the owner of a connection

    @property
    def handler_due(self) -> float:
        """Return when the handler that runs is late, or NEVER. From any thread."""
        ...

    def relieve(self, stuck: Exchange, now: float) -> AnyConnection:
        """Return what goes on in the place of this one, whose owner blocks in a handler."""
        ...

    # -- outputs

    def data_to_send(self) -> list[Any]:
        """Remove and return the bytes to write, in order; or the messages, from a channel."""
        ...

    def next_exchange(self) -> Exchange | None:
        """Remove and return a request whose handler was not started yet, or None."""
        ...

    @property
    def queued(self) -> int:
        """Return how many bytes `data_to_send` will give; 0 only if it will give none."""
        ...

    @property
    def waiting(self) -> list[Exchange]:
        """Return what `next_exchange` will give."""
        ...

    def next_deadline(self) -> float | None:
        """Return when to call `handle_timeout`, in seconds, or None."""
        ...

    @property
    def deadline_bound(self) -> float:
        """Return a time that is never later than `next_deadline`, and cheap to ask for."""
        ...

    @property
    def wants_read(self) -> bool:
        """Whether to read from the socket."""
        ...

    @property
    def idle(self) -> bool:
        """Whether nothing has changed of what a driver looks at; False says nothing."""
        ...

    @property
    def idle_since(self) -> float:
        """Return since when nothing is asked and nothing under way; NEVER while there is."""
        ...

    @property
    def read_size(self) -> int | None:
        """Return how many bytes one read should give; None where it does not matter."""
        ...

    @property
    def closing(self) -> Closing:
        """Return what the transport is to do with its socket."""
        ...

    @property
    def unsent(self) -> int:
        """Return how many bytes of output the kernel has not taken yet."""
        ...

    @property
    def pending(self) -> int:
        """Return how many bytes were on their way to the peer at the last look (`data_taken`)."""
        ...

    @property
    def congested(self) -> bool:
        """Whether output is over its high mark."""
        ...

    @property
    def caught_up(self) -> bool:
        """Whether output is at or under its low mark."""
        ...
