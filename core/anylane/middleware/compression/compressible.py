"""Media types: which bodies are worth compressing.

Nothing here looks at a body.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from anylane.errors import UsageError
from anylane.shown import shown

_PACKED = frozenset(
    f"application/{name}"
    for name in (
        "gzip x-gzip zip x-zip-compressed x-tar-gz x-bzip x-bzip2 x-xz x-lzma x-lzip zstd x-zstd "
        "x-7z-compressed x-rar-compressed vnd.rar x-compress x-br java-archive x-java-archive "
        "pdf epub+zip font-woff font-woff2 x-font-woff ogg mp4 x-shockwave-flash jose "
        "vnd.android.package-archive vnd.ms-cab-compressed x-debian-package x-rpm x-iso9660-image "
        "vnd.apache.parquet"
    ).split()
) | {"font/woff", "font/woff2", "text/event-stream"}
"""What is packed already, event streams apart: those are never touched."""

_PACKED_TREES = ("audio/", "video/", "image/", "multipart/")
_PACKED_BEGINNINGS = (
    "application/vnd.openxmlformats-officedocument.",
    "application/vnd.oasis.opendocument.",
)
_PACKED_ENDS = ("+zip", "+gzip", "+zstd")
_PLAIN_IMAGES = frozenset(("image/svg+xml", "image/bmp", "image/x-ms-bmp", "image/x-icon",
                           "image/vnd.microsoft.icon"))  # fmt: skip


def is_worth_it(kind: str) -> bool:
    """Return whether a body of this type gets smaller.

    kind: in lower case, without parameters. A type that is not known does: a list of what may be
    compressed would leave out every format that is not on it for good, and most of those are text
    inside (+json, ndjson, protobuf). What packed bytes cost is time and nothing else.
    """
    if kind.startswith(_PACKED_TREES):
        return kind in _PLAIN_IMAGES
    return not (
        kind in _PACKED or kind.startswith(_PACKED_BEGINNINGS) or kind.endswith(_PACKED_ENDS)
    )


def type_of(value: str) -> str:
    """Return the type in a Content-Type, in lower case and without its parameters."""
    return value.partition(";")[0].strip(" \t").lower()


def chosen(types: Iterable[str] | None) -> Callable[[str], bool]:
    """Return what says whether a type is compressed.

    types: None for `is_worth_it`; else the only ones that are, such as "application/json" and
    "text/*". Raise UsageError for what is none.
    """
    if types is None:
        return is_worth_it
    if isinstance(types, str) or not isinstance(types, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise UsageError(f"types is {shown(types)}; expected a list of such: ['text/html']")
    exact: set[str] = set()
    trees: set[str] = set()
    for each in types:
        main, _, sub = str(each).partition("/")
        if not (main and sub) or ";" in sub or str(each) != str(each).strip():
            raise UsageError(
                f"types has {shown(each)}; expected media types such as 'application/json' or "
                "'text/*'"
            )
        if sub == "*":
            trees.add(main.lower() + "/")
        else:
            exact.add(each.lower())
    prefixes = tuple(trees)
    return lambda kind: kind in exact or kind.startswith(prefixes)
