"""ValkeyBridge: rooms over Valkey's Pub/Sub, and stores in its memory, by valkey-py."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from typing import Any, ClassVar, Literal, Unpack

from anylane.errors import UsageError
from anylane.extras import load
from anylane_backends.bridges.bridge import Bridge
from anylane_backends.bridges.broker_session import BrokerSession, Deliver, Lose
from anylane_backends.bridges.broker_thread import within
from anylane_backends.bridges.outbox import Message
from anylane_backends.bridges.settings import BridgeOptions
from anylane_backends.bridges.stores.commands import Commands
from anylane_backends.bridges.stores.event_log import ValkeyEvents
from anylane_backends.bridges.stores.rates import ValkeyRates
from anylane_backends.bridges.stores.sessions import ValkeySessions
from anylane_backends.bridges.upkeep import CLOSE, Upkeep

MAX_CONNECTIONS = 16
"""Connections of a process for commands of its stores. Each waits for one answer at a time, of some
0.2 ms, so these are good for tens of thousands a second."""

SUBSCRIBED_AT_ONCE = 500
"""Channels that one command names."""

_TLS = ("valkeys", "rediss")


class ValkeyBridge(Bridge):
    """Joins rooms of several processes through a Valkey server, and keeps there what they share:
    event logs, sessions and the counts of rate limits. Redis from 7.0 on speaks the same protocol.

    url: "valkey://host:6379/0", or "valkeys://" for TLS, or "unix:///path"; with "user:password@"
        or ":password@" before the host where the server asks for it.
    settings: see `BridgeSettings`.

    Raise UsageError as `Bridge` does. It needs the extra `valkey`.
    """

    schemes: ClassVar[tuple[str, ...]] = ("valkey", "valkeys", "redis", "rediss", "unix")

    def __init__(self, url: str, **settings: Unpack[BridgeOptions]) -> None:
        self._library = load("valkey.asyncio", extra="valkey", needed_by="ValkeyBridge")
        super().__init__(url, **settings)
        self._events: list[ValkeyEvents] = []
        self._commands = Commands(self.run, self._client, self._settings.timeout, self._log)

    def event_store(self, name: str) -> ValkeyEvents:
        """Return what keeps the events of an EventLog for all processes:
        `EventLog(store=bridge.event_store("news"))`.

        name: of the log; its key in Valkey is "anylane:events:" and the name. Each EventLog needs
        a store of its own. Raise UsageError for a name that cannot be a subject.
        """
        if self._is_running():
            raise UsageError("bridge.event_store() is called before the server starts")
        store = ValkeyEvents(name, self._commands, self._client, self._settings, self._log)
        self._events.append(store)
        return store

    def session_store(
        self, prefix: str = "anylane:session:", *, when_away: Literal["refuse", "allow"] = "refuse"
    ) -> ValkeySessions:
        """Return a `SessionStore`: `Sessions(secret, store=bridge.session_store())`.

        prefix: of the keys in Valkey. when_away: "refuse" answers 503 to a request whose session
        cannot be read; "allow" takes its client for one without a session. What has to be written
        is answered with 503 in both.
        """
        return ValkeySessions(self._commands, prefix, when_away)

    def rate_store(
        self, prefix: str = "anylane:rate:", *, when_away: Literal["refuse", "allow"] = "allow"
    ) -> ValkeyRates:
        """Return a `RateStore`: `RateLimit("10/minute", store=bridge.rate_store())`.

        prefix: of the keys in Valkey. when_away: "allow" lets requests pass that cannot be counted;
        "refuse" answers 503.
        """
        return ValkeyRates(self._commands, prefix, when_away)

    async def _main(self, upkeep: Upkeep) -> None:
        tasks = [asyncio.create_task(each.run()) for each in self._events]
        try:
            await upkeep.run()
            for each in self._events:
                await each.finish(upkeep.deadline)
        finally:
            for task in tasks:
                task.cancel()
            await self._commands.close()

    async def _open(self, deliver: Deliver, lose: Lose) -> BrokerSession:
        session = ValkeySession(deliver, lose, self._client())
        try:
            await session.open()
        except BaseException:
            with suppress(Exception):
                await within(CLOSE, session.close())
            raise
        return session

    def _client(self, max_connections: int = MAX_CONNECTIONS) -> Any:
        """Return a client, which connects when it is used. Make it on the bridge's thread."""
        settings, library = self._settings, self._library
        pool = library.BlockingConnectionPool.from_url(
            self._address.url,
            max_connections=max_connections,
            timeout=settings.timeout,
            socket_connect_timeout=settings.timeout,
        )
        if settings.tls is not None or self._address.scheme in _TLS:
            context = settings.tls or ssl.create_default_context()
            pool.connection_class = partial(_tls_connection, library.SSLConnection, context)
        return library.Valkey.from_pool(pool)


def _tls_connection(kind: Any, context: ssl.SSLContext, **options: Any) -> Any:
    """Return a connection of the library's with a context that is made already, which it has no
    option for."""
    connection = kind(**options)
    connection.ssl_context.context = context
    return connection


class ValkeySession:
    """Two connections to a Valkey server, one for each direction; see BrokerSession."""

    max_payload: int | None = None

    def __init__(self, deliver: Deliver, lose: Lose, client: Any) -> None:
        self._deliver = deliver
        self._lose = lose
        self._client = client
        self._pubsub = client.pubsub()
        self._reader: asyncio.Task[None] | None = None
        self._pong = asyncio.Event()
        self._expected: set[bytes] = set()
        self._confirmed = asyncio.Event()

    async def open(self) -> None:
        """Connect in both directions. Raise what the library raises."""
        await self._client.ping()
        await self._pubsub.connect()
        self._reader = asyncio.create_task(self._read())

    async def subscribe(self, subjects: Iterable[str]) -> None:
        """See BrokerSession."""
        names = list(subjects)
        self._expected = {name.encode() for name in names}
        self._confirmed.clear()
        for start in range(0, len(names), SUBSCRIBED_AT_ONCE):
            await self._pubsub.subscribe(*names[start : start + SUBSCRIBED_AT_ONCE])
        await self._confirmed.wait()

    async def unsubscribe(self, subjects: Iterable[str]) -> None:
        """See BrokerSession."""
        await self._pubsub.unsubscribe(*subjects)

    async def publish(self, messages: list[Message]) -> None:
        """See BrokerSession."""
        if len(messages) == 1:
            await self._client.publish(*messages[0])
            return
        async with self._client.pipeline(transaction=False) as pipeline:
            for subject, data in messages:
                pipeline.publish(subject, data)
            await pipeline.execute()

    async def ping(self) -> None:
        """See BrokerSession."""
        self._pong.clear()
        await self._pubsub.ping()
        await self._client.ping()
        await self._pong.wait()

    async def close(self) -> None:
        """See BrokerSession."""
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.wait((self._reader,))
        await self._pubsub.aclose()
        await self._client.aclose(close_connection_pool=True)

    async def _read(self) -> None:
        """Take what comes in. The library reads on after an empty `subscribe`, unlike `listen`."""
        try:
            while True:
                message = await self._pubsub.get_message(timeout=None)
                match message:
                    case {"type": "message", "channel": channel, "data": data}:
                        self._deliver(channel.decode("utf-8", "replace"), data)
                    case {"type": "pong"}:
                        self._pong.set()
                    case {"type": "subscribe", "channel": channel}:
                        self._expected.discard(channel)
                        if not self._expected:
                            self._confirmed.set()
                    case _:
                        pass
        except Exception as exc:  # noqa: BLE001  # whatever the library raises, it is over
            self._lose(exc)
