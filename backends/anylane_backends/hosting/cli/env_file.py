"""The file of `--env-file`: KEY=VALUE lines, as python-dotenv reads them."""

from __future__ import annotations

import io
import os
from pathlib import Path

from anylane.errors import ConfigError


def load_env_file(path: str) -> None:
    """Add its lines to the environment; what is set there already stays.

    Raises ConfigError, and adds nothing then.
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
    # dotenv would skip such a line and go on without it. It may hold a secret: it is not shown.
    for line in parse_stream(io.StringIO(text)):
        if line.error or "\0" in line.original.string:  # No environment holds a NUL.
            raise ConfigError(
                f"--env-file {path}: line {line.original.line} cannot be read; expected KEY=VALUE"
            )
    for name, value in dotenv_values(stream=io.StringIO(text)).items():
        if value is not None:
            os.environ.setdefault(name, value)
