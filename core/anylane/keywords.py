"""Keywords: the error for a keyword argument that a function does not have, and what was meant.

Python's own names the function that was called last, which is often an inner one. This one names
what was typed, and what may have been meant.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from anylane.shown import nearest


def check_keywords(
    call: str,
    given: Iterable[str],
    known: Iterable[str],
    hints: Mapping[str, str] | None = None,
) -> None:
    """Raise TypeError, as Python does, for a keyword that is not known; return None if all are.

    call: what was typed, such as "set_cookie()". hints: what to write instead of names that others
    have.
    """
    known = tuple(known)
    for name in given:
        if name not in known:
            hint = (hints or {}).get(name) or did_you_mean(name, known)
            hint = hint or f"it takes {', '.join(known)}"
            raise TypeError(f"{call} got an unexpected keyword argument {name!r}; {hint}")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return "did you mean ...?" for the known name that is most like this one, or nothing."""
    near = nearest(name, known)
    return "" if near is None else f"did you mean {near!r}?"
