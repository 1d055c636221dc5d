"""The cases: a function of a `Conversation` each, whose docstring is the rule."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from anylane_conformance.harness.case import Case, in_order

if TYPE_CHECKING:
    from anylane_conformance.harness.case import Script


CASES: dict[str, Case] = {}


def case(chapter: str, *needs: str, **options: Any) -> Callable[[Script], Script]:
    """Register a case."""

    def register(script: Script) -> Script:
        name = script.__name__
        if name in CASES:
            raise ValueError(f"two cases are called {name!r}")
        CASES[name] = Case(name, chapter, script, frozenset(needs), **options)
        return script

    return register


def load() -> dict[str, Case]:
    """All cases, chapter after chapter."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return dict(sorted(CASES.items(), key=lambda item: in_order(item[1].chapter)))
