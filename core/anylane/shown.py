"""shown: how messages and the log show a value of the user's own, whose `repr` may raise, and what
a name may have meant that is not known."""

from __future__ import annotations

import re
from collections.abc import Iterable

_UNQUOTED = re.compile(r"[^ !#-\[\]-~]")


def shown(value: object, size: int = 80) -> str:
    """Return `repr(value)`, cut to *size* characters. Raise nothing: where `repr` raises, return
    the names of the two types."""
    try:
        return repr(value)[:size]
    except BaseException as exc:  # noqa: BLE001  # a message must not fail
        return f"<{type(value).__name__}, whose repr raised {type(exc).__name__}>"


def spoken(value: object) -> str:
    """Return `str(value)`, of an exception for the most part. Raise nothing: where that raises,
    return what `shown` does."""
    try:
        return str(value)
    except BaseException:  # noqa: BLE001  # as above
        return shown(value)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that is most like this one, None if none is."""
    from difflib import get_close_matches

    # Case and dashes are no difference to a person who types.
    plain = {each.lower(): each for each in known}
    near = get_close_matches(name.lower().replace("-", "_"), plain, n=1)
    return plain[near[0]] if near else None


def quoted(text: str) -> str:
    """Return a client's text for a field in quotes, with one reading: the quote, the backslash and
    what is no visible ASCII as \\xHH, as nginx writes its log. Of a header that is each byte as it
    came, and of text beyond Latin-1 its UTF-8."""
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return text
    return _UNQUOTED.sub(_hexed, text)


def _hexed(found: re.Match[str]) -> str:
    char = found[0]
    data = char.encode("latin-1" if char <= "\xff" else "utf-8", "surrogatepass")
    return "".join(f"\\x{byte:02X}" for byte in data)
