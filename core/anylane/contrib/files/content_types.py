"""Media types by the endings of file names, the same ones on every machine.

The system's own tables are not read: what a file is must not depend on what is installed.
"""

from __future__ import annotations

from collections.abc import Mapping
from mimetypes import MimeTypes
from types import MappingProxyType
from typing import Any

from anylane.errors import UsageError
from anylane.protocol.fields import check_header
from anylane.shown import shown

UNKNOWN = "application/octet-stream"
"""The type of what has no known ending. With `nosniff` no browser guesses another one."""

_OWN = {
    # Where Python's table has no entry, an old one, or other ones in other versions.
    ".avif": "image/avif",
    ".br": "application/x-brotli",
    ".bz2": "application/x-bzip2",
    ".cjs": "text/javascript",
    ".flac": "audio/flac",
    ".gz": "application/gzip",
    ".ico": "image/x-icon",
    ".ics": "text/calendar",
    ".jpg": "image/jpeg",
    ".js": "text/javascript",
    ".jsonld": "application/ld+json",
    ".map": "application/json",
    ".md": "text/markdown",
    ".mjs": "text/javascript",
    ".mkv": "video/x-matroska",
    ".m3u8": "application/vnd.apple.mpegurl",
    ".ogg": "audio/ogg",
    ".opus": "audio/ogg",
    ".otf": "font/otf",
    ".rtf": "application/rtf",
    ".toml": "application/toml",
    ".ttf": "font/ttf",
    ".vtt": "text/vtt",
    ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
    ".xml": "application/xml",
    ".xz": "application/x-xz",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
    ".zst": "application/zstd",
    ".7z": "application/x-7z-compressed",
}

_KNOWN: Mapping[str, str] = MappingProxyType({**MimeTypes().types_map[1], **_OWN})


def media_type(name: str, own: Mapping[str, str] = _KNOWN) -> str:
    """Return the value of Content-Type for a file of that name. Text is in UTF-8.

    own: types by endings, such as `media_types` returns. What is compressed has the type of the
    compressed file: a `.tar.gz` is a file to be saved and no encoding of another one.
    """
    kind = own.get(_ending(name), UNKNOWN)
    if kind.startswith("text/") and "charset" not in kind:
        return f"{kind}; charset=utf-8"
    return kind


def media_types(added: Mapping[str, str] | None) -> Mapping[str, str]:
    """Return the known types by endings, and those that were added, such as {".glb":
    "model/gltf-binary"}. Raise UsageError for what is no ending, or can be no type."""
    if not added:
        return _KNOWN
    if not isinstance(added, Mapping):
        raise UsageError(f"types is {shown(added)}; expected a mapping such as {{'.md': 'text/x'}}")
    given: Mapping[Any, Any] = added
    for ending, kind in given.items():
        if not isinstance(ending, str) or not ending.startswith(".") or "." in ending[1:]:
            raise UsageError(f"types has the ending {shown(ending)}; expected one such as '.md'")
        if not isinstance(kind, str) or "/" not in kind:
            raise UsageError(f"types has {shown(kind)} for {ending}; expected such as 'text/x-go'")
        check_header("content-type", kind)
    return MappingProxyType({**_KNOWN, **{name.lower(): kind for name, kind in added.items()}})


def _ending(name: str) -> str:
    """Return the last ending of a name in lower case, with its dot; "" where there is none."""
    stem, dot, ending = name.rpartition(".")
    return f".{ending.lower()}" if dot and stem else ""
