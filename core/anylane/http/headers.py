"""Headers: case-insensitive, multi-value, in order; and the form of dates in them.

A header that could split a response in two is refused where it is set. Those of a request are read
only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar, NoReturn, cast, overload

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
        # The names in lower case: most that are asked for are not there, and this tells so without
        # a look at each line. It may name some that were removed.
        self._names: set[str] = set()
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

    if not TYPE_CHECKING:  # Checkers say so by themselves.

        def __setitem__(self, name: object, value: object) -> NoReturn:
            """Raise TypeError: an assignment does not say whether other lines of that name stay."""
            raise TypeError(
                "headers take no [name] = value, for a name may have several lines; write "
                "ctx.response.set_header(name, value), which replaces them, or add_header"
            )

        def __delitem__(self, name: object) -> NoReturn:
            """Raise TypeError: an answer's headers are removed by name."""
            raise TypeError("headers take no del; write ctx.response.remove_header(name)")

    @classmethod
    def from_wire(cls, raw: Iterable[tuple[bytes, bytes]]) -> Headers:
        """Return headers that a parser has checked already, decoded as Latin-1."""
        headers = cls()
        for name, value in raw:
            headers.append(name.decode("latin-1"), value.decode("latin-1"))
        return headers

    @classmethod
    def typed(cls, content_type: str) -> Headers:
        """Return the headers of a body of that type, which is known to be good."""
        # Without `__init__`: most responses that have headers begin here.
        new = cls.__new__(cls)
        new.lines = [("content-type", content_type)]
        new.frozen = False
        new._names = {"content-type"}
        return new

    @overload
    def get(self, name: str, default: None = None) -> str | None: ...
    @overload
    def get(self, name: str, default: str) -> str: ...
    def get(self, name: str, default: str | None = None) -> str | None:
        """Return the first value of that name, or *default* if there is none."""
        wanted = name.lower()
        if wanted in self._names:
            for key, value in self.lines:
                if key.lower() == wanted:
                    return value
        return default

    def get_all(self, name: str) -> list[str]:
        """Return every value of that name as a list, in order."""
        wanted = name.lower()
        if wanted not in self._names:
            return []
        return [value for key, value in self.lines if key.lower() == wanted]

    def set(self, name: str, value: str) -> None:
        """Replace all values of that name by one, in the place of the first.

        Raises UsageError for a name or value that must not go on the wire, and once they are
        frozen.
        """
        check_header(name, value)
        # As put, without the call.
        if self.frozen:
            self._touch(name)
        wanted = name.lower()
        if wanted in self._names:
            self._replace(wanted, (name, value))
        else:
            self._names.add(wanted)
            self.lines.append((name, value))

    def _replace(self, wanted: str, line: Header) -> None:
        """Put a line in the place of the first of that (lower-case) name, and drop the others."""
        lines = self.lines
        for index, (key, _) in enumerate(lines):
            if key.lower() == wanted:
                rest = [item for item in lines[index + 1 :] if item[0].lower() != wanted]
                lines[index:] = [line, *rest]
                return
        lines.append(line)

    def add(self, name: str, value: str) -> None:
        """Append a value; those that are there stay.

        Raises UsageError for a name or value that must not go on the wire, and once they are
        frozen.
        """
        check_header(name, value)
        self.append(name, value)

    def append(self, name: str, value: str) -> None:
        """Append a value as `add` does. For the framework: neither is checked.

        Raises UsageError once they are frozen.
        """
        if self.frozen:
            self._touch(name)
        self._names.add(name.lower())
        self.lines.append((name, value))

    def put(self, name: str, value: str) -> None:
        """Set a value as `set` does. For the framework: neither is checked.

        Raises UsageError once they are frozen.
        """
        # Written out in Headers.set (tests/test_inlined_copies.py).
        if self.frozen:
            self._touch(name)
        wanted = name.lower()
        if wanted in self._names:
            self._replace(wanted, (name, value))
        else:
            self._names.add(wanted)
            self.lines.append((name, value))

    def default(self, name: str, value: str) -> None:
        """Set a value unless there is one. For the framework: nothing is checked.

        name: in lower case.
        """
        if name not in self._names or self.get(name) is None:
            self._names.add(name)
            self.lines.append((name, value))

    def default_all(self, values: Mapping[str, str]) -> None:
        """Set each of several values unless there is one of its name, as `default` does."""
        if self._names.isdisjoint(values):
            self._names.update(values)
            self.lines += values.items()
            return
        for name, value in values.items():
            self.default(name, value)

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

_NONE: list[str] = []


class RequestHeaders(Headers):
    """The headers of a request: names in lower case, read only.

    `[name]` raises MissingValue, which is an HTTPError 400 and a KeyError, for a header that the
    client has not sent. Every change raises UsageError. Requests that repeat the same header lines
    share one object; a copy (`copy`, `pickle`) is a plain `Headers` that may be changed.
    """

    __slots__ = ("_decoded", "_fields", "_lower", "_searches", "_values")

    def __init__(self, fields: Fields) -> None:
        # Without the base's `__init__`: it would only set `lines`, which are decoded on first use.
        self.frozen = True
        self._fields = fields
        self._decoded: tuple[Header, ...] | None = None
        self._values: dict[str, list[str]] | None = None
        self._lower: bytes | None = None
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
        if self._values is not None:
            found = self._values.get(name.lower())
        else:
            found = self._find(name.lower())
        return found[0] if found else default

    def get_all(self, name: str) -> list[str]:
        """Return every value of that name as a list, in order."""
        if self._values is not None:
            return self._values.get(name.lower(), _NONE).copy()
        return self._find(name.lower()).copy()

    def _find(self, wanted: str) -> list[str]:
        """Return the values of that (lower-case) name, decoding all once it was asked often."""
        if self._decoded is None and self._searches:
            return self._search(wanted)
        values: dict[str, list[str]] = {}
        for name, value in self.lines:
            values.setdefault(name, []).append(value)
        self._values, self._lower = values, None
        return values.get(wanted, _NONE)

    def _search(self, wanted: str) -> list[str]:
        """Return the values of that (lower-case) name, without decoding anything else."""
        self._searches -= 1
        if not wanted.isascii() or ":" in wanted:  # It could reach into the value otherwise.
            return []
        section, lines = self._fields.section, self._lower
        if lines is None:
            self._lower = lines = b"\r\n" + section.lower()
        start = b"\r\n%b:" % wanted.encode("ascii")
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
