"""What an operator reads: log lines, and what was raised where."""

from __future__ import annotations

import logging
import os
import socket
import sysconfig
import traceback
from pathlib import Path

import anylane
from anylane.config.server_config import ServerConfig

logger = logging.getLogger("anylane")


def log(level: str, message: str, error: BaseException | None) -> None:
    """What the core reports, through the standard library."""
    logger.log(logging.getLevelNamesMapping()[level.upper()], message, exc_info=error)


def one_line(text: str) -> str:
    return " ".join(text.split())


def describe(error: BaseException) -> str:
    """What was raised, and the last line of the user's own code on the way there."""
    name = type(error).__name__
    text = f"{name}: {error}" if str(error) else name
    frames = traceback.extract_tb(error.__traceback__)
    places = map(sysconfig.get_path, ("stdlib", "platstdlib", "purelib", "platlib"))
    library = (*places, _HERE, str(Path(anylane.__file__).parent))
    own = [
        frame
        for frame in frames
        if not frame.filename.startswith(("<frozen", *library)) and frame.lineno is not None
    ]
    return f"{text} ({own[-1].filename}:{own[-1].lineno})" if own else text


_HERE = str(Path(__file__).parent)


def url_of(listener: socket.socket, config: ServerConfig) -> str:
    address = listener.getsockname()
    if listener.family == socket.AF_UNIX:
        return f"unix:{os.fsdecode(address)}"
    host, port = address[:2]
    scheme = "http" if config.ssl_certfile is None else "https"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
