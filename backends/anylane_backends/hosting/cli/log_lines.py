"""The command's logging, and the lines of the access log."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime

from anylane.lane.server_core import Access
from anylane.request_tag import request_id, tagged
from anylane.shown import quoted
from anylane_backends.hosting.messages import access_logger


class TaggedLines(logging.Formatter):
    """Writes lines as its format says, each with the id of the request that it belongs to where
    the part RequestId is used."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # as logging
        """Return the line without a traceback."""
        return tagged(super().formatMessage(record))


class JsonLines(logging.Formatter):
    """Writes each line as one JSON object in ASCII: time, level, logger, message, and where there
    are such the id of the request and the traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the object."""
        known = request_id.get()
        facts = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if known is not None:
            facts["request_id"] = known
        if record.exc_info and not record.exc_text:
            record.exc_text = self.formatException(record.exc_info)
        if record.exc_text:
            facts["exception"] = record.exc_text
        if record.stack_info:
            facts["stack"] = self.formatStack(record.stack_info)
        return json.dumps(facts)


def set_up_logging(level: str, form: str = "text") -> None:
    """Write anylane's messages of that level and above to standard error, and other libraries' from
    warning on, as long as the app has not set up logging by itself. level: one of
    `run_settings.LEVELS`. form: one of `run_settings.LOG_FORMATS`.

    An app's `logging.basicConfig` does nothing where the root logger has a handler already. So ours
    is none of its handlers: it is what logging falls back to where no handler takes a record.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(
        JsonLines() if form == "json" else TaggedLines("%(asctime)s %(levelname)s %(message)s")
    )
    logging.lastResort = handler
    logging.getLogger("anylane").setLevel(level.upper())


def log_access(access: Access) -> None:
    """Log one line: client, request line, status, bytes of the body, milliseconds.

    A quote and a backslash in the target are written as nginx does, so that a line has one reading.
    """
    head = access.head
    request = "-"
    sent = access.sent
    if head is not None:
        method, target = head.method.decode("ascii"), head.target.decode("ascii", "replace")
        request = f"{method} {quoted(target)} HTTP/{head.version.decode('ascii')}"
        if method == "HEAD":
            sent = 0
    peer = access.peer
    client = "-"
    if isinstance(peer, tuple):
        client = str(peer[0])
        if peer[1]:  # The port of a client behind a proxy may not be known.
            client = f"[{client}]:{peer[1]}" if ":" in client else f"{client}:{peer[1]}"
    access_logger.info(
        '%s "%s" %s %d %.1f', client, request, access.status or "-", sent, access.seconds * 1000
    )
