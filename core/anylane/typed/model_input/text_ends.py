"""Text ends: `$` in the pattern of a model is the end of the text, as JSON Schema means it.

msgspec searches with `re`, whose `$` is in front of a last line feed, too: "a\\n" fits `^a$` there.
Texts that end in one are rare, so values are looked through only where there may be such.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import repeat
from typing import Any

from anylane.http.values.faults import Fault, shown_in_json
from anylane.typed.constraints import has_end, pattern_check
from anylane.typed.model_input.fault_walk import MAX_NAME
from anylane.typed.model_input.messages import expected

_ENDS = (b'\\n"', b'\\u000a"')
"""How a text that ends in a line feed ends in JSON, but for the case of the digits."""


def may_end_in_line_feed(data: bytes) -> bool:
    """Return whether a text in a JSON text may end in a line feed."""
    return _ENDS[0] in data or _ENDS[1] in data.lower()


def has_ends(info: Any) -> bool:
    """Return whether a type has a pattern with `$` in it. info: as msgspec describes the type."""
    seen: set[int] = set()
    open_ = [info]
    while open_:
        each = open_.pop()
        if isinstance(each, tuple):
            open_ += each
        elif hasattr(each, "__struct_fields__") and id(each) not in seen:
            seen.add(id(each))
            if has_end(getattr(each, "pattern", None)):
                return True
            open_ += [getattr(each, name) for name in each.__struct_fields__]
    return False


def loose_ends(info: Any, value: Any, location: str) -> Iterator[Fault]:
    """Yield a fault for each text that msgspec takes only because of a last line feed.

    info: the type, as msgspec describes it. value: what it was read from, of JSON or of a form.
    location: where that is, as faults name it.
    """
    open_: list[tuple[Any, Any, str]] = [(info, value, "")]
    while open_:
        kind, value, place = open_.pop()
        pattern = getattr(kind, "pattern", None) if isinstance(value, str) else None
        if pattern is not None and value.endswith("\n") and not pattern_check(pattern)(value):
            text = expected(f"Expected `str` matching regex {pattern!r}")
            yield Fault(location, place, text, shown_in_json(place, value))
            continue
        inside = [
            (each, item, f"{place}.{str(name)[:MAX_NAME]}".strip("."))
            for each, item, name in _inside(kind, value)
        ]
        open_ += reversed(inside)


def _inside(kind: Any, value: Any) -> Iterator[tuple[Any, Any, object]]:
    """Yield what is inside of a value: its type, itself, and its name."""
    if type(kind).__name__ == "UnionType":
        # At most one of them is read from a text, an array or an object, but for tagged Structs.
        yield from ((each, value, "") for each in kind.types if _is_tagged(each, value))
    elif isinstance(value, list):
        yield from zip(_types_of_items(kind, value), value, range(len(value)), strict=False)
    elif isinstance(value, dict):
        if hasattr(kind, "key_type"):
            for key, item in value.items():
                yield kind.key_type, key, key
                yield kind.value_type, item, key
        for each in getattr(kind, "fields", ()):
            if each.encode_name in value:
                yield each.type, value[each.encode_name], each.encode_name


def _types_of_items(kind: Any, value: list[Any]) -> Iterable[Any]:
    """Return the type of each item of an array."""
    if hasattr(kind, "item_type"):
        return repeat(kind.item_type, len(value))
    if hasattr(kind, "item_types"):
        return tuple(kind.item_types)
    types = [each.type for each in getattr(kind, "fields", ())]
    return [None, *types] if getattr(kind, "tag", None) is not None else types


def _is_tagged(kind: Any, value: Any) -> bool:
    """Return whether a value may be of a type, by the tag of a Struct."""
    tag = getattr(kind, "tag", None)
    if tag is None:
        return True
    if isinstance(value, dict):
        return bool(value.get(kind.tag_field) == tag)
    return isinstance(value, list) and value[:1] == [tag]
