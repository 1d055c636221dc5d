"""What the command writes into the log by itself: its handler, and the lines of the access log."""

from __future__ import annotations

import logging

from anylane.lane.server_core import Access
from anylane.shown import quoted
from anylane_backends.hosting.messages import access_logger
from anylane_backends.logging.formatters import JsonFormatter, TextFormatter


def write_to_standard_error(form: str) -> None:
    """Write what no handler of the app's takes to standard error. form: one of
    `run_settings.LOG_FORMATS`.

    An app's `logging.basicConfig` does nothing where the root logger has a handler already. So ours
    is none of its handlers: it is what logging falls back to where no handler takes a record.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    logging.lastResort = handler


def log_access(access: Access) -> None:
    """Log one line: client, request line, status, bytes of the body, milliseconds.

    A quote and a backslash in the target are written as nginx does, so that a line has one reading.
    What the line says is in attributes of the record, too, with the names that AccessLog has.
    """
    if not access_logger.isEnabledFor(logging.INFO):
        return
    head = access.head
    request = "-"
    sent = access.sent
    method = path = query = version = None
    if head is not None:
        method, target = head.method.decode("ascii"), head.target.decode("ascii", "replace")
        version = head.version.decode("ascii")
        request = f"{method} {quoted(target)} HTTP/{version}"
        path, mark, rest = target.partition("?")
        query = rest if mark else None
        if method == "HEAD":
            sent = 0
    peer = access.peer
    client, host = "-", None
    if isinstance(peer, tuple):
        client = host = str(peer[0])
        if peer[1]:  # The port of a client behind a proxy may not be known.
            client = f"[{host}]:{peer[1]}" if ":" in host else f"{host}:{peer[1]}"
    access_logger.info(
        '%s "%s" %s %d %.1f',
        client,
        request,
        access.status or "-",
        sent,
        access.seconds * 1000,
        extra={
            "client": host,
            "method": method,
            "path": path,
            "query": query,
            "version": version,
            "status": access.status or None,
            "bytes": sent,
            "duration": round(access.seconds, 6),
        },
    )
