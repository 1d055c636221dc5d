"""Need: one dependency of a handler, resolved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

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
    is_generator: bool
    is_coroutine: bool
