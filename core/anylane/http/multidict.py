"""MultiDict: names and values in order; the values of one name stay apart. And the query of a URL.

Nothing here changes what it holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar, Generic, TypeVar, overload

from anylane.errors import MissingValue
from anylane.http.urlencoded import EncodedFields
from anylane.http.values.reading import TypedReading

V = TypeVar("V")


class MultiDict(Generic[V]):
    """A read-only mapping in which a name may have several values.

    `[name]` returns the first value and raises MissingValue, which is an HTTPError 400 and a
    KeyError, if there is none; `get` returns a default then, and `get_all` every value. Iteration
    gives each name once, `len()` the number of pairs.
    """

    __slots__ = ("_items",)

    what: ClassVar[str] = "value"
    """What one of the values is called in the message to a client that left it out."""

    def __init__(self, items: Iterable[tuple[str, V]] = ()) -> None:
        self._items = list(items)

    @overload
    def get(self, name: str, default: None = None) -> V | None: ...
    @overload
    def get(self, name: str, default: V) -> V: ...
    def get(self, name: str, default: V | None = None) -> V | None:
        """Return the first value of that name, or *default* if there is none."""
        return next((value for key, value in self._items if key == name), default)

    def get_all(self, name: str) -> list[V]:
        """Return every value of that name as a list, in order."""
        return [value for key, value in self._items if key == name]

    def first(self) -> dict[str, V]:
        """Return the first value of each name as a dict."""
        return dict(reversed(self._items))

    def items(self) -> list[tuple[str, V]]:
        """Return every (name, value) as a list, in order."""
        return list(self._items)

    def __getitem__(self, name: str) -> V:
        for key, value in self._items:
            if key == name:
                return value
        raise MissingValue(name, self.what)

    def __contains__(self, name: object) -> bool:
        return any(key == name for key, _ in self._items)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(key for key, _ in self._items))

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._items!r})"


class Query(MultiDict[str], TypedReading):
    """The names and values of a query string, percent-decoded, in order.

    Building one raises HTTPError 400 for more than 1,000 fields, and for more than 1,000 `%` that
    begin no escape.

    raw: the text that it was made from, without the `?`.
    """

    __slots__ = ("raw",)

    what = "query parameter"
    location = "query"

    def __init__(self, raw: str) -> None:
        self.raw: str = raw
        self._items = EncodedFields(raw, "query", 400).decoded() if raw else []
