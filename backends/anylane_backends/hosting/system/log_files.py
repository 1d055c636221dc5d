"""The files of the log: opened again once a tool such as logrotate(8) has renamed them."""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from logging.handlers import WatchedFileHandler
from pathlib import Path


def reopen_logs() -> list[str]:
    """Open the file of each logging.FileHandler of this process again, if its path leads to another
    file than before or to none. Return the paths that cannot be opened; those handlers go on with
    the file that they have.

    A file that was copied and emptied in place (copytruncate) needs nothing.
    """
    failed = []
    # logging itself finds them here when it shuts down: those too that hang behind a queue.
    for reference in tuple(logging._handlerList):  # type: ignore[attr-defined]
        handler = reference()
        if isinstance(handler, logging.FileHandler) and not _reopen(handler):
            failed.append(handler.baseFilename)
    return failed


def _reopen(handler: logging.FileHandler) -> bool:
    old = handler.stream
    if old is None:  # It opens its file with the first line, which is still to come.
        return True
    try:
        if isinstance(handler, WatchedFileHandler):
            handler.reopenIfNeeded()
            return True
        if _is_same(old.fileno(), handler.baseFilename):
            return True  # One of mode "w" would be emptied.
        handler.setStream(handler._open())
    except Exception:  # noqa: BLE001  # It may be a class of the app's.
        return False
    with suppress(OSError):  # A full disk.
        old.close()
    return True


def _is_same(descriptor: int, path: str) -> bool:
    with suppress(OSError):
        return os.path.samestat(os.fstat(descriptor), Path(path).stat())
    return False
