"""What a suspended handler waits for, in words for the reader of a failed test."""

from __future__ import annotations

from collections.abc import Iterator
from types import FrameType
from typing import Any


def waits_for(coroutine: Any) -> str:
    """Such as "chat (app.py, line 12) awaits WebSocket.receive"."""
    frames = list(_frames(coroutine))
    places = [index for index, frame in enumerate(frames) if not _is_ours(frame)]
    if not places:
        return f"{frames[-1].f_code.co_qualname} waits" if frames else "a handler waits"
    theirs = frames[places[-1]]
    code = theirs.f_code
    awaited = next(
        (
            frame.f_code.co_qualname
            for frame in frames[places[-1] + 1 :]
            # `async for` awaits __anext__, which says less than what that awaits in turn.
            if not frame.f_code.co_name.startswith("__")
        ),
        "something",
    )
    # A private method is the common half of public ones, and is called as the one that waits.
    awaited = awaited.replace("._", ".")
    return f"{code.co_qualname} ({code.co_filename}, line {theirs.f_lineno}) awaits {awaited}"


def _frames(coroutine: Any) -> Iterator[FrameType]:
    """Of the chain of awaits, outermost first."""
    found = coroutine
    while found is not None:
        frame = getattr(found, "cr_frame", None) or getattr(found, "gi_frame", None)
        if frame is not None:
            yield frame
        found = getattr(found, "cr_await", None) or getattr(found, "gi_yieldfrom", None)


def _is_ours(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0] == "anylane"
