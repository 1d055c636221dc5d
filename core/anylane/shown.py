"""shown: how messages and the log show a value of the user's own, whose `repr` may raise."""

from __future__ import annotations


def shown(value: object, size: int = 80) -> str:
    """Return `repr(value)`, cut to *size* characters. Raise nothing: where `repr` raises, return
    the names of the two types."""
    try:
        return repr(value)[:size]
    except BaseException as exc:  # noqa: BLE001  # a message must not fail
        return f"<{type(value).__name__}, whose repr raised {type(exc).__name__}>"


def spoken(exc: BaseException) -> str:
    """Return `str(exc)`. Raise nothing: where that raises, return what `shown` does."""
    try:
        return str(exc)
    except BaseException:  # noqa: BLE001  # as above
        return shown(exc)
