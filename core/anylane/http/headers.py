"""Headers: case-insensitive, multi-value, in order; and the form of dates in them.

A header that could split a response in two is refused where it is set. Those of a request are read
only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import ClassVar, NoReturn, cast, overload

from anylane.errors import MissingValue, UsageError
from anylane.http.values.reading import TypedReading
from anylane.protocol.fields import Header, check_header
from anylane.protocol.request_head import Fields
from anylane.shown import shown

Initial = Mapping[str, str] | Iterable[Header]
"""What a Headers can be made from: a mapping or pairs."""

TOO_LATE = (
    "the response can no longer be changed: its head was sent. Set status, headers and cookies "
    "before ctx.send(), ctx.stream() or ctx.accept()"
)

_MANY = 8
"""Lines from which on a set of names is kept, so that setting one more need not look at all of
them."""


class Headers(TypedReading):
    """An ordered list of (name, value) with case-insensitive names (RFC 9110 §5).

    `[name]` returns the first value and raises KeyError if there is none. Iteration gives each name
    once, `len()` the number of lines. Setting and adding raise UsageError for a name that is no
    token, for a value with CR, LF, NUL or another control character (§5.5), and once the headers
    are frozen.

    initial: a mapping or pairs of str. Raises UsageError for anything else.
    frozen: whether they are on the wire, so that a change would come too late.
    lines: for the framework, which does not change it; `items()` returns a copy.
    """

    __slots__ = ("_names", "frozen", "lines")

    location = "header"

    def __init__(self, initial: Initial = ()) -> None:
        self.lines: list[Header] = []
        self.frozen: bool = False
        # The names in lower case, once there are many lines. It may name some that were removed.
        self._names: set[str] | None = None
        if initial:
            # pyright takes a list of pairs for a possible Mapping of pairs.
            pairs = initial.items() if isinstance(initial, Mapping) else initial
            try:
                for name, value in cast("Iterable[Header]", pairs):
                    self.add(name, value)
            except (TypeError, ValueError):
                raise UsageError(
                    f"headers are {shown(initial)}; expected a mapping or pairs: "
                    "{'x-name': 'value'} or [('x-name', 'value')]"
                ) from None

    @classmethod
    def from_wire(cls, raw: Iterable[tuple[bytes, bytes]]) -> Headers:
        """Return headers that a parser has checked already, decoded as Latin-1."""
        headers = cls()
        headers.lines = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in raw]
        return headers

    @overload
    def get(self, name: str, default: None = None) -> str | None: ...
    @overload
    def get(self, name: str, default: str) -> str: ...
    def get(self, name: str, default: str | None = None) -> str | None:
        """Return the first value of that name, or *default* if there is none."""
        wanted = name.lower()
        for key, value in self.lines:
            if key.lower() == wanted:
                return value
        return default

    def get_all(self, name: str) -> list[str]:
        """Return every value of that name as a list, in order."""
        wanted = name.lower()
        return [value for key, value in self.lines if key.lower() == wanted]

    def set(self, name: str, value: str) -> None:
        """Replace all values of that name by one, in the place of the first.

        Raises UsageError for a name or value that must not go on the wire, and once they are
        frozen.
        """
        check_header(name, value)
        if self.frozen:
            self._touch(name)
        wanted, lines = name.lower(), self.lines
        if (len(lines) < _MANY and self._names is None) or not self._adds(wanted):
            for index, (key, _) in enumerate(lines):
                if key.lower() == wanted:
                    rest = [item for item in lines[index + 1 :] if item[0].lower() != wanted]
                    lines[index:] = [(name, value), *rest]
                    return
        lines.append((name, value))

    def _adds(self, wanted: str) -> bool:
        """Return whether no line has that (lower-case) name, and note that one will."""
        if self._names is None:
            self._names = {key.lower() for key, _ in self.lines}
        if wanted in self._names:
            return False
        self._names.add(wanted)
        return True

    def add(self, name: str, value: str) -> None:
        """Append a value; those that are there stay.

        Raises UsageError for a name or value that must not go on the wire, and once they are
        frozen.
        """
        check_header(name, value)
        self._touch(name)
        self._names = None
        self.lines.append((name, value))

    def default(self, name: str, value: str) -> None:
        """Set a value unless there is one. For the framework: nothing is checked.

        name: in lower case.
        """
        items = self.lines
        for key, _ in items:
            if key.lower() == name:
                return
        self._names = None
        items.append((name, value))

    def default_all(self, lines: Iterable[Header]) -> None:
        """Set each of several values unless there is one of its name, as `default` does."""
        known = {key.lower() for key, _ in self.lines}
        self._names = None
        self.lines += [line for line in lines if line[0] not in known]

    def remove(self, name: str) -> None:
        """Remove every value of that name; harmless if there is none.

        Raises UsageError once the headers are frozen.
        """
        self._touch(name)
        wanted = name.lower()
        self.lines = [item for item in self.lines if item[0].lower() != wanted]

    def discard(self, name: str, value: str) -> None:
        """Remove this one value; harmless if it is not there.

        Raises UsageError once the headers are frozen.
        """
        self._touch(name)
        wanted = (name.lower(), value)
        self.lines = [item for item in self.lines if (item[0].lower(), item[1]) != wanted]

    def _touch(self, name: str) -> None:  # noqa: ARG002  # by subclass
        """Raise UsageError if this header cannot be changed."""
        if self.frozen:
            raise UsageError(TOO_LATE)

    def items(self) -> list[Header]:
        """Return every (name, value) as a list, in order."""
        return list(self.lines)

    def __getitem__(self, name: str) -> str:
        value = self.get(name)
        if value is None:
            raise KeyError(name)
        return value

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.get(name) is not None

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(name for name, _ in self.lines))

    def __len__(self) -> int:
        return len(self.lines)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and self.items() == other.items()

    __hash__: ClassVar[None] = None  # type: ignore[assignment]  # mutable

    def __repr__(self) -> str:
        return f"Headers({self.items()!r})"


FROM_THE_WIRE = (
    "these headers came from the peer and cannot be changed; keep what you find out in ctx.state, "
    "or take a copy: Headers(headers.items())"
)

_SEARCHES = 8
"""A section is searched for so many single names before it is decoded whole, which takes as long:
6.5 us for a browser's, where a search takes 0.6 (CPython 3.13). Most handlers read one or two.
Searching makes a request with new headers 1.4 times as fast (docs/performance.md)."""


class RequestHeaders(Headers):
    """The headers of a request: names in lower case, read only.

    `[name]` raises MissingValue, which is an HTTPError 400 and a KeyError, for a header that the
    client has not sent. Every change raises UsageError. Requests that repeat the same header lines
    share one object; a copy (`copy`, `pickle`) is a plain `Headers` that may be changed.
    """

    __slots__ = ("_decoded", "_fields", "_searches")

    def __init__(self, fields: Fields) -> None:
        # Without the base's `__init__`: it would only set `lines`, which are decoded on first use.
        self.frozen = True
        self._fields = fields
        self._decoded: tuple[Header, ...] | None = None
        # Headers that a parser has taken apart already need no search.
        self._searches = _SEARCHES if fields.section else 0

    @classmethod
    def of(cls, lines: Iterable[Header]) -> RequestHeaders:
        """Return headers that a parser has decoded already. lines: names in lower case."""
        made = cls(Fields(b"", []))
        made._decoded = tuple(lines)
        return made

    @property
    def lines(self) -> tuple[Header, ...]:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]
        """Every (name, value), in order, decoded on first use."""
        # A tuple, because requests of other connections share it and none may change it.
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
        """Return the first value of that name, or *default* if there is none."""
        if self._decoded is None and self._searches:
            found = self._search(name.lower())
            return found[0] if found else default
        wanted = name.lower()
        for key, value in self.lines:
            if key == wanted:
                return value
        return default

    def get_all(self, name: str) -> list[str]:
        """Return every value of that name as a list, in order."""
        if self._decoded is None and self._searches:
            return self._search(name.lower())
        return super().get_all(name)

    def _search(self, wanted: str) -> list[str]:
        """Return the values of that (lower-case) name, without decoding anything else."""
        self._searches -= 1
        if not wanted.isascii() or ":" in wanted:  # It could reach into the value otherwise.
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

    def __getitem__(self, name: str) -> str:
        value = self.get(name)
        if value is None:
            raise MissingValue(name, "header")
        return value

    def __reduce__(self) -> tuple[type[Headers], tuple[list[Header]]]:
        # A copy shares nothing and may be changed.
        return Headers, (self.items(),)

    def _touch(self, name: str) -> NoReturn:  # noqa: ARG002  # none can be
        raise UsageError(FROM_THE_WIRE)


_DAYS = "Mon Tue Wed Thu Fri Sat Sun".split()
_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()


def http_date(moment: datetime) -> str:
    """Return *moment* as header fields write it: an IMF-fixdate (RFC 9110 §5.6.7).

    A moment without a time zone is taken for UTC.
    """
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC)
    # `strftime` would take the names from the locale.
    return (
        f"{_DAYS[moment.weekday()]}, {moment.day:02} {_MONTHS[moment.month - 1]} "
        f"{moment.year:04} {moment.hour:02}:{moment.minute:02}:{moment.second:02} GMT"
    )
