"""Attributes that cannot be assigned, and what their error says to do instead."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NoReturn


def explain(cls: type, hints: Mapping[str, str]) -> None:
    """Have assigning to these read-only properties of a class raise AttributeError with advice.

    They stay plain properties, so reading one costs what it did, and type checkers, which see no
    setter, still refuse the assignment. hints: the name of a property -> what to do instead.
    """
    for name, hint in hints.items():
        setattr(cls, name, vars(cls)[name].setter(_refusing(name, hint)))


def _refusing(name: str, hint: str) -> Callable[[object, object], NoReturn]:
    def refuse(self: object, _value: object) -> NoReturn:
        raise AttributeError(
            f"{name} of a {type(self).__name__} cannot be assigned: {hint}", name=name, obj=self
        )

    return refuse
