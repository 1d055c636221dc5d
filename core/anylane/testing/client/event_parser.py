"""Server-sent events as a browser reads them (HTML standard §9.2.6), and lines.

Text in, events out. A line may end with CR, LF or both, and be cut anywhere between two pieces.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from anylane import json


class LineSplitter:
    """Cuts text into lines. A CR ends its line at once, because what follows may never come."""

    def __init__(self) -> None:
        self._rest = ""
        self._after_cr = False

    def feed(self, text: str) -> list[str]:
        """Return the lines that are complete now, without their ends."""
        if self._after_cr and text:
            text = text.removeprefix("\n")
            self._after_cr = False
        self._after_cr = self._after_cr or text.endswith("\r")
        *lines, self._rest = (
            (self._rest + text).replace("\r\n", "\n").replace("\r", "\n").split("\n")
        )
        return lines

    def flush(self) -> list[str]:
        """Return the last line, if it had no end."""
        rest, self._rest = self._rest, ""
        return [rest] if rest else []


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    """One event of a stream (HTML standard §9.2.6).

    data: its data, lines joined by LF.
    event: its type.
    id: the last id that was seen up to here.
    retry: milliseconds, if this event set it.
    """

    data: str
    event: str = "message"
    id: str = ""
    retry: int | None = None

    def json(self) -> Any:
        """Return the data decoded as JSON. Raises ValueError if it is not JSON."""
        return json.loads(self.data)


class EventParser:
    """Makes events from text.

    last_event_id: the id of the last block that was complete.
    retry: milliseconds, as the server said last.
    comments: how many comments have come.
    """

    def __init__(self, last_event_id: str = "") -> None:
        self._lines = LineSplitter()
        self._begun = False
        self._data: list[str] = []
        self._event = ""
        self._id = last_event_id
        self.last_event_id: str = last_event_id
        self._retry: int | None = None
        self.retry: int | None = None
        self.comments: int = 0

    def feed(self, text: str) -> list[ServerSentEvent]:
        """Return the events that are complete now."""
        if not self._begun and text:
            self._begun = True
            text = text.removeprefix("\ufeff")
        events: list[ServerSentEvent] = []
        for line in self._lines.feed(text):
            if line:
                self._field(line)
            elif event := self._dispatch():
                events.append(event)
        return events

    def _field(self, line: str) -> None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "":
                self.comments += 1
            case "data":
                self._data.append(value)
            case "event":
                self._event = value
            case "id" if "\0" not in value:
                self._id = value
            case "retry" if value.isascii() and value.isdigit():
                self._retry = self.retry = int(value)
            case _:
                pass

    def _dispatch(self) -> ServerSentEvent | None:
        data, event, retry = self._data, self._event or "message", self._retry
        self._data, self._event, self._retry = [], "", None
        self.last_event_id = self._id
        if not data:
            return None  # A block without data is no event, but its id counts.
        return ServerSentEvent("\n".join(data), event, self._id, retry)
