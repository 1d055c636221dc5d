"""The command's logging, and the lines of the access log."""

from __future__ import annotations

import logging

from anylane.lane.server_core import Access


def set_up_logging(level: str) -> None:
    """Write anylane's messages of that level and above to standard error, and other libraries' from
    warning on, as long as the app has not set up logging by itself. level: one of
    `run_settings.LEVELS`.

    An app's `logging.basicConfig` does nothing where the root logger has a handler already. So ours
    is none of its handlers: it is what logging falls back to where no handler takes a record.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logging.lastResort = handler
    logging.getLogger("anylane").setLevel(level.upper())


access_logger: logging.Logger = logging.getLogger("anylane.access")


def log_access(access: Access) -> None:
    """Log one line: client, request line, status, bytes of the body, milliseconds.

    A quote and a backslash in the target are written as nginx does, so that a line has one reading.
    """
    head = access.head
    request = "-"
    sent = access.sent
    if head is not None:
        method, target = head.method.decode("ascii"), head.target.decode("ascii", "replace")
        if '"' in target or "\\" in target:
            target = target.replace("\\", r"\x5C").replace('"', r"\x22")
        request = f"{method} {target} HTTP/{head.version.decode('ascii')}"
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
