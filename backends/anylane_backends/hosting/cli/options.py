"""Everything that `anylane run` was told: by flags, variables and the file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from anylane.config.loading import (
    ALIASES,
    PLACES,
    Setting,
    build,
    merge,
    put,
    read_environment,
    read_file,
    run_settings,
    settings,
)
from anylane.config.run_settings import RunSettings
from anylane.config.server_config import RELAXED, STRICT, ServerConfig
from anylane.errors import ConfigError
from anylane_backends.hosting.cli.log_config import LogConfig
from anylane_backends.hosting.supervision.recycling import Bounds
from anylane_backends.hosting.system.cpus import usable_cpus
from anylane_backends.hosting.systemd import listen_fds

BASES: Mapping[str, Mapping[str, Any] | None] = {
    "default": None,
    "strict": STRICT,
    "relaxed": RELAXED,
}
"""RunSettings.preset -> the settings that the others are added to."""


class Options:
    """Everything that `anylane run` was told: by flags, variables, the file, in this order.

    run: what the command itself looks at. given: the names of those that a source has. log_config:
    what the file of that setting holds. config: what the server does. Raises ConfigError, which
    names the source that is wrong.
    """

    def __init__(self, flags: dict[str, Any], inherited: tuple[str, ...] | None = None) -> None:
        self._flags = flags
        variables = read_environment(ServerConfig, command=True)
        given = _from_flags(flags)
        path = _named_file(given) or _named_file(variables)
        file = read_file(path, ServerConfig, command=True) if path else {}
        sources = ((str(path), file), ("the environment", variables), ("the command line", given))
        merged = merge(*sources)
        tables = [(name, source.get("run", {})) for name, source in sources]
        own = merged.pop("run", {})
        self.given: frozenset[str] = frozenset(own)
        self.run: RunSettings = build(RunSettings, own, parts=tables)
        log_file = self.run.log_config
        self.log_config: LogConfig | None = None if log_file is None else LogConfig(log_file)
        if self.run.app is None:
            raise ConfigError(
                "no app was named; write MODULE:APP, such as main:app, set ANYLANE_APP, "
                "or put app into the file's run table"
            )
        count = self.run.workers
        self.workers: int = usable_cpus() if count == "auto" else count
        """How many there are to be, once `auto` is a number."""
        self._inherited = inherited
        if not any(place & merged.keys() for place in PLACES):
            # systemd's descriptors are asked for once: the variables go with the answer.
            self._inherited = listen_fds(os.environ) if inherited is None else inherited
            if self._inherited:
                merged["bind"] = self._inherited
        self.config: ServerConfig = build(
            ServerConfig, merged, BASES[self.run.preset], parts=sources
        )

    @property
    def bounds(self) -> Bounds:
        """Return when a worker is recycled."""
        told = self.run
        return Bounds(
            requests=told.max_requests,
            requests_jitter=told.max_requests_jitter,
            memory=told.max_memory,
            age=told.max_age,
            age_jitter=told.max_age_jitter,
        )

    @property
    def supervised(self) -> bool:
        """Whether there is a supervisor: for several workers, for one that is replaced, and for
        interpreters."""
        return self.workers > 1 or self.run.reload or bool(self.bounds) or self.interpreters

    @property
    def interpreters(self) -> bool:
        """Whether the workers are interpreters of one process."""
        return self.run.worker_kind == "interpreter"

    @property
    def inherited(self) -> int:
        """Return how many sockets the service manager has passed in, if those are served."""
        return len(self._inherited or ())

    def reread(self) -> Options:
        """Return the options as the file is now. Raises ConfigError."""
        return Options(self._flags, self._inherited)


def _named_file(source: Mapping[str, Any]) -> str | None:
    path: str | None = source.get("run", {}).get("config")
    return path


def _from_flags(flags: Mapping[str, Any]) -> dict[str, Any]:
    source: dict[str, Any] = {}
    for setting in [*run_settings(), *settings(ServerConfig)]:
        value = flags.get(setting.name)
        if value is None or value == ():
            continue
        if isinstance(value, str):
            try:
                value = setting.parse(value)
            except ValueError as exc:
                name = " or ".join(flag_names(setting))
                raise ConfigError(f"{name} is {value!r}; {exc}") from None
        elif isinstance(value, tuple):
            value = tuple(part for each in value for part in setting.parse(each) or (each,))
        put(source, setting, value)
    return source


def flag_names(setting: Setting) -> list[str]:
    """Return the names of a setting on the command line, ours first."""
    names = (setting.name, ALIASES.get(setting.name))
    return [f"--{name.replace('_', '-')}" for name in names if name]
