"""URL encoding: percent escapes, and the fields of a query or a form (URL standard §5.1).

Whatever was sent costs some C calls for each field, and none for each escape in it. What would cost
more is refused by its number.
"""

from __future__ import annotations

import re
from binascii import a2b_qp
from collections.abc import Awaitable, Callable, Iterator

from anylane.errors import HTTPError

MAX_FIELDS = 1000
"""Fields of a query (more get 400) or a form (more get 413), and cookies of a request (more are
ignored). It bounds the work; other limits bound the size."""

MAX_STRAY = 1000
"""Percent signs of a query or a form that begin no escape and stand for themselves. More get 400.
No browser sends one, and each costs several times what an escape does."""

SLICE = 64 * 1024
"""Characters of a form that are decoded before others have their turn: a few milliseconds."""

Pair = tuple[str, str]

_STRAY = re.compile(r"%(?![0-9A-Fa-f]{2})")


def percent_decoded(text: str) -> bytes:
    """Return the bytes that the text stands for; a `%` that begins no escape stands for itself."""
    return _decoded(_STRAY.sub("%25", text))


def unescaped(text: str) -> str:
    """Return a percent-decoded text, as `urllib.parse.unquote` does: what is not UTF-8 becomes
    U+FFFD."""
    return percent_decoded(text).decode("utf-8", "replace") if "%" in text else text


def _decoded(text: str) -> bytes:
    """Return the bytes of a text in which each `%` begins an escape."""
    # As quoted-printable, which C decodes in one pass. urllib takes a microsecond of Python for
    # each escape, seconds for a large form.
    data = text.encode("utf-8", "surrogatepass")
    return a2b_qp(data.replace(b"=", b"=3D").replace(b"%", b"="))


class EncodedFields:
    """The fields of one query or form, in order, and the bounds of the work that they make.

    what: names it in an error. too_many: the status of one with more than `MAX_FIELDS` fields.
    """

    def __init__(self, text: str, what: str, too_many: int) -> None:
        self._text = text
        self._what = what
        self._stray = 0
        if text.count("&") >= MAX_FIELDS:
            raise HTTPError(too_many, f"the {what} has more than {MAX_FIELDS} fields")

    def decoded(self) -> list[Pair]:
        """Return each name and value. Raises HTTPError 400 for more than `MAX_STRAY` stray `%`."""
        pairs = self._raw()
        if "%" not in self._text:
            return pairs
        return [(self._decode(name), self._decode(value)) for name, value in pairs]

    async def decoded_in_turns(self, give_way: Callable[[], Awaitable[None]]) -> list[Pair]:
        """Return each name and value, and give way to others after each `SLICE`. Raises as
        `decoded` does."""
        found: list[Pair] = []
        done = 0
        for pair in self._raw():
            decoded = []
            for text in pair:
                pieces = []
                for piece in _pieces(text):
                    if done and done + len(piece) > SLICE:
                        done = 0
                        await give_way()
                    done += len(piece)
                    pieces.append(self._bytes(piece))
                decoded.append(b"".join(pieces).decode("utf-8", "replace"))
            found.append((decoded[0], decoded[1]))
        return found

    def _raw(self) -> list[Pair]:
        # A hot path, so it is a list and no generator: three fields take 0.8 us instead of 1.5, in
        # "typed query, body, answer" of benchmarks/core.py.
        return [
            (name, value)
            for field in self._text.replace("+", " ").split("&")
            if field
            for name, _, value in (field.partition("="),)
        ]

    def _decode(self, text: str) -> str:
        return self._bytes(text).decode("utf-8", "replace") if "%" in text else text

    def _bytes(self, text: str) -> bytes:
        if "%" not in text:
            return text.encode("utf-8", "surrogatepass")
        text, found = _STRAY.subn("%25", text, count=MAX_STRAY + 1 - self._stray)
        self._stray += found
        if self._stray > MAX_STRAY:
            raise HTTPError(
                400, f"the {self._what} has more than {MAX_STRAY} '%' that begin no escape"
            )
        return _decoded(text)


def _pieces(text: str) -> Iterator[str]:
    """Yield the text in pieces of at most `SLICE` characters, and cut no escape in two."""
    start = 0
    while len(text) - start > SLICE:
        end = start + SLICE
        # An escape has three characters; a `%` among the last two may begin one.
        cut = text.find("%", end - 2, end)
        if cut >= 0:
            end = cut
        yield text[start:end]
        start = end
    yield text[start:]
