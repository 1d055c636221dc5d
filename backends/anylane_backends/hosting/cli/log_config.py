"""The file of `--log-config`: a dictionary of `logging.config.dictConfig`, as TOML or JSON.

The library says little about what is wrong in one, and forgets the configuration before it begins.
So whatever can be judged is judged first.
"""

from __future__ import annotations

import logging
import logging.config
import logging.handlers
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from copy import deepcopy
from typing import Any, NoReturn

from anylane.config.loading import read_table, suggested
from anylane.errors import ConfigError
from anylane.shown import shown, spoken
from anylane_backends.hosting.messages import one_line

_TABLES = ("formatters", "filters", "handlers", "loggers")
_KEYS = frozenset({*_TABLES, "root", "version", "disable_existing_loggers", "incremental"})
_FORMATTER = frozenset({"format", "datefmt", "style", "validate", "defaults", "class"})
_LOGGER = frozenset({"level", "handlers", "filters", "propagate"})
_ROOT = _LOGGER - {"propagate"}
_FACTORY = "()"


class LogConfig:
    """A configuration of logging, as its file has it. Call `apply` next, in each process.

    Raises ConfigError, which names the file, the key and what was expected, for what can be told
    without making handlers.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._tables = read_table(path, "logging.config.dictConfig")
        self._check()
        # Ours are there before the file is read: dictConfig would turn them off.
        self._whole = {"version": 1, "disable_existing_loggers": False, **self._tables}

    def has_level(self, name: str) -> bool:
        """Return whether the file says which level the logger of that name has."""
        return self._tables.get("loggers", {}).get(name, {}).get("level") is not None

    def apply(self) -> None:
        """Set up logging so, in the place of all handlers that there are. Raises ConfigError, and
        the handlers are gone then."""
        try:
            logging.config.dictConfig(deepcopy(self._whole))
        except (Exception, SystemExit) as exc:  # noqa: BLE001  # a class of the app's raises it
            self._refuse(exc)

    def withdraw(self) -> None:
        """Take away what `apply` has set up. dictConfig leaves what another file does not name."""
        for name in (None, *self._tables.get("loggers", {})):
            found = logging.getLogger(name)
            for handler in tuple(found.handlers):
                found.removeHandler(handler)
                with suppress(Exception):  # A full disk, or a class of the app's.
                    handler.close()
            for each in tuple(found.filters):
                found.removeFilter(each)
            found.setLevel(logging.WARNING if name is None else logging.NOTSET)
            found.propagate = True

    def unshared(self) -> Iterator[str]:
        """Yield a sentence for each handler that loses lines where several processes have it."""
        resolve = logging.config.DictConfigurator({}).resolve
        for name, table in self._tables.get("handlers", {}).items():
            kind = table.get("class")
            found = resolve(kind) if isinstance(kind, str) else None
            if not isinstance(found, type):
                continue
            key = f"{self.path}: handlers.{name}"
            if issubclass(found, logging.handlers.BaseRotatingHandler):
                yield (
                    f"{key} rotates its file in each process, and lines of the others are lost; "
                    "use logging.handlers.WatchedFileHandler, and logrotate"
                )
            elif issubclass(found, logging.FileHandler) and table.get("mode", "a") != "a":
                yield f"{key} has the mode {table['mode']!r}: each process empties the file"

    # -- what can be told without making handlers ------------------------------------------------

    def _check(self) -> None:
        tables = self._tables
        self._check_keys("", tables, _KEYS)
        if tables.get("version", 1) != 1:
            self._wrong("version", tables["version"], "1")
        if tables.get("incremental", False) is not False:
            self._wrong(
                "incremental", tables["incremental"], "false: the file is all of the configuration"
            )
        existing = tables.get("disable_existing_loggers", False)
        if not isinstance(existing, bool):
            self._wrong("disable_existing_loggers", existing, "true or false")
        for key, each in self._inner("formatters"):
            if _FACTORY not in each:
                self._check_keys(key, each, _FORMATTER)
        for key, each in self._inner("filters"):
            if _FACTORY not in each:
                self._check_keys(key, each, {"name"})
        for key, each in self._inner("handlers"):
            self._check_handler(key, each)
        for key, each in self._inner("loggers"):
            self._check_logger(key, each, _LOGGER)
        self._check_logger("root", self._checked_table("root", tables.get("root", {})), _ROOT)

    def _inner(self, of: str) -> list[tuple[str, Mapping[str, Any]]]:
        """Return the tables inside of one, each with its key."""
        table = self._checked_table(of, self._tables.get(of, {}))
        return [
            (f"{of}.{name}", self._checked_table(f"{of}.{name}", each))
            for name, each in table.items()
        ]

    def _checked_table(self, key: str, found: Any) -> dict[str, Any]:
        if not isinstance(found, dict):
            self._wrong(key, found, "a table")
        return found

    def _check_handler(self, key: str, table: Mapping[str, Any]) -> None:
        kind = table.get("class", table.get(_FACTORY))
        if not isinstance(kind, str):
            self._wrong(f"{key}.class", kind, "the dotted name of a handler's class")
        if kind == "logging.handlers.QueueHandler":
            self._wrong(
                f"{key}.class", kind, "a handler that writes by itself: no QueueListener runs here"
            )
        self._check_level(key, table)
        self._check_name(f"{key}.formatter", table.get("formatter"), "formatters")
        self._check_names(key, table, "filters")

    def _check_logger(self, key: str, table: Mapping[str, Any], known: Collection[str]) -> None:
        self._check_keys(key, table, known)
        self._check_level(key, table)
        self._check_names(key, table, "handlers")
        self._check_names(key, table, "filters")
        if not isinstance(table.get("propagate", True), bool):
            self._wrong(f"{key}.propagate", table["propagate"], "true or false")

    def _check_level(self, key: str, table: Mapping[str, Any]) -> None:
        level = table.get("level")
        if level is None or (isinstance(level, int) and not isinstance(level, bool)):
            return
        names = logging.getLevelNamesMapping()
        if level not in names:
            self._wrong(f"{key}.level", level, f"one of {', '.join(names)}")

    def _check_names(self, key: str, table: Mapping[str, Any], of: str) -> None:
        names = table.get(of, [])
        if not isinstance(names, list):
            self._wrong(f"{key}.{of}", names, f"a list of names of {of}")
        for name in names:
            self._check_name(f"{key}.{of}", name, of)

    def _check_name(self, key: str, name: object, of: str) -> None:
        known = self._checked_table(of, self._tables.get(of, {}))
        if name is not None and (not isinstance(name, str) or name not in known):
            expected = ", ".join(known) if known else f"a name in a table {of}, which is missing"
            self._wrong(key, name, f"one of {of}: {expected}" if known else expected)

    def _check_keys(self, key: str, table: Mapping[str, Any], known: Collection[str]) -> None:
        for name in table:
            if name not in known:
                whole = f"{key}.{name}" if key else name
                raise ConfigError(
                    f"{self.path}: unknown key {whole}{suggested(name, known)}; expected "
                    f"{', '.join(sorted(known))}"
                )

    def _wrong(self, key: str, value: object, expected: str) -> NoReturn:
        raise ConfigError(f"{self.path}: {key} is {shown(value)}; expected {expected}")

    # -- what only turns out when handlers are made ------------------------------------------------

    def _refuse(self, error: BaseException) -> NoReturn:
        """Raise ConfigError for what dictConfig has raised."""
        key, cause = "the configuration", error
        while (found := _UNABLE.match(spoken(cause))) is not None and cause.__cause__ is not None:
            key = f"{found['kind']}s.{found['name']}" if found["name"] else "root"
            cause = cause.__cause__
        table = self._table(key)
        said = one_line(f"{type(cause).__name__}: {spoken(cause)}")
        kind = table.get("class", table.get(_FACTORY))
        if isinstance(cause, OSError) and isinstance(table.get("filename"), str):
            self._wrong_from(
                f"{key}.filename is {table['filename']!r}; expected a file that can be written: "
                f"{cause.strerror or said}",
                error,
            )
        if isinstance(cause.__cause__, ImportError):
            self._wrong_from(
                f"{key}.class is {kind!r}; expected a class that can be imported: "
                f"{spoken(cause.__cause__)}",
                error,
            )
        self._wrong_from(
            f"{key} cannot be made: {said}; expected the arguments of {kind or 'its class'}", error
        )

    def _wrong_from(self, message: str, error: BaseException) -> NoReturn:
        raise ConfigError(f"{self.path}: {message}") from error

    def _table(self, key: str) -> Mapping[str, Any]:
        table: Any = self._tables
        kind, _, name = key.partition(".")
        for each in filter(None, (kind, name)):
            table = table.get(each, {})
        return table if isinstance(table, dict) else {}


_UNABLE = re.compile(r"Unable to configure (?P<kind>\w+?)(?: logger)?(?: '(?P<name>.*)')?$")
