"""Case: one conversation and where it can be held."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from anylane import App
from anylane.config.limits import Limits, Timeouts
from anylane.config.server_config import ServerConfig
from anylane_conformance.contract.stage import Stage
from anylane_conformance.harness.conversation import Conversation

Script = Callable[[Conversation], None]
"""What a case says and expects. Its docstring is the rule."""


class Missing(Exception):
    """The case finds out on its lane that it lacks a capability, which is the argument."""


@dataclass(frozen=True)
class Case:
    """One conversation and where it can be held.

    chapter: the row of the summary table, "1 requests". needs: capabilities of the lane.
    cuts: whether it is repeated in memory with its bytes cut at every offset.
    compare: whether its transcripts must be those of the lane in memory.
    extra: adds to the contract's app what only this case wants.
    tls: the `ssl_cert_reqs` of a case that is about TLS; any other can be held over TLS as well.
    request_timeout, config, limits, timeouts: settings that differ from the defaults; seconds.
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
        """The rule that the case checks, in a sentence or two."""
        return (self.script.__doc__ or "").strip()

    def server_config(self, *, tls: bool) -> ServerConfig:
        """Return the case's settings on top of a port of its own.

        tls: whether the server speaks it even where the case is not about it.
        """
        secure: dict[str, Any] = {}
        if tls or self.tls is not None:
            from anylane_conformance.harness import certificates

            secure = certificates.server(self.tls or "none")
        return ServerConfig(
            port=0,
            request_timeout=self.request_timeout,
            limits=Limits(**self.limits),
            timeouts=Timeouts(**self.timeouts),
            **secure,
            **{"max_threads": 8, **self.config},
        )


def in_order(chapter: str) -> tuple[int, str]:
    """Return what chapters are sorted by: their number, then their name."""
    number, _, name = chapter.partition(" ")
    return int(number), name
