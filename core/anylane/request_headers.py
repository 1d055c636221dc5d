"""RequestHeaders: what a client sent, decoded as far as somebody reads it."""

from __future__ import annotations

from typing import NoReturn, overload

from anylane.errors import UsageError
from anylane.headers import Headers
from anylane.protocol.fields import Header
from anylane.protocol.request_head import Fields

FROM_THE_WIRE = (
    "these headers came from the peer and cannot be changed; keep what you find out in ctx.state, "
    "or take a copy: Headers(headers.items())"
)

_SEARCHES = 8
"""So many times a section is searched for one name before it is decoded whole: that takes as long,
6.5 us for a browser's, where a search takes 0.6 (CPython 3.13). Most handlers read one or two."""


class RequestHeaders(Headers):
    """Headers of a request: names in lower case, read only. Requests that repeat them share one."""

    __slots__ = ("_decoded", "_fields", "_searches")

    def __init__(self, fields: Fields) -> None:
        # Not the base's: all it would set is `lines`, which are decoded when somebody reads them.
        self.frozen = True
        self._fields = fields
        self._decoded: tuple[Header, ...] | None = None
        # What a parser has taken apart already needs no search.
        self._searches = _SEARCHES if fields.section else 0

    @property
    def lines(self) -> tuple[Header, ...]:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]
        # A tuple: requests of other connections may share it, and not even by mistake is it
        # changed.
        if self._decoded is None:
            self._decoded = tuple(
                (name.decode("latin-1"), value.decode("latin-1"))
                for name, value in self._fields.headers
            )
        return self._decoded

    @overload
    def get(self, name: str, default: None = None) -> str | None: ...
    @overload
    def get(self, name: str, default: str) -> str: ...
    def get(self, name: str, default: str | None = None) -> str | None:
        """The first value of that name."""
        if self._decoded is None and self._searches:
            found = self._search(name.lower())
            return found[0] if found else default
        wanted = name.lower()
        for key, value in self.lines:
            if key == wanted:
                return value
        return default

    def get_all(self, name: str) -> list[str]:
        """Every value of that name, in order."""
        if self._decoded is None and self._searches:
            return self._search(name.lower())
        return super().get_all(name)

    def _search(self, wanted: str) -> list[str]:
        """The values of that (lower-case) name, and nothing else decoded."""
        self._searches -= 1
        if not wanted.isascii() or ":" in wanted:  # Else it could reach into the next line.
            return []
        section = self._fields.section
        lines, start = b"\r\n" + section.lower(), b"\r\n%b:" % wanted.encode("ascii")
        values: list[str] = []
        at = lines.find(start)
        while at >= 0:
            at += len(start)
            end = lines.find(b"\r\n", at)
            values.append(section[at - 2 : end - 2].strip(b" \t").decode("latin-1"))
            at = lines.find(start, end)
        return values

    def __reduce__(self) -> tuple[type[Headers], tuple[list[Header]]]:
        # A copy shares nothing, and may be changed.
        return Headers, (self.items(),)

    def _touch(self) -> NoReturn:
        raise UsageError(FROM_THE_WIRE)
