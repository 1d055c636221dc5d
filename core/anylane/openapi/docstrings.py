"""Docstrings: what a handler's says about its route."""

from __future__ import annotations

import inspect


def summary_and_description(text: str | None) -> tuple[str | None, str | None]:
    """Return the first paragraph of a docstring as one line, and the rest; None for what is not
    there."""
    if text is None or not (cleaned := inspect.cleandoc(text).strip()):
        return None, None
    first, _, rest = cleaned.partition("\n\n")
    return " ".join(first.split()), rest.strip() or None
