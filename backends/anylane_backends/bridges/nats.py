"""NatsBridge: rooms over NATS, by nats-py."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, Unpack

from anylane.extras import load
from anylane_backends.bridges.address import BrokerAddress
from anylane_backends.bridges.bridge import Bridge
from anylane_backends.bridges.broker_session import BrokerSession, Deliver, Lose
from anylane_backends.bridges.outbox import Message
from anylane_backends.bridges.settings import BridgeOptions

NEVER = 24 * 60 * 60
"""Seconds between the pings of the library itself. The bridge has its own."""


class NatsBridge(Bridge):
    """Joins rooms of several processes through a NATS server (core NATS: at most once).

    url: "nats://host:4222", or "tls://"; with "user:password@" or "token@" before the host where
        the server asks for it. token: instead of one in the URL.
    settings: see `BridgeSettings`.

    Raise UsageError as `Bridge` does. It needs the extra `nats`.
    """

    schemes: ClassVar[tuple[str, ...]] = ("nats", "tls")

    def __init__(
        self, url: str, *, token: str | None = None, **settings: Unpack[BridgeOptions]
    ) -> None:
        self._library = load("nats", extra="nats", needed_by="NatsBridge", marker="NATS")
        super().__init__(url, secret=token, **settings)
        self._token = token

    async def _open(self, deliver: Deliver, lose: Lose) -> BrokerSession:
        settings = self._settings
        session = NatsSession(deliver, lose, self._lag, settings.max_queue, settings.timeout)
        await session.open(self._library, self._login(self._address) | {"tls": settings.tls})
        return session

    def _login(self, address: BrokerAddress) -> dict[str, Any]:
        """Return where to connect, and as whom. The library is given no URL with secrets in it, for
        it writes that into its own log."""
        found: dict[str, Any] = {"servers": address.shown}
        if self._token is not None:
            found["token"] = self._token
        elif address.password is not None:
            found |= {"user": address.user, "password": address.password}
        elif address.user is not None:
            found["token"] = address.user
        return found


class NatsSession:
    """One connection to a NATS server; see BrokerSession. lag: called for each message that came
    faster than it was taken."""

    def __init__(
        self, deliver: Deliver, lose: Lose, lag: Any, max_pending: int, timeout: float
    ) -> None:
        self._deliver = deliver
        self._lose = lose
        self._lag = lag
        self._max_pending = max_pending
        self._timeout = timeout
        self._client: Any = None
        self._errors: Any = None
        self._is_open = False
        self._subscriptions: dict[str, Any] = {}
        self.max_payload: int | None = None

    async def open(self, library: Any, options: dict[str, Any]) -> None:
        """Connect. Raise what the library raises."""
        self._errors = library.errors
        self._client = library.NATS()
        await self._client.connect(
            **options,
            allow_reconnect=False,  # The bridge connects anew: with every broker in the same way.
            max_reconnect_attempts=0,
            no_echo=True,
            connect_timeout=self._timeout,
            ping_interval=NEVER,
            error_cb=self._on_error,
            closed_cb=self._on_closed,
        )
        self.max_payload = self._client.max_payload
        self._is_open = True

    async def subscribe(self, subjects: Iterable[str]) -> None:
        """See BrokerSession."""
        for subject in subjects:
            self._subscriptions[subject] = await self._client.subscribe(
                subject, cb=self._on_message, pending_msgs_limit=self._max_pending
            )
        await self.ping()

    async def unsubscribe(self, subjects: Iterable[str]) -> None:
        """See BrokerSession."""
        for subject in subjects:
            await self._subscriptions.pop(subject).unsubscribe()

    async def publish(self, messages: list[Message]) -> None:
        """See BrokerSession."""
        for subject, data in messages:
            await self._client.publish(subject, data)
        await self.ping()

    async def ping(self) -> None:
        """See BrokerSession."""
        await self._client.flush(timeout=self._timeout)

    async def close(self) -> None:
        """See BrokerSession."""
        await self._client.close()

    async def _on_message(self, message: Any) -> None:
        self._deliver(message.subject, message.data)

    async def _on_error(self, exc: Exception) -> None:
        if not self._is_open:
            raise exc  # The library would try again by itself, for ever and every two seconds.
        if isinstance(exc, self._errors.SlowConsumerError):
            self._lag()
        elif "permissions violation" in str(exc).lower():
            # The server goes on, but this room would be silent for ever, so it is told and tried
            # again: somebody may be at work on the permissions.
            self._lose(exc)

    async def _on_closed(self) -> None:
        self._lose(self._client.last_error or ConnectionError("the server has closed it"))
