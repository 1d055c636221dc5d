"""Texts of which any may be a client's, so that they forge no line of the log."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from typing import Any

from anylane.shown import spoken


def printable(text: str) -> str:
    """Return the text with an escape for each character that is not printable: controls, line
    ends, what turns the direction of writing, lone surrogates."""
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
    )


def shown_traceback(error: BaseException) -> str:
    """Return a traceback as Python writes it, each exception's text on one line (see
    `printable`)."""
    made = traceback.TracebackException.from_exception(error)
    left = [made]
    while left:
        each = left.pop()
        _make_printable(each)
        left += filter(None, (each.__cause__, each.__context__, *(each.exceptions or ())))
    return "\n".join(map(printable, "".join(made.format()).rstrip("\n").split("\n")))


def _make_printable(made: traceback.TracebackException) -> None:
    lines_of = made.format_exception_only

    def lines(*args: Any, **options: Any) -> Iterator[str]:
        for line in lines_of(*args, **options):
            yield printable(line.removesuffix("\n")) + "\n"

    # `format` asks each exception of a chain or group for these by itself.
    made.format_exception_only = lines  # type: ignore[method-assign, assignment]
    for frame in made.stack:
        # Code that was compiled may have any name.
        frame.filename, frame.name = printable(frame.filename), printable(frame.name)
    # The lines of a note are indented, so that they look like no others.
    notes = getattr(made, "__notes__", None)
    if isinstance(notes, list | tuple):  # An exception may have anything there.
        made.__notes__ = ["  " + spoken(each).replace("\n", "\n  ") for each in notes]
