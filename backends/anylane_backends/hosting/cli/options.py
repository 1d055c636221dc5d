"""Everything that `anylane run` was told: by flags, variables and the file."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from anylane.config.loading import (
    ALIASES,
    COMMAND,
    PLACES,
    Setting,
    build,
    merge,
    put,
    read_environment,
    read_file,
    settings,
)
from anylane.config.server_config import RELAXED, STRICT, ServerConfig
from anylane.errors import ConfigError
from anylane_backends.hosting.systemd import listen_fds

LEVELS = ("critical", "error", "warning", "info", "debug")


PRESETS = {"default": None, "strict": STRICT, "relaxed": RELAXED}


DEFAULTS: dict[str, Any] = {
    "app": None,
    "backend": "asyncio",
    "factory": False,
    "app_dir": ".",
    "workers": 1,
    "reload": False,
    "reload_dir": None,
    "log_level": "info",
    "access_log": False,
    "preset": "default",
}
"""Of what the command alone looks at."""


HELP = {
    "backend": "asyncio, uvloop, anyio, trio, curio, threads, or package.module:Class.",
    "factory": "APP is a function without arguments that returns the app.",
    "app_dir": "Folder put first on the import path.",
    "workers": "Processes that share the listening sockets; the dead are replaced.",
    "reload": "Renew the worker when a Python file changes (needs watchfiles).",
    "reload_dir": "Folder to watch; the app's folder by default.",
    "log_level": f"{', '.join(LEVELS)}; debug also shows the traceback of a failed start.",
    "access_log": "A line for each exchange on standard error.",
    "preset": "strict or relaxed: what the other settings start from.",
}


ENV_FILE = "KEY=VALUE lines, added to the environment before it is read (needs python-dotenv)."


# --- settings ----------------------------------------------------------------------------------


class Options:
    """Everything that `anylane run` was told: by flags, variables, the file, in this order."""

    def __init__(self, flags: dict[str, Any], inherited: tuple[str, ...] | None = None) -> None:
        self._flags = flags
        variables = read_environment(ServerConfig, command=True)
        given = _from_flags(flags)
        path = flags.get("config") or variables.get("run", {}).get("config")
        file = read_file(path, ServerConfig, command=True) if path else {}
        sources = ((str(path), file), ("the environment", variables), ("the command line", given))
        merged = merge(*sources)
        self.command = {**DEFAULTS, **merged.pop("run", {})}
        self._check(sources)
        self._inherited = inherited
        if not any(place & merged.keys() for place in PLACES):
            # systemd's are asked for once: the variables go with it.
            self._inherited = listen_fds(os.environ) if inherited is None else inherited
            if self._inherited:
                merged["bind"] = self._inherited
        base = PRESETS[self.command["preset"]]
        self.config = build(ServerConfig, merged, base, parts=sources)

    def reread(self) -> Options:
        """The same, as the file is now. Raises ConfigError."""
        return Options(self._flags, self._inherited)

    def _check(self, sources: Iterable[tuple[str, dict[str, Any]]]) -> None:
        command = self.command
        named = {key: name for name, source in sources for key in source.get("run", {})}
        for name, allowed in (("log_level", LEVELS), ("preset", PRESETS)):
            if command[name] not in allowed:
                expected = ", ".join(allowed)
                raise ConfigError(
                    f"{named[name]}: {name} is {command[name]!r}; expected one of {expected}"
                )
        if not 1 <= command["workers"] <= 1024:
            raise ConfigError(
                f"{named['workers']}: workers is {command['workers']!r}; expected 1 to 1024"
            )
        if command["app"] is None:
            raise ConfigError(
                "no app was named; write MODULE:APP, such as main:app, set ANYLANE_APP, "
                "or put app into the file's run table"
            )


def _from_flags(flags: dict[str, Any]) -> dict[str, Any]:
    source: dict[str, Any] = {}
    for setting in [*_own_settings(), *settings(ServerConfig)]:
        value = flags.get(setting.name)
        if value is None or value == ():
            continue
        if isinstance(value, str):
            try:
                value = setting.parse(value)
            except ValueError as exc:
                name = " or ".join(_flags(setting))
                raise ConfigError(f"{name} is {value!r}; {exc}") from None
        elif isinstance(value, tuple):
            value = tuple(part for each in value for part in setting.parse(each) or (each,))
        put(source, setting, value)
    return source


def _own_settings() -> list[Setting]:
    return [OwnSetting(name) for name in COMMAND]


class OwnSetting(Setting):
    """One of the command's own, which stand in the `run` table."""

    def __init__(self, name: str) -> None:
        super().__init__(("run", name), COMMAND[name], DEFAULTS[name])
        self.name = name


def _flags(setting: Setting) -> list[str]:
    """Its names on the command line, ours first."""
    names = (setting.name, ALIASES.get(setting.name))
    return [f"--{name.replace('_', '-')}" for name in names if name]
