"""Where settings come from: a file, the environment, the command line; and how they are joined.

A source is a plain mapping, as TOML gives it: the names of ServerConfig's fields, then `limits`,
`timeouts` and `deflate` with mappings of their own, and `run` with RunSettings' fields. Values are
checked by these classes and nowhere else. ServerConfig is handed in: it imports this module.
"""

from __future__ import annotations

import types
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any, TypeVar, Union, get_args, get_origin, get_type_hints

from anylane.config.run_settings import RunSettings
from anylane.errors import ConfigError
from anylane.shown import nearest

if TYPE_CHECKING:
    from os import PathLike


C = TypeVar("C")


ALIASES = {"timeouts_drain": "timeout_graceful_shutdown"}
"""Setting -> the name that other servers have for it, as a flag and a variable too."""


COMMON = {"workers": "WEB_CONCURRENCY", "forwarded_allow_ips": "FORWARDED_ALLOW_IPS"}
"""Setting -> the variable that several servers read and platforms set. The command reads it where
our own variable is missing."""


PLACES = (frozenset({"host", "port"}), frozenset({"uds"}), frozenset({"fd"}), frozenset({"bind"}))
"""The ways to say where to listen. Each holds the settings that belong together."""


class Setting:
    """One field of ServerConfig, of a table in it, or of RunSettings.

    path: its keys in a source, ("port",), ("limits", "body") or ("run", "backend").
    name: "port", "limits_body" or "backend", from which its flag and its variable are made.
    kind: the type of its values. optional: whether None is a value too.
    default: its value where no source names it. metadata: what the field adds to that.
    """

    __slots__ = ("default", "kind", "metadata", "name", "optional", "path")

    kind: type
    optional: bool

    def __init__(
        self,
        path: tuple[str, ...],
        hint: Any,
        default: Any,
        *,
        name: str | None = None,
        metadata: Mapping[str, Any] = types.MappingProxyType({}),
    ) -> None:
        self.path: tuple[str, ...] = path
        self.name: str = "_".join(path) if name is None else name
        self.default: Any = default
        self.kind, self.optional = _kind(hint)
        self.metadata: Mapping[str, Any] = metadata

    @property
    def in_file(self) -> bool:
        """Whether a file may hold it."""
        return bool(self.metadata.get("in_file", True))

    def parse(self, text: str) -> Any:
        """Return the value that a variable or a flag means. Raises ValueError, which says what was
        expected."""
        if self.optional and not text:
            return None
        if text in self.metadata.get("words", ()):
            return text
        if self.kind is bool:
            if text.lower() not in _BOOLEANS:
                raise ValueError("expected true or false")
            return _BOOLEANS[text.lower()]
        if self.name in {"uds_mode", "umask"} and text.isdigit() and text.strip("0"):
            raise ValueError(f"expected octal digits behind 0o, such as 0o{text}")
        if self.kind is int:
            words = "".join(f" or {word}" for word in self.metadata.get("words", ()))
            return _parsed(lambda: int(text, 0), f"expected a whole number{words}")
        if self.kind is float:
            return _parsed(lambda: float(text), "expected a number")
        if self.name == "headers":  # A value may have commas in it.
            return tuple(map(_header, filter(str.strip, text.splitlines())))
        if self.kind is tuple:
            return tuple(part.strip() for part in text.split(",") if part.strip())
        return text


_BOOLEANS = {
    **dict.fromkeys(("1", "true", "yes", "on"), True),
    **dict.fromkeys(("0", "false", "no", "off", ""), False),
}


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon:
        raise ValueError("expected NAME:VALUE, and each in a line of its own")
    return name.strip(), value.strip()


def _parsed(convert: Any, expected: str) -> Any:
    try:
        return convert()
    except ValueError:
        raise ValueError(expected) from None


def _kind(hint: Any) -> tuple[type, bool]:
    """Return the type that a value has, and whether None is a value too."""
    if get_origin(hint) in (Union, types.UnionType):
        left = [each for each in get_args(hint) if each is not type(None)]
        return _kind(left[0])[0], len(left) < len(get_args(hint))
    origin = get_origin(hint) or hint
    return (origin if isinstance(origin, type) else str), False


def settings(kind: type, path: tuple[str, ...] = ()) -> Iterator[Setting]:
    """Yield all fields of a class of settings, those of the tables in it included."""
    hints = get_type_hints(kind)
    defaults = kind()
    for each in fields(kind):
        hint = hints[each.name]
        if isinstance(hint, type) and is_dataclass(hint):
            yield from settings(hint, (*path, each.name))
        else:
            default = getattr(defaults, each.name)
            yield Setting((*path, each.name), hint, default, metadata=each.metadata)


def run_settings() -> Iterator[Setting]:
    """Yield the fields of RunSettings. They stand in the `run` table and have no prefix of it."""
    hints = get_type_hints(RunSettings)
    for each in fields(RunSettings):
        path = ("run", each.name)
        hint = hints[each.name]
        yield Setting(path, hint, each.default, name=each.name, metadata=each.metadata)


# --- reading ---------------------------------------------------------------------------------


def read_file(path: str | PathLike[str], kind: type, *, command: bool = False) -> dict[str, Any]:
    """Return a TOML or JSON file of settings of *kind* as a source.

    Its `run` table is checked and returned only if `command`. Raises ConfigError, with the file's
    name, if the file cannot be read or names a key that does not exist.
    """
    name = str(path)
    found = read_table(path, "settings")
    run = found.pop("run", {})
    _check_file(found, name, kind)
    if not command:
        return found
    _check_run_table(run, name)
    return {**found, **({"run": run} if run else {})}


def read_table(path: str | PathLike[str], what: str) -> dict[str, Any]:
    """Return what a TOML or JSON file holds. what: of what it is a table, for messages.

    Raises ConfigError, with the file's name, if it cannot be read or is no table.
    """
    import json
    import tomllib

    name = str(path)
    try:
        with open(path, "rb") as file:  # noqa: PTH123  # pathlib would be loaded for one call
            data = file.read()
        if name.endswith(".json"):
            found = json.loads(data)
        elif name.endswith(".toml"):
            found = tomllib.loads(data.decode())
        else:
            raise ConfigError(f"{name}: expected a name that ends in .toml or .json")
    except OSError as exc:
        raise ConfigError(f"{name}: {exc.strerror or exc}") from None
    except ConfigError:
        raise
    except ValueError as exc:  # json, tomllib and the decoder all raise one.
        raise ConfigError(f"{name}: {exc}") from None
    if not isinstance(found, dict):
        raise ConfigError(f"{name}: expected a table of {what}, not {type(found).__name__}")
    return found


def _check_file(found: dict[str, Any], name: str, kind: type) -> None:
    known = {each.path: each for each in settings(kind)}
    names = [".".join(path) for path in known]
    tables = {path[0] for path in known if len(path) == 2}
    for key, value in tuple(found.items()):
        if key in tables and isinstance(value, dict):
            for inner in value:
                if (key, inner) not in known:
                    near = suggested(f"{key}.{inner}", names)
                    raise ConfigError(f"{name}: unknown key {key}.{inner}{near}")
        elif key in tables:
            raise ConfigError(f"{name}: {key} is {value!r}; expected a table")
        elif (key,) not in known:
            raise ConfigError(f"{name}: unknown key {key}{_meant(key, names, tables)}")
        elif isinstance(value, list):
            found[key] = tuple(value)


def _meant(key: str, names: list[str], tables: set[str]) -> str:
    """Return the end of the message about an unknown key that stands outside of all tables."""
    if key in names:
        table, _, inner = key.partition(".")
        return f"; write {inner} in a table {table}"
    names = [*names, *(f"run.{each.name}" for each in run_settings() if each.in_file)]
    within = [each for each in names if each.partition(".")[2] == key.lower()]
    if within:
        return f"; did you mean {' or '.join(within)}?"
    return suggested(key, [*names, *tables, "run"])


def _check_run_table(run: Any, name: str) -> None:
    if not isinstance(run, dict):
        raise ConfigError(f"{name}: run is {run!r}; expected a table")
    known = {each.name: each for each in run_settings() if each.in_file}
    for key, value in run.items():
        if key not in known:
            raise ConfigError(f"{name}: unknown key run.{key}{suggested(key, known)}")
        kind = known[key].kind
        if kind is float and type(value) is int:  # As TOML writes a whole number.
            run[key] = float(value)
        elif type(value) is not kind and value not in known[key].metadata.get("words", ()):
            raise ConfigError(f"{name}: run.{key} is {value!r}; expected {kind.__name__}")


def read_environment(
    kind: type,
    environ: Mapping[str, str] | None = None,
    prefix: str = "ANYLANE_",
    *,
    command: bool = False,
) -> dict[str, Any]:
    """Return the variables with that prefix as a source of settings of *kind*.

    environ: `os.environ` by default. Only if `command`, the variables of RunSettings are in its
    `run`, and those of COMMON count. Raises ConfigError, with the variable's name.
    """
    if environ is None:
        import os

        environ = os.environ
    known = {f"{prefix}{each.name.upper()}": each for each in settings(kind)}
    own = {f"{prefix}{each.name.upper()}": each for each in run_settings()}
    others = {f"{prefix}{ALIASES[name].upper()}": name for name in ALIASES}
    if command:
        others.update(
            {variable: name for name, variable in COMMON.items() if environ.get(variable)}
        )
    found: dict[str, Any] = {}
    for variable in sorted(environ):
        if not variable.startswith(prefix) and variable not in others:
            continue
        ours = variable
        if variable in others:
            ours = f"{prefix}{others[variable].upper()}"
            if ours in environ:
                continue
        if ours in own and not command:
            continue
        setting = known.get(ours) or own.get(ours)
        if setting is None:
            near = suggested(variable, [*known, *others, *own])
            raise ConfigError(f"unknown environment variable {variable}{near}")
        put(found, setting, _parse(setting, environ[variable], variable))
    return found


def _parse(setting: Setting, text: str, variable: str) -> Any:
    try:
        return setting.parse(text)
    except ValueError as exc:
        raise ConfigError(f"{variable} is {text!r}; {exc}") from None


def put(source: dict[str, Any], setting: Setting, value: Any) -> None:
    """Add one setting to a source."""
    for table in setting.path[:-1]:
        source = source.setdefault(table, {})
    source[setting.path[-1]] = value


def suggested(name: str, known: Iterable[str]) -> str:
    """Return "; did you mean ...?" for the known name that is most like this one, or nothing."""
    near = nearest(name, known)
    return "" if near is None else f"; did you mean {near}?"


# --- joining ---------------------------------------------------------------------------------


def merge(*sources: tuple[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return several sources as one. Each comes with its name for messages; a later one wins.

    Tables are joined key by key. Where to listen is one decision: if a source says `port`, a
    `bind` of an earlier one is dropped, because it would hide the port. Raises ConfigError if one
    source says it twice.
    """
    merged: dict[str, Any] = {}
    for name, source in sources:
        chosen = [place for place in PLACES if place & source.keys()]
        if len(chosen) > 1 and PLACES[0] in chosen:
            of = ", ".join(sorted(set().union(*chosen) & source.keys()))
            raise ConfigError(
                f"{name} says where to listen in two ways: {of}; "
                "put all addresses in bind, or leave host and port out"
            )
        if chosen:
            for place in PLACES:
                if place not in chosen:
                    for key in place:
                        merged.pop(key, None)
        for key, value in source.items():
            before = merged.get(key, {})
            if isinstance(value, Mapping) and isinstance(before, Mapping):
                merged[key] = {**before, **value}
            else:
                merged[key] = value
    return merged


def build(
    kind: type[C],
    source: Mapping[str, Any],
    base: Mapping[str, Any] | None = None,
    *,
    parts: Iterable[tuple[str, Mapping[str, Any]]] = (),
) -> C:
    """Return the configuration of class *kind* that a source describes.

    base: the settings of a preset (STRICT, RELAXED) that the source adds to. parts: the sources
    that were joined, each with its name. Raises ConfigError, with the name of the part that is
    wrong by itself.
    """
    try:
        return _build(kind, source, base)
    except ConfigError as exc:
        for name, part in parts:
            try:
                _build(kind, part, base)
            except ConfigError as alone:
                if str(alone) == str(exc):
                    raise ConfigError(f"{name}: {exc}") from None
        raise


def _build(kind: type[C], source: Mapping[str, Any], base: Mapping[str, Any] | None) -> C:
    values = {**(base or {}), **source}
    values.pop("run", None)
    for name, hint in get_type_hints(kind).items():
        if name not in values or not (isinstance(hint, type) and is_dataclass(hint)):
            continue
        inner = values[name]
        if isinstance(inner, hint):
            continue
        if not isinstance(inner, Mapping):
            raise ConfigError(f"{name} is {inner!r:.80}; expected a table")
        below = (base or {}).get(name)
        known = {} if below is None else {f.name: getattr(below, f.name) for f in fields(hint)}
        values[name] = hint(**{**known, **inner})
    return kind(**values)
