"""ValkeyEvents: the events of one EventLog for all processes, in a stream of a Valkey server.

Ids are the stream's own: the moment at which the stream was made, and a number that counts from 1.
So any process finds the place of any Last-Event-ID, also after all of them were restarted.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from threading import RLock
from typing import Any

from anylane import json
from anylane.errors import AnylaneError, UsageError
from anylane.realtime.event_store import SharedLog
from anylane_backends.bridges.bridged_rooms import checked_subject
from anylane_backends.bridges.broker_thread import within
from anylane_backends.bridges.settings import BridgeSettings
from anylane_backends.bridges.stores.commands import (
    Commands,
    StoreAway,
    close_client,
    is_connection_error,
)
from anylane_backends.bridges.upkeep import delays, reason

_BEGIN = """
if redis.call('EXISTS', KEYS[1]) == 0 then
  local clock = redis.call('TIME')
  local epoch = string.format('%.0f', clock[1] * 1000 + math.floor(clock[2] / 1000))
  redis.call('XGROUP', 'CREATE', KEYS[1], 'anylane', '$', 'MKSTREAM')
  redis.call('XGROUP', 'DESTROY', KEYS[1], 'anylane')
  redis.call('XSETID', KEYS[1], epoch .. '-0')
end
local last
local info = redis.call('XINFO', 'STREAM', KEYS[1])
for i = 1, #info, 2 do
  if info[i] == 'last-generated-id' then last = info[i + 1] end
end
"""

LOAD = f"""{_BEGIN}
return {{last, redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', ARGV[1])}}
"""
"""Returns the last id, and the newest events, the newest first. A stream that is not there is made,
so that its ids are known before its first event."""

APPEND = f"""{_BEGIN}
local id = string.match(last, '^%d+') .. '-*'
for i = 2, #ARGV, 3 do
  local kind, event, data = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  redis.call('XADD', KEYS[1], 'MAXLEN', ARGV[1], id, 'k', kind, 'e', event, 'd', data)
end
return last
"""
"""Appends events, three arguments each: kind, type and data."""

BATCH = 100
"""Events that are appended in one step of the server."""

_Event = tuple[bytes, bytes, bytes]
"""Kind ("t" for a text, "j" for JSON), type and data."""


class ValkeyEvents:
    """An `EventStore` in a Valkey server. See `ValkeyBridge.event_store`.

    Events that are sent while the server is away wait, `max_queue` at most, and are appended when
    it is back. Of more the oldest are dropped. Those that were on their way when it was lost are
    not sent again, so that none comes twice. Both are counted in `lost`.

    lost: events that were sent here and are not in the log.
    """

    def __init__(
        self,
        name: str,
        commands: Commands,
        make_client: Callable[[int], Any],
        settings: BridgeSettings,
        log: Callable[[str, str], None],
    ) -> None:
        self._key = f"anylane:events:{checked_subject(name)}"
        self._commands = commands
        self._make_client = make_client
        self._settings = settings
        self._tell_log = log
        self._log: SharedLog | None = None
        self._lock = RLock()
        self._queue: deque[_Event] = deque()
        self._due = False
        self._appending: asyncio.Lock | None = None
        self.lost: int = 0

    # -- for its log, from any thread -------------------------------------------------------------

    def open(self, log: SharedLog) -> None:
        """Take the log whose events these are. Raise UsageError if there is one already."""
        if self._log is not None:
            raise UsageError(
                f"the event store {self._key} has an EventLog already; use that one, or "
                "bridge.event_store() with another name"
            )
        self._log = log

    def append(self, data: str | bytes, event: str | None) -> None:
        """Have an event appended. Raise UsageError for one over `max_payload` of the bridge."""
        kind = b"t" if isinstance(data, str) else b"j"
        body = data.encode() if isinstance(data, str) else data
        if len(body) > self._settings.max_payload:
            raise UsageError(
                f"an event has {len(body):,} bytes; max_payload of the bridge is "
                f"{self._settings.max_payload:,}"
            )
        with self._lock:
            self._queue.append((kind, (event or "").encode(), body))
            if len(self._queue) > self._settings.max_queue:
                self._queue.popleft()
                self.lost += 1
            is_first, self._due = not self._due, True
        if is_first:
            try:
                self._commands.start(self._append_all)
            except UsageError:
                self._due = False  # They wait for the bridge to start.

    # -- on the bridge's thread -------------------------------------------------------------------

    async def run(self) -> None:
        """Follow the stream, until it is cancelled."""
        self._appending = asyncio.Lock()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._append_all())  # What was sent before the start.
            group.create_task(self._follow_all())

    async def _follow_all(self) -> None:
        waits = delays()
        is_told = False
        while True:
            client = self._make_client(1)
            try:
                position = await self._load(client)
                is_told, waits = False, delays()
                while True:
                    position = await self._follow(client, position)
            except Exception as exc:  # noqa: BLE001  # whatever the library raises, it is away
                # That the server is away is told by the bridge.
                if not is_told and not is_connection_error(exc):
                    self._tell_log("error", f"{self._key} cannot be followed: {reason(exc)}")
                    is_told = True
            finally:
                await close_client(client)
            await asyncio.sleep(next(waits))

    async def finish(self, deadline: float) -> None:
        """Append what still waits, if the server takes it before that moment of the loop's."""
        with suppress(Exception):
            async with asyncio.timeout_at(deadline):
                await self._append_some()
        with self._lock:
            self.lost += len(self._queue)
            self._queue.clear()

    async def _load(self, client: Any) -> bytes:
        """Give the log what the stream has, and return the last id."""
        log = self._log
        script = client.register_script(LOAD)
        count = 1 if log is None else log.capacity
        reply = script(keys=[self._key], args=[count])
        last, entries = await within(self._settings.timeout, reply)
        for id_, fields in reversed(entries):
            self._take(id_, dict(zip(fields[::2], fields[1::2], strict=False)))
        epoch, _, number = last.decode().partition("-")
        if log is not None:
            log.stands_at(epoch, int(number))
        found: bytes = last
        return found

    async def _follow(self, client: Any, position: bytes) -> bytes:
        """Wait for what comes behind a position, and return the position behind that."""
        interval = self._settings.ping_interval
        reply = client.xread({self._key: position}, count=1000, block=round(interval * 1000))
        found = await within(interval + self._settings.timeout, reply)
        for _, entries in found or ():
            for id_, fields in entries:
                self._take(id_, fields)
                position = id_
        return position

    def _take(self, id_: bytes, fields: dict[bytes, bytes]) -> None:
        """Give one event to the log. One that is not ours is left out, which clients are told of as
        of any event that is gone."""
        if self._log is None:
            return
        epoch, _, number = id_.decode().partition("-")
        try:
            body = fields[b"d"]
            data: Any = body.decode() if fields[b"k"] == b"t" else json.loads(body)
            self._log.receive(epoch, int(number), data, fields[b"e"].decode() or None)
        except (KeyError, ValueError, RecursionError, AnylaneError) as exc:
            self._tell_log(
                "warning", f"{self._key} has an event that is none of ours: {reason(exc)}"
            )

    async def _append_all(self) -> None:
        """Append what waits, as soon as the server takes it."""
        for wait in delays():
            if await self._append_some():
                return
            await asyncio.sleep(wait)

    async def _append_some(self) -> bool:
        """Append what waits. Return False if the server is away, and the rest waits on."""
        lock = self._appending
        if lock is None:
            return True  # `run` has not begun, and does it then.
        async with lock:
            while True:
                with self._lock:
                    if not self._queue:
                        self._due = False
                        return True
                try:
                    # First what can be tried again: of an event it would not be known whether it
                    # has arrived.
                    await self._commands.execute(lambda client: client.ping())
                except StoreAway:
                    return False
                except Exception:  # noqa: BLE001, S110
                    pass  # It forbids that, so it is there. What it says of events is told below.
                await self._append(self._taken())

    def _taken(self) -> list[_Event]:
        with self._lock:
            return [self._queue.popleft() for _ in range(min(BATCH, len(self._queue)))]

    async def _append(self, batch: list[_Event]) -> None:
        capacity = 1 if self._log is None else self._log.capacity
        arguments = [capacity, *(part for each in batch for part in each)]

        async def command(client: Any) -> Any:
            return await client.register_script(APPEND)(keys=[self._key], args=arguments)

        try:
            await self._commands.execute(command)
        except BaseException as exc:
            self.lost += len(batch)
            if isinstance(exc, Exception) and not isinstance(exc, StoreAway):
                self._tell_log("error", f"{self._key} takes no events: {reason(exc)}")
                return
            if not isinstance(exc, StoreAway):
                raise
