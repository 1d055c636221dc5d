"""The settings of the `anylane` command itself: which app to serve, on what, in how many processes.

A field added to RunSettings is a flag, a variable, a key of a file's `run` table, a line of
`anylane run --help` and a row of docs/configuration.md at once. This module imports nothing that
reads settings, because what reads them imports it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, Literal

from anylane.errors import ConfigError

LEVELS = ("critical", "error", "warning", "info", "debug")
"""The names of logging's levels, the quietest first."""

LOG_FORMATS = ("text", "json")
"""The forms that lines of the log can have."""

WORKER_KINDS = ("process", "interpreter")
"""What workers can be. A process is the default, because one that crashes, hangs or leaks takes no
other with it."""

PRESETS = ("default", "strict", "relaxed")
"""The names of the configurations that other settings can start from."""


def _setting(default: Any, **metadata: Any) -> Any:
    """Return a field with more to it than type and default.

    choices: the values that it may have. bounds: its lowest and its highest value. words: values
    that stand for a number. metavar: what the help shows for its value. in_file: False if a file
    must not hold it.
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
    workers: int | Literal["auto"] = _setting(1, bounds=(1, 1024), words=("auto",))
    """Processes that share the listening sockets; the dead are replaced. auto: as many as there are
    CPUs that this process may use."""
    worker_kind: str = _setting("process", choices=WORKER_KINDS)
    """process or interpreter: interpreters of one process, each with a lock of its own (Python 3.12
    or later). A process that crashes takes no other with it, and it can be killed."""
    worker_timeout: float | None = _setting(None, bounds=(0.1, 86_400.0))
    """A worker is hung, and replaced, when its loop did not run for so long, or when all threads of
    its pool are busy, none has finished for so long and an exchange has waited for one that long.
    Unset, it is 60 seconds for the loop, and never for the pool."""
    start_timeout: float | None = _setting(None, bounds=(0.1, 86_400.0))
    """A worker that does not accept within this time of its start is given up. Unset, it is ten
    minutes, because startup hooks may migrate a database."""
    max_requests: int | None = _setting(None, bounds=(1, 1_000_000_000))
    """Replace a worker once it has begun so many requests, against what leaks slowly. Unset, it
    stays: a healthy app needs no fresh processes."""
    max_requests_jitter: int = _setting(0, bounds=(0, 1_000_000_000))
    """Up to so many requests more, drawn for each worker, so that not all are replaced at once."""
    max_memory: int | None = _setting(None, bounds=(1 << 20, 1 << 50), metavar="BYTES")
    """Replace a worker once it holds so many bytes of memory itself. Unset, it stays."""
    max_age: float | None = _setting(None, bounds=(1.0, 31_536_000.0))
    """Replace a worker once it has accepted for so long. Unset, it stays."""
    max_age_jitter: float = _setting(0.0, bounds=(0.0, 31_536_000.0))
    """Up to so many seconds more, drawn for each worker, so that not all are replaced at once."""
    pidfile: str | None = _setting(None, metavar="FILE")
    """File with the number of the process that takes the signals; removed at the end. Unset, there
    is none: service managers know it."""
    ready_file: str | None = _setting(None, metavar="FILE")
    """File that is there while all workers accept, for probes that look at files."""
    user: str | None = _setting(None, metavar="NAME")
    """User, by name or number, that the workers become before they import the app. Unset, they stay
    who started them."""
    group: str | None = _setting(None, metavar="NAME")
    """Group, by name or number, in the place of the user's own."""
    umask: int | None = _setting(None, bounds=(0, 0o777), metavar="MODE")
    """Permissions that new files do not get, such as 0o027. Unset, it stays as it was inherited."""
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
            if value in each.metadata.get("words", ()):
                continue
            choices = each.metadata.get("choices")
            if choices is not None and value not in choices:
                expected = ", ".join(choices)
                raise ConfigError(f"{each.name} is {value!r}; expected one of {expected}")
            bounds = each.metadata.get("bounds")
            if bounds is not None and value is not None and not bounds[0] <= value <= bounds[1]:
                low, high = bounds
                raise ConfigError(f"{each.name} is {value!r}; expected {low} to {high}")
        if self.max_memory is not None and self.worker_kind == "interpreter":
            raise ConfigError(
                f"max_memory is {self.max_memory} with worker_kind interpreter, where memory is "
                "that of the process and not of one worker; leave it out, or use worker_kind "
                "process"
            )
        for name in ("max_requests", "max_age"):
            jitter = getattr(self, f"{name}_jitter")
            if jitter and getattr(self, name) is None:
                raise ConfigError(f"{name}_jitter is {jitter!r} without {name}; set {name} too")
