"""EventLog: the latest events, numbered, for clients that come again with a Last-Event-ID.

It is an append-only log with bounded retention. A reader is a position in it and holds nothing
else, so there is one copy of each event, however many clients follow. What a client has missed,
what is sent now and what a slow client has not taken yet are the same thing: there is no gap and no
duplicate.
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
from anylane.realtime.event_store import EventStore
from anylane.realtime.source import PENDING
from anylane.shown import shown

if TYPE_CHECKING:
    from anylane.lane.link import Link
    from anylane.realtime.waiters import Waiter


RESYNC = "resync"
"""The type of the event that tells a client that it missed something for good."""


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """One event of a log, as one client gets it. `events.send(item)` sends it.

    data, event: as they were sent; a resync has the event "resync" and its payload as data. id:
    names the position after the event. block: the whole event, as it goes on the wire.
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
    """What a log asks of a client that follows it. `ctx` and an EventStream are Followers."""

    @property
    def link(self) -> Link:
        """Return the link of its exchange."""
        ...

    @property
    def last_event_id(self) -> str | None:
        """Return the id of the last event that the client saw before it came again, or None."""
        ...


class EventLog:
    """Keeps the latest events, numbered, for clients that come again with a Last-Event-ID (HTML
    standard §9.2.4).

    capacity: how many events are kept for clients that come again or lag. max_bytes: bytes that
    they may take in their encoded form; the newest event is kept whatever its size. epoch: tells
    the ids of this log from those of others, such as the one before a restart; it is random unless
    you have a better one. store: gives the ids, and makes it one log with those of other processes;
    without it the log is this process's alone. Raises UsageError for a capacity or max_bytes that
    is no int from 1, for CR, LF or NUL in the epoch, for an epoch beside a store, and for what is
    no store.

    An id is EPOCH-NUMBER. A client whose id is not in the log gets, before anything else, one
    event of type "resync" with this JSON:

        {"reason": "expired" | "unknown", "after": ID, "missed": NUMBER | null}

    "expired" says that `missed` events after its id are gone, because the client was away or too
    slow for too long. "unknown" says that the id is of another epoch (the server was restarted) or
    of no log at all. All events that are kept follow, and then the live ones. A client that builds
    state from events has to load it anew then.

    A log may be used from any thread.
    """

    def __init__(
        self,
        capacity: int = 1024,
        *,
        max_bytes: int = 4 * 1024 * 1024,
        epoch: str | None = None,
        store: EventStore | None = None,
    ) -> None:
        for name, value in (("capacity", capacity), ("max_bytes", max_bytes)):
            if not isinstance(value, int) or value < 1:  # type: ignore[redundant-expr]
                raise UsageError(f"EventLog {name} is {value!r}; expected an int from 1")
        if epoch is not None:
            encode_fields(id=epoch)
            if store is not None:
                raise UsageError("EventLog has an epoch and a store; the store gives the epoch")
        if store is not None and not isinstance(store, EventStore):
            raise UsageError(
                f"EventLog store is {shown(store)}; expected an object with the methods of "
                "EventStore: open(log) and append(data, event)"
            )
        self.capacity = capacity
        self.max_bytes = max_bytes
        self._epoch = epoch
        self._lock = allocate_lock()
        self._entries: deque[_Entry] = deque()
        self._size = 0
        # The number of the newest event. Ids begin with 1, and 0 is the position before that.
        self._newest = 0
        # It wakes the readers. The events themselves are in the log, so one item is enough.
        self._news: Broadcast[None] = Broadcast(capacity=1)
        self._store = store
        # Where the log stood when the store had told all that it had; None before that.
        self._began: int | None = None if store is not None else 0
        if store is not None:
            store.open(self)

    def __len__(self) -> int:
        """Return how many events are kept."""
        return len(self._entries)

    @property
    def receivers(self) -> int:
        """Return how many clients follow."""
        return self._news.receivers

    def send(self, data: Any, event: str | None = None) -> int:
        """Append one event, and return how many clients follow.

        It never blocks. Call it from any thread, but not from a signal handler. data, event: as in
        `EventStream.send`; they are encoded once for all clients. Raise UsageError and TypeError as
        that does; nothing is appended then.
        """
        text = text_of(data)
        block = encode_event(text, event=event)
        if self._store is not None:
            self._store.append(text, event)
            return self._news.receivers
        # They are kept until the lock is released: an item's `__del__` may send in turn.
        dropped: list[_Entry] = []
        with self._lock:
            self._append(_Entry(data, event, block), dropped)
        return self._news.send(None)

    def receive(self, epoch: str, number: int, data: Any, event: str | None) -> None:
        """Take an event to which a store has given a place.

        Events come in order. One that was here already is left out. Behind a gap, or in another
        epoch, nothing is kept of what was before. Raise UsageError as `send` does.
        """
        entry = _Entry(data, event, encode_event(text_of(data), event=event))
        dropped: list[_Entry] = []
        with self._lock:
            if epoch == self._epoch and number <= self._newest:
                return
            if epoch != self._epoch or number > self._newest + 1:
                self._begin_at(epoch, number - 1, dropped)
            self._append(entry, dropped)
        self._news.send(None)

    def stands_at(self, epoch: str, number: int) -> None:
        """Take note of the place of the last event that a store has, 0 if it has none.

        Until a store has called this, clients wait.
        """
        dropped: list[_Entry] = []
        with self._lock:
            if epoch != self._epoch or number > self._newest:
                self._begin_at(epoch, number, dropped)
            if self._began is None:
                self._began = self._newest
        self._news.send(None)

    @contextmanager
    def subscribe(self, ctx: Follower, *, history: int = 0) -> Generator[LogReader]:
        """Return a block that gives a LogReader: `with log.subscribe(ctx) as reader`.

        The reader gives what this client has missed, and then what is sent from now on. It is a
        source of `ctx.select`, and `async for` works, too; `events.follow(log)` does all of it.
        history: how many of the kept events a client gets that comes for the first time. Entering
        raises UsageError if it is no int from 0.
        """
        if not isinstance(history, int) or history < 0:  # type: ignore[redundant-expr]
            raise UsageError(f"history is {history!r}; expected a number of events from 0")
        with self._news.subscribe() as news:
            with self._lock:
                if self._epoch is None and self._store is None:
                    # The server's randomness is used: the core has none of its own.
                    self._epoch = ctx.link.host.token(6).hex()
                reader = LogReader(self, news, ctx.last_event_id, history)
                self._place(reader, self._newest)
            yield reader

    # Called with the lock held.

    def _append(self, entry: _Entry, dropped: list[_Entry]) -> None:
        self._newest += 1
        self._entries.append(entry)
        self._size += len(entry.block)
        while len(self._entries) > self.capacity or (
            self._size > self.max_bytes and len(self._entries) > 1
        ):
            oldest = self._entries.popleft()
            self._size -= len(oldest.block)
            dropped.append(oldest)

    def _begin_at(self, epoch: str, number: int, dropped: list[_Entry]) -> None:
        """Keep nothing, and go on behind that place."""
        dropped += self._entries
        self._entries.clear()
        self._size = 0
        self._epoch = epoch
        self._newest = number

    def _place(self, reader: LogReader, moment: int) -> None:
        """Find a reader's place, also in an epoch that has begun since it was found last.

        As long as a store has not told where the log stands, there is none. moment: where the log
        stood when the reader came.
        """
        if self._began is None:
            return
        if reader._epoch is not None:
            reader._after = f"{reader._epoch}-{reader._seen}"
        reader._epoch = self._epoch
        reader._seen, reader._unknown = self._position(reader._after, moment - reader._history)

    def _position(self, after: str | None, latest: int) -> tuple[int, str | None]:
        """Return the number of the event that this client has seen last, and its id if that is
        unknown, else None. latest: the number for a client that comes for the first time."""
        first = self._newest - len(self._entries)
        if after is None:
            return min(max(first, latest), self._newest), None
        epoch, _, number = after.rpartition("-")
        if epoch == self._epoch and number.isascii() and number.isdigit() and len(number) < 20:
            seen = int(number)
            if seen <= self._newest:
                return seen, None
        return first, after

    def _id(self, number: int) -> str:
        return f"{self._epoch}-{number}"

    def _next(self, reader: LogReader) -> LoggedEvent | None:
        """Return the next event for this reader, None if it has them all."""
        if self._began is None:
            return None
        if reader._epoch != self._epoch:
            self._place(reader, self._began)
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
    """One client's position in a log. Use it in `async for event in reader`, or as a source of
    `ctx.select`.

    Each item is a LoggedEvent. The reader never ends by itself.
    """

    __slots__ = ("_after", "_epoch", "_history", "_log", "_news", "_seen", "_unknown", "relayed")

    def __init__(
        self, log: EventLog, news: Subscription[None], after: str | None, history: int
    ) -> None:
        self._log = log
        self._news = news
        self._after = after
        self._history = history
        self._epoch: str | None = None
        self._seen = 0
        self._unknown: str | None = None
        self.relayed: bool = False

    def __len__(self) -> int:
        """Return how many events this client has not had, those included that are gone already."""
        log = self._log
        with log._lock:
            if self._epoch is None:
                return 0
            if self._epoch != log._epoch:
                return len(log)  # It gets all that are kept, behind a resync.
            return log._newest - self._seen

    @property
    def position(self) -> str:
        """Return the id of the last event that this client has had; it is empty if none is known
        because a store has not told yet where the log stands."""
        return (self._after or "") if self._epoch is None else f"{self._epoch}-{self._seen}"

    @property
    def waiting(self) -> int:
        """How many events it gives now at most, with one that tells of missed ones. For relays."""
        return len(self) + 1

    @property
    def next_number(self) -> int:
        """The number of the last event that it has given, as its log counts them. For relays."""
        return self._seen

    @property
    def end_number(self) -> int:
        """The number of the newest event, as its log counts them. For relays."""
        return self._seen if self._epoch is None else self._log._newest

    def poll(self) -> Any:
        """Return the next LoggedEvent, or PENDING (see `Source.poll`)."""
        self._news.poll()  # The log is asked after this, so that no event is lost.
        with self._log._lock:
            found = self._log._next(self)
        return PENDING if found is None else found

    def poll_or_wait(self, link: Link) -> Any:
        """Return the next LoggedEvent, or PENDING; then the link is woken (see `OwnSource`)."""
        while self._news.poll(link) is None:
            pass  # The log is asked after this, so that no event is lost.
        return self.poll()

    def expect_nothing(self, link: Link) -> None:
        """Have the link woken no longer by this log (see `OwnSource`)."""
        self._news.expect_nothing(link)

    def attach(self, link: Waiter) -> None:
        """Have the link woken by every event from now on (see `Source`)."""
        self._news.attach(link)

    def detach(self, link: Waiter) -> None:
        """Have the link woken no longer (see `Source`)."""
        self._news.detach(link)

    def __aiter__(self) -> LogReader:
        return self

    async def __anext__(self) -> LoggedEvent:
        while (item := self.poll()) is PENDING:
            await anext(self._news)
        found: LoggedEvent = item
        return found


def text_of(data: Any) -> str | bytes:
    """Return the text of an event: a str as it is, any other value as JSON in UTF-8.

    Raise UsageError for bytes, and TypeError for a value that JSON has no form for.
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
