"""The cases: each one conversation. A case is a function of a `Talk`; its docstring is the rule."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anylane import App
    from anylane_conformance.contract import Stage
    from anylane_conformance.lanes import Talk

Script = Callable[["Talk"], None]


class Missing(Exception):
    """Raised by a case that finds out only on its lane that it lacks a capability: its name."""


@dataclass(frozen=True)
class Case:
    """One conversation and where it can be held.

    chapter: the row of the summary table. needs: capabilities of the lane. cuts: whether it is
    repeated in memory with its bytes cut at every offset. compare: whether transcripts are.
    extra: what is added to the contract's app.
    tls: the `ssl_cert_reqs` of a case that is about TLS; any other can be held over TLS as well.
    """

    name: str
    chapter: str
    script: Script
    needs: frozenset[str] = frozenset()
    cuts: bool = True
    compare: bool = True
    extra: Callable[[App, Stage], None] | None = None
    tls: str | None = None
    request_timeout: float = 30.0
    config: dict[str, Any] = field(default_factory=dict)
    limits: dict[str, Any] = field(default_factory=dict)
    timeouts: dict[str, Any] = field(default_factory=dict)

    @property
    def rule(self) -> str:
        return (self.script.__doc__ or "").strip()


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


def in_order(chapter: str) -> tuple[int, str]:
    """What to sort chapters by: their number, then their name."""
    number, _, name = chapter.partition(" ")
    return int(number), name
