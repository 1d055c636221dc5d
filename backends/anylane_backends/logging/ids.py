"""The ids of what is dealt with when a line is logged: connection, request, trace and span.

They are looked up in the context variables of the code that logs, so they are there in coroutines,
in `def` handlers, in generators and in background work, on every backend. A request that logs
nothing costs nothing.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

from anylane.lane.log_ids import current_connection_id, current_request_id

NAMES = ("connection_id", "request_id", "trace_id", "span_id")
"""In the order in which a line has them."""


def current_ids() -> dict[str, int | str]:
    """Return the ids of what is dealt with here, by name; only those that there are.

    connection_id: a number, unique in this process. request_id: the one of the part RequestId, else
    the number of the connection and another one, such as "17-2". trace_id, span_id: those of
    OpenTelemetry's current span, as hexadecimal digits.
    """
    found: dict[str, int | str] = {}
    connection = current_connection_id()
    if connection is not None:
        found["connection_id"] = connection
    request = current_request_id()
    if request is not None:
        found["request_id"] = request
    # Only a library that is loaded can have a span.
    trace = sys.modules.get("opentelemetry.trace")
    if trace is not None:
        span = trace.get_current_span().get_span_context()
        if span.is_valid:
            found["trace_id"] = trace.format_trace_id(span.trace_id)
            found["span_id"] = trace.format_span_id(span.span_id)
    return found


def ids_of(record: logging.LogRecord) -> dict[str, Any]:
    """Return the ids of a record: those that a filter or an `extra` has put there, else those of
    what is dealt with here."""
    own = record.__dict__
    if "connection_id" in own:  # An IdsFilter has seen it, maybe in another thread.
        return {name: own[name] for name in NAMES if own.get(name, NONE) != NONE}
    found: dict[str, Any] = current_ids()
    for name in NAMES:
        if own.get(name) is not None:
            found[name] = own[name]
    return found


NONE = "-"
"""What stands in a record for an id that there is not."""


class IdsFilter(logging.Filter):
    """Gives each record the attributes `connection_id`, `request_id`, `trace_id` and `span_id`;
    "-" where there is none.

    For a format of your own, such as "%(request_id)s %(message)s", and for a QueueHandler, whose
    records are written in another thread: there the context is another one.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Give the record its ids, and let it pass."""
        found = current_ids()
        for name in NAMES:
            if name not in record.__dict__:
                setattr(record, name, found.get(name, NONE))
        return True


def add_ids(
    _logger: Any, _method: str, event_dict: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Add the ids of what is dealt with here to an event of structlog: a processor."""
    for name, value in current_ids().items():
        event_dict.setdefault(name, value)
    return event_dict
