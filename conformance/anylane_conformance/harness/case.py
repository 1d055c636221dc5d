"""Case: one conversation and where it can be held."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anylane import App
    from anylane_conformance.contract.stage import Stage
    from anylane_conformance.harness.conversation import Conversation


Script = Callable[["Conversation"], None]


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


def in_order(chapter: str) -> tuple[int, str]:
    """What to sort chapters by: their number, then their name."""
    number, _, name = chapter.partition(" ")
    return int(number), name
