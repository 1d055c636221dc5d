"""The words an operator reads: log lines, URLs, and what was raised where."""

from __future__ import annotations

import logging
import os
import socket
import sysconfig
import traceback
from functools import cache
from pathlib import Path

from anylane import errors
from anylane.config.server_config import ServerConfig
from anylane.shown import spoken

logger: logging.Logger = logging.getLogger("anylane")


def log(level: str, message: str, error: BaseException | None) -> None:
    """Pass what the core reports on to the standard library's logging. level: "info", "error"."""
    logger.log(logging.getLevelNamesMapping()[level.upper()], message, exc_info=error)


def one_line(text: str) -> str:
    """Return the text with each run of whitespace, line ends included, as one space."""
    return " ".join(text.split())


def describe(error: BaseException) -> str:
    """Return what was raised, with file and line of the user's own code that led there, if any."""
    name = type(error).__name__
    said = spoken(error)
    text = f"{name}: {said}" if said else name
    own = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith(_library()) and frame.lineno is not None
    ]
    return f"{text} ({own[-1].filename}:{own[-1].lineno})" if own else text


@cache
def _library() -> tuple[str, ...]:
    """Return how the names of files begin that are not the user's own.

    They are Python's, those of installed packages, the core's and the backends'. An editable
    install has the last two elsewhere, so they are named.
    """
    folders = (
        *map(sysconfig.get_path, ("stdlib", "platstdlib", "purelib", "platlib")),
        str(Path(errors.__file__).parent),
        str(Path(__file__).parents[1]),
    )
    return ("<frozen", *(f"{folder}{os.sep}" for folder in folders))


def url_of(listener: socket.socket, config: ServerConfig) -> str:
    """Return where a listener can be reached, as people write it."""
    address = listener.getsockname()
    if listener.family == socket.AF_UNIX:
        return f"unix:{os.fsdecode(address)}"
    host, port = address[:2]
    scheme = "http" if config.ssl_certfile is None else "https"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
