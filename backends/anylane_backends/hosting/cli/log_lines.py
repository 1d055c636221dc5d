"""Logging as the command sets it up, and the lines of the access log."""

from __future__ import annotations

import logging

from anylane.lane.server_core import Access

# --- logging -----------------------------------------------------------------------------------


def set_up_logging(level: str) -> None:
    """anylane's messages from that level on, everybody's from warning on, to standard error."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.WARNING)
    logging.getLogger("anylane").setLevel(level.upper())


access_logger = logging.getLogger("anylane.access")


def log_access(access: Access) -> None:
    """One line: who, the request line, status, bytes of the body, milliseconds."""
    head = access.head
    request = "-"
    sent = access.sent
    if head is not None:
        method, target = head.method.decode("ascii"), head.target.decode("ascii", "replace")
        request = f"{method} {target} HTTP/{head.version.decode('ascii')}"
        if method == "HEAD":
            sent = 0
    peer = access.peer
    who = "-"
    if isinstance(peer, tuple):
        who = str(peer[0])
        if peer[1]:  # Of who came through a proxy it may not be known.
            who = f"[{who}]:{peer[1]}" if ":" in who else f"{who}:{peer[1]}"
    access_logger.info(
        '%s "%s" %s %d %.1f', who, request, access.status or "-", sent, access.seconds * 1000
    )
