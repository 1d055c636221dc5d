"""Query: the multi-value parameters behind the `?`, parsed when first read."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import parse_qsl


class Query:
    """Names and values in order; values of one name stay apart (`get_all`)."""

    __slots__ = ("_items", "raw")

    def __init__(self, raw: str) -> None:
        self.raw = raw
        # `max_num_fields` bounds the work; the target's own limit bounds the size.
        self._items = parse_qsl(raw, keep_blank_values=True, max_num_fields=1000) if raw else []

    def get(self, name: str, default: str | None = None) -> str | None:
        """The first value of that name."""
        return next((value for key, value in self._items if key == name), default)

    def get_all(self, name: str) -> list[str]:
        return [value for key, value in self._items if key == name]

    def items(self) -> list[tuple[str, str]]:
        return list(self._items)

    def __getitem__(self, name: str) -> str:
        value = self.get(name)
        if value is None:
            raise KeyError(name)
        return value

    def __contains__(self, name: object) -> bool:
        return any(key == name for key, _ in self._items)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(key for key, _ in self._items))

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        return f"Query({self.raw!r})"
