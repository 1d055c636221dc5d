"""Code: the source of one function, written line by line and compiled when a handler is registered.

It is what `dataclasses` and `attrs` do. Only names of Python, texts by their `repr` and lines of
this package go into a source; every other object is reached by a name.
"""

from __future__ import annotations

import linecache
from collections.abc import Iterable, Mapping
from itertools import count
from typing import Any


def function(name: str, head: str, body: Iterable[str], names: Mapping[str, Any], file: str) -> Any:
    """Return the function of these lines.

    name: what `head`, its first line, calls it. names: the objects that its lines name. file: what
    tracebacks say it is in. They show its lines.
    """
    source = "\n".join([head, *(f"    {line}" for line in body), ""])
    found = {**names, "__name__": __name__}
    exec(compile(source, _kept(source, file), "exec"), found)  # noqa: S102  # see above
    return found[name]


def _kept(source: str, file: str) -> str:
    """Keep a source for tracebacks, and return its file name, which no other source has."""
    # Without a time an entry is kept though there is no such file (`linecache.checkcache`).
    entry = (len(source), None, source.splitlines(keepends=True), file)
    for number in count(1):
        shown = f"<{file}>" if number == 1 else f"<{file}, {number}>"
        if linecache.cache.setdefault(shown, entry)[:3] == entry[:3]:
            return shown
    raise AssertionError("there is always another number")
