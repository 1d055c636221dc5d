"""Formatters whose lines have one reading: one record is one line, whatever text is in it.

What is not printable is escaped, in the app's own messages too, so a client's text forges no line.
Behind the line of a record only the lines of its traceback and of its stack may follow in text; in
JSON they are members of the same object.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import PurePath
from typing import Any, Literal
from uuid import UUID

from anylane.shown import shown
from anylane_backends.logging.ids import NAMES, NONE, ids_of
from anylane_backends.logging.printable import printable, shown_traceback
from anylane_backends.logging.worker import current_worker

TEXT = "%(asctime)s %(levelname)s %(message)s"
"""How a line of text looks, unless it is told otherwise."""

Style = Literal["%", "{", "$"]

_WORKER_FIELD = re.compile(r"%\(worker\)|\{worker\b|\$worker\b")
"""How a format names the worker, in any of the styles."""


class TextFormatter(logging.Formatter):
    """Writes a record as one line, with its traceback behind it.

    fmt, datefmt, style, validate, defaults: as for `logging.Formatter`; fmt is "%(asctime)s
    %(levelname)s %(message)s" by default. It may name `connection_id`, `request_id`, `trace_id` and
    `span_id`, which are "-" where there are none. A line of a format that names none of them ends
    with those that the message does not tell: "[request 17-2]". Where several workers write from
    one process it may name `worker`, too, and a line of a format that does not ends with that.
    """

    def __init__(
        self,
        fmt: str | None = None,
        datefmt: str | None = None,
        style: Style = "%",
        validate: bool = True,
        *,
        defaults: Mapping[str, Any] | None = None,
    ) -> None:
        fmt = TEXT if fmt is None else fmt
        worker = current_worker()
        if _WORKER_FIELD.search(fmt):
            # A default, and not set on the record: to other formatters it would be an `extra`.
            defaults = {"worker": NONE if worker is None else worker, **(defaults or {})}
            worker = None
        super().__init__(fmt, datefmt, style, validate, defaults=defaults)
        self._names_ids = any(name in fmt for name in NAMES)
        self._tail = "" if worker is None else f" [worker {worker}]"

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, and what follows it."""
        record.message = record.getMessage()
        if self.usesTime():
            record.asctime = self.formatTime(record, self.datefmt)
        found = ids_of(record)
        if self._names_ids:
            for name in NAMES:
                record.__dict__.setdefault(name, found.get(name, NONE))
            line = printable(self.formatMessage(record))
        else:
            line = _tagged(printable(self.formatMessage(record)), found)
        line += self._tail
        if text := exception_of(record):
            line += f"\n{text}"
        if record.stack_info:
            line += f"\n{_indented(record.stack_info)}"
        return line


class JsonFormatter(logging.Formatter):
    """Writes a record as one JSON object in ASCII, on one line.

    Its members are time (in UTC), level, logger, pid, where several workers write from one process
    worker, message, the ids that there are, what was given as `extra`, and where there are such
    exception and stack. An `extra` with the name of another member begins with `extra_`. The
    arguments are those that `logging` gives every formatter: fmt, datefmt and defaults must not be
    given, because the members are fixed.
    """

    def __init__(
        self,
        fmt: str | None = None,
        datefmt: str | None = None,
        style: Style = "%",
        validate: bool = True,
        *,
        defaults: Mapping[str, Any] | None = None,
    ) -> None:
        if fmt is not None or datefmt is not None or defaults is not None:
            raise ValueError("JsonFormatter has fixed members; leave format and datefmt out")
        super().__init__(fmt, datefmt, style, validate)

    def format(self, record: logging.LogRecord) -> str:
        """Return the object."""
        at = datetime.fromtimestamp(record.created, UTC)
        facts: dict[str, Any] = {
            "time": at.isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "pid": record.process,
            **({} if (worker := current_worker()) is None else {"worker": worker}),
            "message": record.getMessage(),
            **ids_of(record),
        }
        if text := exception_of(record):
            facts["exception"] = text
        if record.stack_info:
            facts["stack"] = record.stack_info
        for name, value in record.__dict__.items():
            if name not in _OWN and name not in NAMES:
                facts[f"extra_{name}" if name in facts else name] = value
        return _dumped(facts)


_OWN = {
    *logging.LogRecord("", 0, "", 0, "", (), None).__dict__,
    "asctime",
    "message",
    "taskName",  # from Python 3.12 on
}
"""What a record has by itself; the rest was given as `extra`."""


def exception_of(record: logging.LogRecord) -> str | None:
    """Return the traceback of a record, each exception's text on one line; None without one."""
    if record.exc_info and record.exc_info[1] is not None:
        # Not `exc_text`: another formatter may have put it there as it came.
        return shown_traceback(record.exc_info[1])
    return _indented(record.exc_text) if record.exc_text else None


def _indented(text: str) -> str:
    """Return lines of which no later one looks like the beginning of a record."""
    first, *later = map(printable, text.split("\n"))
    return "\n".join([first, *(line if line[:1] == " " else f"  {line}" for line in later)])


SURE = 16
"""Characters of an id that no line contains by chance. "1-2" is in many a date."""


def _tagged(line: str, found: Mapping[str, Any]) -> str:
    request, connection = found.get("request_id"), found.get("connection_id")
    if request is not None:
        told = printable(str(request))
        tag = f"[request {told}]"
        # The framework has tagged its own line; an access log has the id in a field.
        if tag not in line and (len(told) < SURE or told not in line):
            line += f" {tag}"
    if connection is not None and not str(request).startswith(f"{connection}-"):
        line += f" [connection {connection}]"
    if "trace_id" in found:
        line += f" [trace {printable(str(found['trace_id']))}]"
    return line


def _dumped(facts: Mapping[str, Any]) -> str:
    try:
        text = json.dumps(facts, default=_plain, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        # Keys that JSON cannot have, NaN, a circle: that member is told as Python writes it.
        safe = {str(name): _safe(value) for name, value in facts.items()}
        text = json.dumps(safe, default=_plain)
    return text.replace("\x7f", "\\u007f")


def _safe(value: object) -> object:
    try:
        json.dumps(value, default=_plain, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return shown(value, MAX_SHOWN)
    return value


MAX_SHOWN = 1024
"""Characters of a value that JSON cannot say."""


def _plain(value: object) -> str:
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, UUID | Decimal | PurePath):
        return str(value)
    return shown(value, MAX_SHOWN)
