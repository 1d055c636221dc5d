"""ClientEvents: an event stream as a page with an `EventSource` sees it (HTML standard §9.2).

It never reconnects by itself.
"""

from __future__ import annotations

import codecs
from collections import deque
from collections.abc import Iterator
from types import TracebackType
from typing import Protocol, Self

from anylane.errors import UsageError
from anylane.http.headers import Headers
from anylane.testing.client.errors import Silence
from anylane.testing.client.event_parser import EventParser, ServerSentEvent
from anylane.testing.client.request import ClientRequest

_MAX_COMMENTS = 1000
"""Heartbeats without an event, after which a waiting test is told that none will come."""


class StreamedResponse(Protocol):
    """What ClientEvents asks of a response. `ClientResponse` is one."""

    request: ClientRequest

    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> Headers: ...
    def arrived(self) -> bytes: ...
    def iter_bytes(self) -> Iterator[bytes]: ...
    def close(self) -> None: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


class ClientEvents:
    """An event stream: iterate over it, or ask `arrived()` what has come by now.

    It does not reconnect when the stream ends: open another one with its `last_event_id`. Iterating
    waits in virtual or real time; it raises Silence if no event can ever come, and
    IncompleteResponse if the server ends the connection in the middle.

    response: the answer, with its status and headers.
    """

    def __init__(self, response: StreamedResponse, last_event_id: str = "") -> None:
        self.response = response
        self._parser = EventParser(last_event_id)
        # Always UTF-8, whatever the header says (HTML standard §9.2.6).
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._events: deque[ServerSentEvent] = deque()

    @property
    def last_event_id(self) -> str:
        """What an EventSource would send when it reconnects, or ""."""
        return self._parser.last_event_id

    @property
    def retry(self) -> int | None:
        """Milliseconds until it would reconnect, as the server said last, or None."""
        return self._parser.retry

    @property
    def comments(self) -> int:
        """The number of comments that have come, heartbeats included."""
        return self._parser.comments

    def open(self) -> Self:
        """Wait for the head, and return this.

        Raises UsageError if the answer is nothing that an EventSource accepts: 200 with
        text/event-stream (HTML standard §9.2.3).
        """
        kind = (self.response.headers.get("content-type") or "").partition(";")[0].strip().lower()
        if self.response.status != 200 or kind != "text/event-stream":
            raise UsageError(
                f"{self.response.request.target} answered {self.response.status} with "
                f"{kind or 'no content type'}; an event stream has 200 and text/event-stream"
            )
        return self

    def arrived(self) -> list[ServerSentEvent]:
        """Return the events that have come by now and were not iterated over. Waits for none."""
        self._feed(self.response.arrived())
        events = list(self._events)
        self._events.clear()
        return events

    def close(self) -> None:
        """Close the connection, as a page that is closed does."""
        self.response.close()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> ServerSentEvent:
        before = self.comments
        while not self._events:
            data = next(self.response.iter_bytes(), None)
            if data is None:
                raise StopIteration
            self._feed(data)
            if not self._events and self.comments - before > _MAX_COMMENTS:
                request = self.response.request
                raise Silence(
                    f"{request.method} {request.target} sent {self.comments - before} comments "
                    "and no event in between"
                )
        return self._events.popleft()

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.response.__exit__(kind, exc, traceback)

    def _feed(self, data: bytes) -> None:
        self._events.extend(self._parser.feed(self._decoder.decode(data)))
