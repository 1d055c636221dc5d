"""Apps with the parts that tell of the server: Metrics and Health."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from anylane import App, Context
from anylane.contrib import Health, Metrics
from anylane_conformance.contract.answers import stamped

if TYPE_CHECKING:
    from anylane_conformance.contract.stage import Stage

WITH_A_CONTEXT, WITHOUT = "with a context", "without"


class _Strict:
    """The strict room of the stage, which has another one for each conversation."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    @property
    def lagged(self) -> int:
        return self._stage.strict.lagged

    @property
    def receivers(self) -> int:
        return self._stage.strict.receivers


def with_metrics(app: App, stage: Stage) -> None:
    """Count each form of answer, and what the contract's app does."""
    metrics = Metrics(registry=CollectorRegistry())
    metrics.watch(_Strict(stage), "strict")
    app.use(metrics, order=-100)
    stamped(app, stage)


def with_health(app: App, stage: Stage) -> None:
    """Answer probes. A check is well unless the case has said which is not."""

    async def waits(ctx: Context) -> bool:
        await ctx.sleep(0.01)
        return bool(stage.kept != WITH_A_CONTEXT)

    def asks(ctx: Context) -> None:
        ctx.call(ctx.sleep, 0.01)

    def plain() -> None:
        if stage.kept == WITHOUT:
            raise ValueError("secret")

    app.use(Health(checks={"waits": waits, "asks": asks, "plain": plain}, fresh=0))


def with_late_checks(app: App, stage: Stage) -> None:
    """Answer probes with checks that take longer than they may, one of which blocks."""

    async def waits(ctx: Context) -> None:
        stage.produced += 1
        await ctx.sleep(60)

    app.use(Health(checks={"waits": waits}, timeout=0.25, fresh=60))


def with_a_blocking_check(app: App, stage: Stage) -> None:
    """Answer probes with a check that blocks until the case ends it."""

    def blocks() -> None:
        stage.produced += 1
        stage.blocker.wait(20)

    app.use(Health(checks={"blocks": blocks}, timeout=0.25, fresh=0))
