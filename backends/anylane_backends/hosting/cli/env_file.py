"""Reading the file of `--env-file`: KEY=VALUE lines, as python-dotenv reads them."""

from __future__ import annotations

import io
import os
from pathlib import Path

from anylane.errors import ConfigError


def load_env_file(path: str) -> None:
    """Add the lines of a file to the environment. A variable that is set already stays as it is.

    Raises ConfigError, and adds nothing then, if the file or one of its lines cannot be read.
    """
    try:
        from dotenv import dotenv_values
        from dotenv.parser import parse_stream
    except ImportError as exc:
        raise ConfigError("--env-file needs python-dotenv: pip install 'anylane[env]'") from exc
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as exc:
        raise ConfigError(f"--env-file {path}: {exc.strerror or exc}") from exc
    except UnicodeDecodeError as exc:
        raise ConfigError(f"--env-file {path} is not UTF-8: {exc.reason} at {exc.start}") from exc
    # dotenv would skip a line that it cannot read. The line may hold a secret, so it is not shown.
    for line in parse_stream(io.StringIO(text)):
        if line.error or "\0" in line.original.string:  # An environment cannot hold NUL.
            raise ConfigError(
                f"--env-file {path}: line {line.original.line} cannot be read; expected KEY=VALUE"
            )
    for name, value in dotenv_values(stream=io.StringIO(text)).items():
        if value is not None:
            os.environ.setdefault(name, value)
