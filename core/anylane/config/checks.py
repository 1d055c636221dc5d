"""Checks of one setting. The message of each error names the field, the value and the bound.

Nothing here changes a setting.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from anylane.errors import ConfigError


def check_each(config: Any, low: float, high: float, kind: type | tuple[type, ...]) -> None:
    """Check every field of *config* as `check` does."""
    for each in fields(config):
        check(config, each.name, kind, low, high)


def check(
    config: object,
    name: str,
    kind: type | tuple[type, ...],
    low: float | None = None,
    high: float | None = None,
) -> None:
    """Raise ConfigError unless a field is of *kind*, and from *low* to *high* where they are given.

    kind: the types it may have. None passes the bounds where `type(None)` is one of them.
    """
    value: Any = getattr(config, name)
    where = f"{type(config).__name__}.{name}"
    # bool is an int to isinstance, but `port=True` is a mistake.
    fits = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
    if not fits:
        kinds = kind if isinstance(kind, tuple) else (kind,)
        expected = " or ".join(_NAMES.get(each, each.__name__) for each in kinds)
        raise ConfigError(f"{where} is {value!r}; expected {expected}")
    if low is not None and high is not None and value is not None and not low <= value <= high:
        if name == "uds_mode":
            raise ConfigError(f"{where} is {value!r}; expected 0 to 0o777, in octal as in 0o660")
        raise ConfigError(f"{where} is {value!r}; expected {_figure(low)} to {_figure(high)}")


def _figure(bound: float) -> str:
    """Return a bound with all its digits: 1e+06 is hard to compare with what was written."""
    return str(int(bound)) if bound == int(bound) else f"{bound:g}"


_NAMES: Mapping[type, str] = {type(None): "None"}
