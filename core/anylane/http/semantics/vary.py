"""Vary: the request headers that an answer depends on (RFC 9110 §12.5.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anylane.http.headers import Headers


def add_vary(headers: Headers, *names: str) -> None:
    """Add names of request headers to Vary, in one line with those that are there. Names that it
    has, in any case, are not added again; where it is `*`, it stays. names: tokens, unchecked."""
    lines = headers.get_all("vary")
    if not lines:
        headers.put("vary", ", ".join(names))
        return
    known = [name for line in lines for part in line.split(",") if (name := part.strip())]
    if "*" in known:
        return
    lower = {name.lower() for name in known}
    missing = [name for name in names if name.lower() not in lower]
    if missing:
        headers.set("vary", ", ".join([*known, *missing]))
