"""Where settings come from: a file, the environment, the command line; and how they are joined.

A source is a plain mapping, as TOML gives it: the names of ServerConfig's fields, and `limits`,
`timeouts` and `deflate` with mappings of their own. Values are checked by ServerConfig and
nowhere else.
"""

from __future__ import annotations

import types
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any, TypeVar, Union, get_args, get_origin, get_type_hints

from anylane.errors import ConfigError

if TYPE_CHECKING:
    from os import PathLike


C = TypeVar("C")


COMMAND: dict[str, type] = {
    "app": str,
    "backend": str,
    "factory": bool,
    "app_dir": str,
    "workers": int,
    "reload": bool,
    "reload_dir": str,
    "log_level": str,
    "access_log": bool,
    "preset": str,
}
"""What the `anylane` command alone looks at: a `run` table in a file, variables like the others."""


COMMAND_ONLY = frozenset({"config", "env_file"})
"""As COMMAND, but not for a file: a file cannot name another."""


ALIASES = {"timeouts_drain": "timeout_graceful_shutdown"}
"""Setting -> the name that other servers have for it, as a flag and a variable too."""


COMMON = {"workers": "WEB_CONCURRENCY", "forwarded_allow_ips": "FORWARDED_ALLOW_IPS"}
"""Setting -> the variable that several servers read and platforms set. The command does, where our
own is missing."""


PLACES = (frozenset({"host", "port"}), frozenset({"uds"}), frozenset({"fd"}), frozenset({"bind"}))
"""The ways to say where to listen."""


class Setting:
    """One field of ServerConfig, or of what it contains.

    path: ("port",) or ("limits", "body"). name: "port", "limits_body". kind: of the values.
    """

    __slots__ = ("default", "kind", "name", "optional", "path")

    kind: type
    optional: bool

    def __init__(self, path: tuple[str, ...], hint: Any, default: Any) -> None:
        self.path: tuple[str, ...] = path
        self.name: str = "_".join(path)
        self.default: Any = default
        self.kind, self.optional = _kind(hint)

    def parse(self, text: str) -> Any:
        """The value that a variable or a flag means; ValueError says what was expected."""
        if self.optional and not text:
            return None
        if self.kind is bool:
            if text.lower() not in _BOOLEANS:
                raise ValueError("expected true or false")
            return _BOOLEANS[text.lower()]
        if self.name == "uds_mode" and text.isdigit() and text.strip("0"):
            raise ValueError(f"expected octal digits behind 0o, such as 0o{text}")
        if self.kind is int:
            return _parsed(lambda: int(text, 0), "expected a whole number")
        if self.kind is float:
            return _parsed(lambda: float(text), "expected a number")
        if self.kind is tuple:
            return tuple(part.strip() for part in text.split(",") if part.strip())
        return text


_BOOLEANS = {
    **dict.fromkeys(("1", "true", "yes", "on"), True),
    **dict.fromkeys(("0", "false", "no", "off", ""), False),
}


def _parsed(convert: Any, expected: str) -> Any:
    try:
        return convert()
    except ValueError:
        raise ValueError(expected) from None


def _kind(hint: Any) -> tuple[type, bool]:
    """The type that a value has, and whether None is one too."""
    if get_origin(hint) in (Union, types.UnionType):
        left = [each for each in get_args(hint) if each is not type(None)]
        return _kind(left[0])[0], len(left) < len(get_args(hint))
    origin = get_origin(hint) or hint
    return (origin if isinstance(origin, type) else str), False


def settings(kind: type, path: tuple[str, ...] = ()) -> Iterator[Setting]:
    """All fields, also those of the tables in it."""
    hints = get_type_hints(kind)
    defaults = kind()
    for each in fields(kind):
        hint = hints[each.name]
        if isinstance(hint, type) and is_dataclass(hint):
            yield from settings(hint, (*path, each.name))
        else:
            yield Setting((*path, each.name), hint, getattr(defaults, each.name))


# --- reading ---------------------------------------------------------------------------------


def read_file(path: str | PathLike[str], kind: type, *, command: bool = False) -> dict[str, Any]:
    """A TOML or JSON file of settings of *kind* as a source; its `run` table only if `command`.

    Raises ConfigError.
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
    except ValueError as exc:  # Of json, tomllib and the decoder alike.
        raise ConfigError(f"{name}: {exc}") from None
    if not isinstance(found, dict):
        raise ConfigError(f"{name}: expected a table of settings, not {type(found).__name__}")
    run = found.pop("run", {})
    _check_file(found, name, kind)
    if not command:
        return found
    if not isinstance(run, dict):
        raise ConfigError(f"{name}: run is {run!r}; expected a table")
    for key, value in run.items():
        if key not in COMMAND:
            raise ConfigError(f"{name}: unknown key run.{key}{_nearest(key, COMMAND)}")
        if type(value) is not COMMAND[key]:
            expected = COMMAND[key].__name__
            raise ConfigError(f"{name}: run.{key} is {value!r}; expected {expected}")
    return {**found, **({"run": run} if run else {})}


def _check_file(found: dict[str, Any], name: str, kind: type) -> None:
    known = {each.path: each for each in settings(kind)}
    names = [".".join(path) for path in known]
    tables = {path[0] for path in known if len(path) == 2}
    for key, value in tuple(found.items()):
        if key in tables and isinstance(value, dict):
            for inner in value:
                if (key, inner) not in known:
                    near = _nearest(f"{key}.{inner}", names)
                    raise ConfigError(f"{name}: unknown key {key}.{inner}{near}")
        elif key in tables:
            raise ConfigError(f"{name}: {key} is {value!r}; expected a table")
        elif (key,) not in known:
            raise ConfigError(f"{name}: unknown key {key}{_nearest(key, [*names, 'run'])}")
        elif isinstance(value, list):
            found[key] = tuple(value)


def read_environment(
    kind: type,
    environ: Mapping[str, str] | None = None,
    prefix: str = "ANYLANE_",
    *,
    command: bool = False,
) -> dict[str, Any]:
    """The variables with that prefix as a source of settings of *kind*; the command's own in `run`,
    if `command`. Raises ConfigError."""
    if environ is None:
        import os

        environ = os.environ
    known = {f"{prefix}{each.name.upper()}": each for each in settings(kind)}
    others = {f"{prefix}{ALIASES[name].upper()}": name for name in ALIASES}
    if command:
        others.update(
            {variable: name for name, variable in COMMON.items() if environ.get(variable)}
        )
    own = {f"{prefix}{name.upper()}": name for name in (*COMMAND, *COMMAND_ONLY)}
    found: dict[str, Any] = {}
    run: dict[str, Any] = {}
    for variable in sorted(environ):
        if not variable.startswith(prefix) and variable not in others:
            continue
        text = environ[variable]
        ours = variable
        if variable in others:
            ours = f"{prefix}{others[variable].upper()}"
            if ours in environ:
                continue
        if ours in own:
            name = own[ours]
            setting = Setting((name,), COMMAND.get(name, str), None)
            if command:
                run[name] = _parse(setting, text, variable)
        elif ours in known:
            setting = known[ours]
            put(found, setting, _parse(setting, text, variable))
        else:
            near = _nearest(variable, [*known, *others, *own])
            raise ConfigError(f"unknown environment variable {variable}{near}")
    return {**found, **({"run": run} if run else {})}


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


def _nearest(name: str, known: Iterable[str]) -> str:
    import difflib

    # As people type: case and dashes are no difference.
    plain = {each.lower(): each for each in known}
    near = difflib.get_close_matches(name.lower().replace("-", "_"), plain, 1, 0.6)
    return f"; did you mean {plain[near[0]]}?" if near else ""


# --- joining ---------------------------------------------------------------------------------


def merge(*sources: tuple[str, Mapping[str, Any]]) -> dict[str, Any]:
    """One source of several, each with its name for messages; a later one wins.

    Where to listen is one decision: a source that says `port` is not meant to be ignored because
    an earlier one has said `bind`. Raises ConfigError if one source says it twice.
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
            if isinstance(value, Mapping):
                merged[key] = {**merged.get(key, {}), **value}
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
    """The configuration of a source. base: what it stands on (STRICT, RELAXED).

    parts: what it was joined of, each with its name. Raises ConfigError, with the name of the
    part that is wrong by itself.
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
        inner = values.get(name)
        if isinstance(inner, Mapping):
            below = (base or {}).get(name)
            known = {} if below is None else {f.name: getattr(below, f.name) for f in fields(hint)}
            values[name] = hint(**{**known, **inner})
    return kind(**values)
