"""The cases: each is a function of a `Conversation`, and its docstring is the rule."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from typing import Any

from anylane_conformance.harness.case import Case, Script, in_order

CASES: dict[str, Case] = {}
"""The cases that were registered, by name."""


def case(chapter: str, *needs: str, **options: Any) -> Callable[[Script], Script]:
    """Register the function below as a case.

    chapter, needs, options: see `Case`. Raises ValueError if there is a case of that name.
    """

    def register(script: Script) -> Script:
        name = script.__name__
        if name in CASES:
            raise ValueError(f"two cases are called {name!r}")
        CASES[name] = Case(name, chapter, script, frozenset(needs), **options)
        return script

    return register


def load() -> dict[str, Case]:
    """Return all cases by name, chapter after chapter."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return dict(sorted(CASES.items(), key=lambda item: in_order(item[1].chapter)))
