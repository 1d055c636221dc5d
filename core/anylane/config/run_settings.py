"""The settings of the `anylane` command itself: which app to serve, on what, in how many processes.

A field added to RunSettings is a flag, a variable, a key of a file's `run` table, a line of
`anylane run --help` and a row of docs/configuration.md at once. This module imports nothing that
reads settings, because what reads them imports it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from anylane.errors import ConfigError

LEVELS = ("critical", "error", "warning", "info", "debug")
"""The names of logging's levels, the quietest first."""

LOG_FORMATS = ("text", "json")
"""The forms that lines of the log can have."""

PRESETS = ("default", "strict", "relaxed")
"""The names of the configurations that other settings can start from."""


def _setting(default: Any, **metadata: Any) -> Any:
    """Return a field with more to it than type and default.

    choices: the values that it may have. bounds: its lowest and its highest value. metavar: what
    the help shows for its value. in_file: False if a file must not hold it.
    """
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, kw_only=True, slots=True)
class RunSettings:
    """How the command finds and runs an app. Raises ConfigError, naming field, value and bound."""

    app: str | None = None
    """MODULE:APP, when it is not named on the command line."""
    backend: str = "asyncio"
    """asyncio, uvloop, anyio, trio, curio, threads, or package.module:Class."""
    factory: bool = False
    """APP is a function without arguments that returns the app."""
    app_dir: str = "."
    """Folder put first on the import path."""
    workers: int = _setting(1, bounds=(1, 1024))
    """Processes that share the listening sockets; the dead are replaced."""
    worker_timeout: float | None = _setting(None, bounds=(0.1, 86_400.0))
    """A worker is hung, and replaced, when its loop did not run for so long, or when all threads of
    its pool are busy, none has finished for so long and an exchange has waited for one that long.
    Unset, it is 60 seconds for the loop, and never for the pool."""
    reload: bool = False
    """Renew the worker when a Python file changes (needs watchfiles)."""
    reload_dir: str | None = None
    """Folder to watch; the app's folder by default."""
    log_level: str = _setting("info", choices=LEVELS)
    """critical, error, warning, info, debug; debug also shows the traceback of a failed start."""
    log_format: str = _setting("text", choices=LOG_FORMATS)
    """text or json: one object for each line, for what collects logs."""
    log_config: str | None = _setting(None, metavar="FILE")
    """A dictionary of logging.config.dictConfig in TOML or JSON: handlers, formatters and levels of
    your own. Unset, lines go to standard error, where service managers and containers take them."""
    access_log: bool = False
    """A line for each exchange on standard error."""
    preset: str = _setting("default", choices=PRESETS)
    """strict or relaxed: what the other settings start from."""
    # A file cannot name another, and variables are read before the file.
    config: str | None = _setting(None, metavar="FILE", in_file=False)
    """Settings in TOML or JSON."""
    env_file: str | None = _setting(None, metavar="FILE", in_file=False)
    """KEY=VALUE lines, added to the environment before it is read (needs python-dotenv)."""

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            choices = each.metadata.get("choices")
            if choices is not None and value not in choices:
                expected = ", ".join(choices)
                raise ConfigError(f"{each.name} is {value!r}; expected one of {expected}")
            bounds = each.metadata.get("bounds")
            if bounds is not None and value is not None and not bounds[0] <= value <= bounds[1]:
                low, high = bounds
                raise ConfigError(f"{each.name} is {value!r}; expected {low} to {high}")
