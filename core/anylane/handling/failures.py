"""What an exception out of user code counts as: a failure, a cancellation, or the operator's wish.

A failure has one extent, its exchange, and it may be a BaseException. Only two things pass through:
the lane's own cancellation, and a KeyboardInterrupt by a real signal.
"""

from __future__ import annotations

from collections.abc import Iterator
from opcode import opmap
from typing import TYPE_CHECKING

from anylane.errors import Disconnected, HTTPError

if TYPE_CHECKING:
    from anylane.lane.link import Link

_RAISE = opmap["RAISE_VARARGS"]

_HANDLERS = ("trio._core._ki", "asyncio.runners")
"""The modules whose handlers of SIGINT raise KeyboardInterrupt by a statement of their own."""


def taken_apart(
    exc: BaseException, link: Link
) -> tuple[BaseException | None, BaseException | None]:
    """Return what passes through and what is a failure; each may be None.

    Of an exception group both may be there. What passes is one cancellation then, without a group
    around it. A failure is one exception without a group around it if it is the only one.
    """
    if not isinstance(exc, BaseExceptionGroup):
        return (exc, None) if _passes(exc, link) else (None, exc)
    passing, failure = exc.split(lambda leaf: not _is_group(leaf) and _passes(leaf, link))
    return None if passing is None else next(_leaves(passing)), failure


def sole(exc: Exception) -> Exception:
    """Return the only leaf of an exception group if it is an HTTPError or Disconnected, else the
    exception itself."""
    leaf: BaseException = exc
    while isinstance(leaf, BaseExceptionGroup) and len(leaf.exceptions) == 1:
        leaf = leaf.exceptions[0]
    return leaf if isinstance(leaf, HTTPError | Disconnected) else exc


def by_signal(exc: BaseException) -> bool:
    """Return whether a KeyboardInterrupt comes from a signal, and not from a `raise` of user code.

    Python raises it between two instructions, so that the innermost one is any but the one that
    raises. Only the handlers of event loops, which take the place of Python's own, have a `raise`.
    """
    if not isinstance(exc, KeyboardInterrupt) or exc.__traceback__ is None:
        return False
    innermost = exc.__traceback__
    while innermost.tb_next is not None:
        innermost = innermost.tb_next
    frame = innermost.tb_frame
    return (
        frame.f_code.co_code[innermost.tb_lasti] != _RAISE
        or frame.f_globals.get("__name__") in _HANDLERS
    )


def _passes(exc: BaseException, link: Link) -> bool:
    return link.is_cancellation(exc) or by_signal(exc)


def _is_group(exc: BaseException) -> bool:
    return isinstance(exc, BaseExceptionGroup)


def _leaves(exc: BaseException) -> Iterator[BaseException]:
    if isinstance(exc, BaseExceptionGroup):
        for each in exc.exceptions:
            yield from _leaves(each)
    else:
        yield exc
