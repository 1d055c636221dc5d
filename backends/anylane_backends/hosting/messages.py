"""The words an operator reads: log lines, URLs, and what was raised where."""

from __future__ import annotations

import logging
import os
import socket
import sys
import sysconfig
import traceback
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from anylane import errors
from anylane.config.server_config import ServerConfig
from anylane.shown import spoken
from anylane_backends.logging.printable import printable, shown_traceback
from anylane_backends.sockets.sockets import UNIX

logger: logging.Logger = logging.getLogger("anylane")
access_logger: logging.Logger = logging.getLogger("anylane.access")


def log(level: str, message: str, error: BaseException | None) -> None:
    """Pass what the core reports on to the standard library's logging. level: "info", "error".

    A client's text may be in the message and in what the error says. So that it forges no line,
    whatever is not printable is escaped in both.
    """
    number = logging.getLevelNamesMapping()[level.upper()]
    if not logger.isEnabledFor(number):
        return
    file, line, function, _ = logger.findCaller()
    info = None if error is None else (type(error), error, error.__traceback__)
    record = logger.makeRecord(
        logger.name, number, file, line, printable(message), (), info, function
    )
    if error is not None:
        record.exc_text = shown_traceback(error)  # What a Formatter would have made of exc_info.
    logger.handle(record)


def write_access_line(line: str, fields: Mapping[str, Any]) -> None:
    """Pass a line of an access log on to the standard library's logging, at level INFO.

    fields: what it was made of; they are attributes of the record, for what writes key and value.
    """
    access_logger.info("%s", line, extra=fields)


def say(line: str, *, error: bool = False) -> None:
    """Print a line on standard output, or on standard error. A full disk or a closed pipe there
    must not end a server: then the line is dropped."""
    try:
        print(line, file=sys.stderr if error else sys.stdout, flush=True)
    except (OSError, ValueError):
        _give_up("stderr" if error else "stdout")


def flush_standard_streams() -> None:
    """Write what was printed and waits in a buffer, as far as that can be done (see `say`)."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        try:
            if stream is not None:  # It was closed when Python started.
                stream.flush()
        except (OSError, ValueError):
            _give_up(name)


def _give_up(name: str) -> None:
    # What is left in the buffer would fail again at the exit, and make the exit code 120.
    setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115  # to the end


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
    if listener.family == UNIX:
        return f"unix:{os.fsdecode(address)}"
    host, port = address[:2]
    scheme = "http" if config.ssl_certfile is None else "https"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
