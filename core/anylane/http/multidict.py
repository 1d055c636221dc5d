"""MultiDict: names and values in order; values of one name stay apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar, overload
from urllib.parse import parse_qsl

from anylane.errors import HTTPError

V = TypeVar("V")


class MultiDict(Generic[V]):
    """Read-only. `[name]` and `get` give the first value of a name, `get_all` every one."""

    __slots__ = ("_items",)

    def __init__(self, items: Iterable[tuple[str, V]] = ()) -> None:
        self._items = list(items)

    @overload
    def get(self, name: str, default: None = None) -> V | None: ...
    @overload
    def get(self, name: str, default: V) -> V: ...
    def get(self, name: str, default: V | None = None) -> V | None:
        """The first value of that name."""
        return next((value for key, value in self._items if key == name), default)

    def get_all(self, name: str) -> list[V]:
        return [value for key, value in self._items if key == name]

    def items(self) -> list[tuple[str, V]]:
        """Every (name, value), in order."""
        return list(self._items)

    def __getitem__(self, name: str) -> V:
        for key, value in self._items:
            if key == name:
                return value
        raise KeyError(name)

    def __contains__(self, name: object) -> bool:
        return any(key == name for key, _ in self._items)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(key for key, _ in self._items))

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._items!r})"


MAX_FIELDS = 1000
"""Of a query or a form -> 400 and 413. Bounds the work; other limits bound the size."""


class Query(MultiDict[str]):
    """Names and values in order; values of one name stay apart (`get_all`).

    Raises HTTPError 400 when built, for more fields than there may be.
    """

    __slots__ = ("raw",)

    def __init__(self, raw: str) -> None:
        self.raw = raw
        try:
            super().__init__(
                parse_qsl(raw, keep_blank_values=True, max_num_fields=MAX_FIELDS) if raw else ()
            )
        except ValueError:
            raise HTTPError(400, f"the query has more than {MAX_FIELDS} fields") from None
