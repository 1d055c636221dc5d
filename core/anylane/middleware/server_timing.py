"""ServerTiming: what a request took, for the developer tools of browsers (W3C Server Timing)."""

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anylane.handling.context import Context

MAX_ENTRIES = 50
"""Entries of one answer; later ones are left out. A loop that measures each of its turns must not
make a head that clients refuse."""

_NO_TOKEN = re.compile(r"[^!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_HIDDEN = re.compile(r"[^ -~]")

_MAX_TEXT = 100
"""Characters of a name or a description."""


class ServerTiming:
    """Adds `Server-Timing: total;dur=12.3` to answers: milliseconds from the first hook to the head
    of the answer, on the core's clock. Entries of your own come before it:

        with ServerTiming.measure(ctx, "db"):
            ...

    An answer that is streamed has what was measured before its head. Anyone who can read an answer
    can read the figures; use the part on routers whose figures may be seen.
    """

    name = "ServerTiming"

    @staticmethod
    @contextmanager
    def measure(ctx: Context, name: str, description: str = "") -> Generator[None]:
        """Measure the block, also one that fails, and add an entry of that name. Without the part,
        and once the head is out, this is for nothing."""
        began = ctx.now()
        try:
            yield
        finally:
            ServerTiming.add(ctx, name, ctx.now() - began, description)

    @staticmethod
    def add(ctx: Context, name: str, seconds: float | None = None, description: str = "") -> None:
        """Add an entry that was measured elsewhere, or one without a time, such as a cache's
        "miss". What a name cannot have becomes "_"."""
        entries = _entries(ctx)
        if len(entries) < MAX_ENTRIES:
            entries.append(_entry(name, seconds, description))

    def request(self, ctx: Context) -> None:
        """Note the time at which the request began."""
        ctx.state.server_timing_began = ctx.now()

    def response(self, ctx: Context) -> None:
        """Add the header, beside one that the handler has set itself."""
        known = vars(ctx.state)
        entries: list[str] = known.get("server_timing", [])
        began = known.get("server_timing_began")
        if began is not None:
            entries = [*entries, f"total;dur={(ctx.now() - began) * 1000:.1f}"]
        if entries:
            ctx.response.add_header("server-timing", ", ".join(entries))


def _entries(ctx: Context) -> list[str]:
    found: list[str] = vars(ctx.state).setdefault("server_timing", [])
    return found


def _entry(name: str, seconds: float | None, description: str) -> str:
    entry = _NO_TOKEN.sub("_", str(name)[:_MAX_TEXT]) or "_"
    if description:
        text = _HIDDEN.sub("?", str(description)[:_MAX_TEXT])
        text = text.replace("\\", r"\\").replace('"', r"\"")
        entry += f';desc="{text}"'
    return entry if seconds is None else f"{entry};dur={seconds * 1000:.1f}"
