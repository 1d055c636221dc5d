"""Context variables that one exchange sets for later ones: noted in one context, set in another."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context, ContextVar, Token, copy_context
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


class InheritedVariables:
    """What the startup hooks of a lane have set, for exchanges that begin in a context that is not
    the lane's, such as that of another server.

    Make it before the hooks run, and call `note` when they have.
    """

    __slots__ = ("_before", "_changes")

    def __init__(self) -> None:
        self._before = copy_context()
        self._changes: VariableChanges = ()

    def note(self) -> None:
        """Take note of what the current context has beyond that of the beginning."""
        self._changes = changed_variables(self._before, copy_context())

    def joined(self) -> Context:
        """Return a copy of the current context with the hooks' variables in it. Where it has a
        newer value of its own, that stays."""
        missing = object()
        context = copy_context()
        context.run(
            apply_variables,
            tuple(
                (variable, value)
                for variable, value in self._changes
                if context.get(variable, missing) is self._before.get(variable, missing)
            ),
        )
        return context


class SharedVariables:
    """The context of the pool threads of one exchange, kept equal to that of its task.

    Made in the task; `give` and `take` are called there, while no thread runs in the context.
    """

    __slots__ = ("_context", "_here", "_there", "_tokens")

    def __init__(self) -> None:
        self._here = self._there = copy_context()
        self._context = self._here.copy()
        self._tokens: dict[ContextVar[Any], Token[Any]] = {}

    def give(self) -> VariableChanges:
        """Return what has changed in the task since it last took; it is to be set in the thread."""
        now = copy_context()
        changes = changed_variables(self._here, now)
        self._here = now
        if changes:
            self._there.run(apply_variables, changes)  # Else they would come back as the thread's.
        return changes

    def take(self) -> None:
        """Set in the task what has changed in the thread since the last time."""
        now = self._context.copy()
        changes = changed_variables(self._there, now)
        gone = [each for each in self._tokens if each not in now]
        if not (changes or gone):
            return
        for variable, value in changes:
            token = variable.set(value)
            self._tokens.setdefault(variable, token)
        for variable in gone:  # The thread has reset it, by the token of its own.
            variable.reset(self._tokens.pop(variable))
        self._there = now
        self._here = copy_context()

    def bound(self, func: Callable[[], Any]) -> Callable[[], Any]:
        """Return a function that runs this one in the context of the threads."""
        changes = self.give()
        return lambda: self._context.run(_changed, changes, func)


def _changed(changes: VariableChanges, func: Callable[[], Any]) -> Any:
    apply_variables(changes)
    return func()


def isolated(func: Callable[[], Any]) -> Callable[[], Any]:
    """Return a function that runs this one in a copy of the current context."""
    context: Context = copy_context()
    return lambda: context.run(func)
