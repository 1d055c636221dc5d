"""Need: one dependency of a handler, resolved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from inspect import isasyncgenfunction, isgeneratorfunction
from typing import Any

from anylane.callables import called, is_coroutine_function
from anylane.typed.dependencies.depends import Dependency
from anylane.typed.plan import Plan


@dataclass(frozen=True, slots=True)
class Need:
    """One dependency, resolved."""

    dependency: Dependency
    original: Callable[..., Any]
    """Its function, even if another one is called in its place."""
    plan: Plan
    inputs: tuple[tuple[str, int], ...]
    """Its own dependencies: the name of each parameter, and the place of its value."""
    of_the_app: tuple[tuple[str, Callable[..., Any]], ...]
    """Those of them that live as long as the app, with their functions."""
    where: str
    is_generator: bool = field(init=False)
    is_coroutine: bool = field(init=False)

    def __post_init__(self) -> None:
        func = self.dependency.func
        inner = called(func)
        is_generator = isasyncgenfunction(inner) or isgeneratorfunction(inner)
        object.__setattr__(self, "is_generator", is_generator)
        object.__setattr__(self, "is_coroutine", is_coroutine_function(func))
