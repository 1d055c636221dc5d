"""Location: where a redirect leads, as a URI reference (RFC 3986)."""

from __future__ import annotations

import re
from urllib.parse import quote

_PARTS = re.compile(r"((?:[A-Za-z][A-Za-z0-9+.-]*:)?//[^/?#]*)?([^#]*)(#?)(.*)", re.DOTALL)
"""Scheme and authority, which alone may have brackets; path and query; and the fragment."""

_BARE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_MARKS = "!$&'()*+,;=:@/?%"
"""What stays as it is, beside letters, digits and `-._~`: the delimiters of §2.2, but "#" and the
brackets; and "%", because what is encoded already stays so."""


def uri_reference(location: str) -> str:
    """Return *location* with each character that RFC 3986 does not allow at its place
    percent-encoded in UTF-8.

    That makes no page of another: a backslash, which browsers read as a slash, is encoded too, and
    so are line ends. Raises UnicodeEncodeError for half of a surrogate pair.
    """
    found = _PARTS.fullmatch(_BARE_PERCENT.sub("%25", location))
    assert found is not None, "each part may be empty"
    authority, path, mark, fragment = found.groups()
    return (
        quote(authority or "", f"{_MARKS}[]") + quote(path, _MARKS) + mark + quote(fragment, _MARKS)
    )
