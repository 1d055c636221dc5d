"""EventLog: the latest events, numbered, for clients that come again with a Last-Event-ID.

An append-only log with bounded retention; a reader is a position in it and holds nothing else. So
there is one copy of each event, however many clients follow, and what a client missed, what is
sent now and what a slow one has not taken yet are the same thing: no gap, no duplicate.
"""

from __future__ import annotations

from _thread import allocate_lock
from collections import deque
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from anylane import json
from anylane.errors import UsageError
from anylane.protocol.sse import encode_event, encode_fields
from anylane.realtime.broadcast import Broadcast, Subscription
from anylane.realtime.source import PENDING

if TYPE_CHECKING:
    from anylane.lane.link import Link


RESYNC = "resync"
"""The type of the event that tells a client that it missed something for good."""


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """One event of a log, as one client gets it. `events.send(item)` sends it.

    data, event: as they were sent; a resync has event "resync" and its payload. id: of the
    position behind it. block: the whole of it on the wire.
    """

    data: Any
    event: str | None
    id: str
    block: bytes


@dataclass(frozen=True, slots=True)
class _Entry:
    data: Any
    event: str | None
    block: bytes


class Follower(Protocol):
    """What a log asks of a client that follows it; `ctx` is one."""

    @property
    def link(self) -> Link: ...

    @property
    def last_event_id(self) -> str | None: ...


class EventLog:
    """The last `capacity` events, at most `max_bytes` of them on the wire.

    capacity: events kept for clients that come again, or lag. max_bytes: of their encoded form;
    the newest is kept whatever its size. epoch: what tells the ids of this log from those of
    others, such as the one before a restart; random unless you have a better one.

    An id is EPOCH-NUMBER. A client whose id is not in the log gets, before anything else, one
    event of type "resync" with this JSON:

        {"reason": "expired" | "unknown", "after": ID, "missed": NUMBER | null}

    "expired": `missed` events after its id are gone, because it was away or too slow for too long.
    "unknown": the id is of another epoch (the server was restarted) or of no log at all. Then come
    all events that are kept, then the live ones. State that is built from events is to be loaded
    anew then.
    """

    def __init__(
        self, capacity: int = 1024, *, max_bytes: int = 4 * 1024 * 1024, epoch: str | None = None
    ) -> None:
        for name, value in (("capacity", capacity), ("max_bytes", max_bytes)):
            if not isinstance(value, int) or value < 1:  # type: ignore[redundant-expr]
                raise UsageError(f"EventLog {name} is {value!r}; expected an int from 1")
        if epoch is not None:
            encode_fields(id=epoch)
        self.capacity = capacity
        self.max_bytes = max_bytes
        self._epoch = epoch
        self._lock = allocate_lock()
        self._entries: deque[_Entry] = deque()
        self._size = 0
        # The number of the newest event; ids begin with 1, and 0 is the position before it.
        self._newest = 0
        # What wakes the readers. The events themselves are in the log, so one item is enough.
        self._news: Broadcast[None] = Broadcast(capacity=1)

    def __len__(self) -> int:
        """How many events are kept."""
        return len(self._entries)

    @property
    def receivers(self) -> int:
        """How many clients follow."""
        return self._news.receivers

    def send(self, data: Any, event: str | None = None) -> int:
        """Append one event; returns how many clients follow. Never blocks; from any thread,
        not from a signal handler.

        data, event: as of `events.send`, and encoded once for all. Raises UsageError and
        TypeError as that does; nothing is appended then.
        """
        block = encode_event(text_of(data), event=event)
        entry = _Entry(data, event, block)
        # Kept until the lock is released: an item's `__del__` may send in turn.
        dropped: list[_Entry] = []
        with self._lock:
            self._newest += 1
            self._entries.append(entry)
            self._size += len(block)
            while len(self._entries) > self.capacity or (
                self._size > self.max_bytes and len(self._entries) > 1
            ):
                oldest = self._entries.popleft()
                self._size -= len(oldest.block)
                dropped.append(oldest)
        return self._news.send(None)

    @contextmanager
    def subscribe(self, ctx: Follower, *, history: int = 0) -> Generator[LogReader]:
        """What this client missed, and then what is sent from now on.

        history: how many of the kept events a client gets that comes for the first time.
        A source for `ctx.select`, or `async for`. `events.follow(log)` does all of it.
        """
        if not isinstance(history, int) or history < 0:  # type: ignore[redundant-expr]
            raise UsageError(f"history is {history!r}; expected a number of events from 0")
        with self._news.subscribe() as news:
            with self._lock:
                if self._epoch is None:
                    # Of the server's randomness: the core has none of its own.
                    self._epoch = ctx.link.host.token(6).hex()
                reader = LogReader(self, news, *self._position(ctx.last_event_id, history))
            yield reader

    # Called with the lock held.

    def _position(self, after: str | None, history: int) -> tuple[int, str | None]:
        """The number of the event that this client has seen last, and an id that is unknown."""
        first = self._newest - len(self._entries)
        if after is None:
            return max(first, self._newest - history), None
        epoch, _, number = after.rpartition("-")
        if epoch == self._epoch and number.isascii() and number.isdigit() and len(number) < 20:
            seen = int(number)
            if seen <= self._newest:
                return seen, None
        return first, after

    def _id(self, number: int) -> str:
        return f"{self._epoch}-{number}"

    def _after(self, reader: LogReader) -> LoggedEvent | None:
        """The next event for this reader; None if it has them all."""
        first = self._newest - len(self._entries)
        if reader._unknown is not None:
            after, reader._unknown = reader._unknown, None
            return self._resync("unknown", after, None, reader._seen)
        if reader._seen < first:
            after, missed = self._id(reader._seen), first - reader._seen
            reader._seen = first
            return self._resync("expired", after, missed, first)
        if reader._seen == self._newest:
            return None
        entry = self._entries[reader._seen - first]
        reader._seen += 1
        number = self._id(reader._seen)
        block = encode_fields(id=number) + entry.block
        return LoggedEvent(entry.data, entry.event, number, block)

    def _resync(self, reason: str, after: str, missed: int | None, position: int) -> LoggedEvent:
        number = self._id(position)
        data = {"reason": reason, "after": after, "missed": missed}
        block = encode_event(json.dumps(data), event=RESYNC, id=number)
        return LoggedEvent(data, RESYNC, number, block)


class LogReader:
    """One client's place in a log: `async for event in reader`, or a source of `ctx.select`."""

    __slots__ = ("_log", "_news", "_seen", "_unknown")

    def __init__(
        self, log: EventLog, news: Subscription[None], seen: int, unknown: str | None
    ) -> None:
        self._log = log
        self._news = news
        self._seen = seen
        self._unknown = unknown

    def __len__(self) -> int:
        """How many events wait for it, those included that are gone already."""
        return self._log._newest - self._seen

    @property
    def position(self) -> str:
        """The id of what it has had so far."""
        return self._log._id(self._seen)

    def poll(self) -> Any:
        """For `ctx.select`: a LoggedEvent or PENDING; it never ends by itself."""
        self._news.poll()  # What the news are is asked next, so that none is lost.
        with self._log._lock:
            found = self._log._after(self)
        return PENDING if found is None else found

    def poll_or_wait(self, link: Link) -> Any:
        """For `ctx.select`."""
        while self._news.poll(link) is None:
            pass  # What the news are is asked next, so that none is lost.
        return self.poll()

    def expect_nothing(self, link: Link) -> None:
        """For `ctx.select`."""
        self._news.expect_nothing(link)

    def attach(self, link: Link) -> None:
        """For `ctx.select`."""
        self._news.attach(link)

    def detach(self, link: Link) -> None:
        """For `ctx.select`."""
        self._news.detach(link)

    def __aiter__(self) -> LogReader:
        return self

    async def __anext__(self) -> LoggedEvent:
        while (item := self.poll()) is PENDING:
            await anext(self._news)
        found: LoggedEvent = item
        return found


def text_of(data: Any) -> str | bytes:
    """The text of an event: str as it is, else JSON in UTF-8.

    Raises UsageError for bytes, and TypeError for what JSON has no form for.
    """
    if isinstance(data, str):
        return data
    if isinstance(data, _BYTES):
        raise UsageError(
            f"data of an event is {type(data).__name__}; expected str, or a value with a JSON "
            "form: an event stream is text. Decode it, or send it as base64"
        )
    return json.dumps(data)


_BYTES = (bytes, bytearray, memoryview)
