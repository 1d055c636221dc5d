"""The command's logging, and the lines of the access log."""

from __future__ import annotations

import logging

from anylane.lane.server_core import Access
from anylane.request_tag import tagged
from anylane.shown import quoted
from anylane_backends.hosting.messages import access_logger


class TaggedLines(logging.Formatter):
    """Writes lines as its format says, each with the id of the request that it belongs to where
    the part RequestId is used."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # as logging
        """Return the line without a traceback."""
        return tagged(super().formatMessage(record))


def set_up_logging(level: str) -> None:
    """Write anylane's messages of that level and above to standard error, and other libraries' from
    warning on, as long as the app has not set up logging by itself. level: one of
    `run_settings.LEVELS`.

    An app's `logging.basicConfig` does nothing where the root logger has a handler already. So ours
    is none of its handlers: it is what logging falls back to where no handler takes a record.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(TaggedLines("%(asctime)s %(levelname)s %(message)s"))
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
