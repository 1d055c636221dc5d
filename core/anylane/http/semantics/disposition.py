"""Content-Disposition: under which name a client saves what it gets (RFC 6266).

A name may come from a stranger, who uploaded the file. Whatever it is, it ends no header line, no
quoted string, and names no folder.
"""

from __future__ import annotations

import re
from unicodedata import category, normalize
from urllib.parse import quote

from anylane.errors import UsageError
from anylane.shown import shown

_MAX = 255
"""Characters of a name. No file system that is known takes more."""

_ATTR = "!#$&+-.^_`|~"
"""What RFC 8187 §3.2.1 leaves as it is, beside letters and digits."""

_FOLDERS = re.compile(r"[/\\]")

_ODD = re.compile(r'[^\x20-\x7e]|["%/\\]')
"""What not every client reads alike in a quoted string (RFC 6266 appendix D), and what names a
folder: of "／" plain ASCII makes a slash."""

# What shows a name in another order than its bytes have: "gpj.exe" as "exe.jpg".
_TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def content_disposition(kind: str, name: str | None) -> str:
    """Return the value of the field.

    kind: "attachment" or "inline". name: only what is behind its last slash or backslash counts;
    control characters, line ends, and what turns the direction of writing become "_". What is not
    plain ASCII goes into `filename*` (RFC 8187) as it is, and into `filename` as near as ASCII
    comes. Without a name, and for one with nothing left, the client chooses. Raises UsageError for
    what is no str.
    """
    if name is None:
        return kind
    if not isinstance(name, str):
        raise UsageError(f"the name of a file is {shown(name)}; expected a str or None")
    found = _file_name(name)
    if not found:
        return kind
    value = f'{kind}; filename="{_ascii(found)}"'
    if _ODD.search(found):
        value += f"; filename*=UTF-8''{quote(found, _ATTR)}"
    return value


def _file_name(text: str) -> str:
    """Return the last part of a path, safe to be shown, or "" if that names no file."""
    last = _FOLDERS.split(text.rstrip("/\\"))[-1]
    shown_as = "".join("_" if _is_dangerous(each) else each for each in last).strip()
    if not shown_as.strip("."):
        return ""
    if len(shown_as) > _MAX:
        stem, dot, suffix = shown_as.rpartition(".")
        if not dot or len(suffix) > 16:
            return shown_as[:_MAX]
        return stem[: _MAX - len(suffix) - 1] + dot + suffix
    return shown_as


def _is_dangerous(character: str) -> bool:
    # Control characters, line ends, halves of surrogate pairs.
    return category(character) in ("Cc", "Zl", "Zp", "Cs") or character in _TURNING


def _ascii(name: str) -> str:
    """Return the name without its accents, and with "_" for all that ASCII has nothing like."""
    plain = "".join(each for each in normalize("NFKD", name) if category(each) != "Mn")
    plain = _ODD.sub("_", plain)
    return plain if plain.strip(" .") else "_"
