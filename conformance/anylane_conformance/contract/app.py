"""The small app that every backend serves for the cases.

A case and its handlers speak through a `Stage`: gates that one request waits for and another
opens, and notes of what the handlers saw. All of them are portable, but for those under /native.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from anylane import App
from anylane_conformance.contract import (
    answers,
    background,
    blocking,
    disconnects,
    hooks,
    native,
    requests,
    streams,
    time,
    tls,
)
from anylane_conformance.contract.endings import failures, interruptions
from anylane_conformance.contract.realtime import events, websockets
from anylane_conformance.contract.typed import dependencies, values

if TYPE_CHECKING:
    from anylane_conformance.contract.stage import Extra, Stage

CHAPTERS = (
    requests,
    answers,
    streams,
    websockets,
    time,
    blocking,
    disconnects,
    native,
    tls,
    hooks,
    background,
    events,
    failures,
    interruptions,
    values,
    dependencies,
)
"""The modules whose `build` adds handlers to the app, in this order."""


def build(stage: Stage, extra: Extra | None = None) -> App:
    """Return the app, made anew for each case. What its handlers remember is on the stage.

    extra: adds hooks and handlers that only one case wants, before all others.
    """
    app = App()
    if extra is not None:
        extra(app, stage)
    for chapter in CHAPTERS:
        chapter.build(app, stage)
    return app
