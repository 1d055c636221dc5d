"""Context variables that one exchange sets for later ones: noted in one context, set in another."""

from __future__ import annotations

from contextvars import Context, ContextVar
from operator import is_
from typing import Any

VariableChanges = tuple[tuple[ContextVar[Any], Any], ...]
"""Context variables and their values, to be set in another context."""


def apply_variables(changes: VariableChanges) -> None:
    """Set the variables in the current context."""
    for variable, value in changes:
        variable.set(value)


def changed_variables(before: Context, now: Context) -> VariableChanges:
    """Return the variables, with their values, that `now` has and `before` has not so."""
    if (
        len(now) == len(before)
        and all(map(is_, now, before))
        and all(map(is_, now.values(), before.values()))
    ):
        return ()  # As mostly; this takes a quarter of the time.
    missing = object()
    return tuple(
        (variable, value)
        for variable, value in now.items()
        if before.get(variable, missing) is not value
    )
