"""Cookies: read leniently, written strictly (RFC 6265 §5 and §4)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from http.cookies import CookieError, SimpleCookie
from typing import TypedDict

from anylane.errors import UsageError
from anylane.http.headers import http_date

CookieKey = tuple[str, str | None, str | None]
"""Name, domain and path: what makes a client take one cookie for the successor of another."""


class CookieScope(TypedDict, total=False):
    """Where a client sends a cookie, and who may read it."""

    path: str | None
    """'/' if not given; None is the directory of the request's path (RFC 6265 §5.1.4)."""
    domain: str | None
    """Of the hosts that get it; None is this host alone."""
    secure: bool
    """Over TLS only."""
    httponly: bool
    """Out of reach for scripts."""
    samesite: str | None
    """'strict', 'lax' (if not given) or 'none', which needs `secure`."""
    partitioned: bool
    """Kept apart for each site that embeds this one; needs `secure`."""


class CookieOptions(CookieScope, total=False):
    """What `set_cookie` takes by keyword. Without max_age and expires the cookie lasts as long as
    the browser's session."""

    max_age: int | None
    """In seconds."""
    expires: datetime | str | None
    """A datetime is UTC if it has no zone."""


# RFC 2109's quoted-string as http.cookies has it, which takes the square of the length before
# Python 3.11.10 and 3.12.6 (CVE-2024-7592).
_ESCAPED = re.compile(r"\\(?:([0-3][0-7]{2})|(.))")


_ATTRIBUTE = re.compile(r"[\x20-\x3a\x3c-\x7e]*")


_SAME_SITE = ("strict", "lax", "none")


def parse_cookies(lines: Iterable[str]) -> dict[str, str]:
    """The cookies of all Cookie headers.

    A part that is no `name=value` is skipped and the others are kept: a browser sends whatever
    any application of the site has ever set, so one bad pair must not log its user out. Of
    several with one name the first counts: clients put the longer path first (§5.4).
    """
    found: dict[str, str] = {}
    for line in lines:
        for part in line.split(";"):
            name, equals, value = part.partition("=")
            name = name.strip()
            if equals and name and name not in found:
                found[name] = unquoted(value.strip())
    return found


def unquoted(value: str) -> str:
    """What `set_cookie` was given, of what is on the wire."""
    if len(value) < 2 or value[0] != '"' or value[-1] != '"':
        return value
    return _ESCAPED.sub(lambda each: chr(int(each[1], 8)) if each[1] else each[2], value[1:-1])


def cookie_line(
    name: str,
    value: str,
    *,
    max_age: int | None = None,
    expires: datetime | str | None = None,
    path: str | None = "/",
    domain: str | None = None,
    secure: bool = False,
    httponly: bool = False,
    samesite: str | None = "lax",
    partitioned: bool = False,
) -> str:
    """The value of a Set-Cookie header. Raises UsageError for what browsers would drop."""
    crumbs: SimpleCookie = SimpleCookie()
    try:
        crumbs[name] = value
    except CookieError as exc:
        raise UsageError(f"cookie name is {name!r}: {exc}") from None
    morsel = crumbs[name]
    if max_age is not None:
        morsel["max-age"] = str(int(max_age))
    if expires is not None:
        morsel["expires"] = expires if isinstance(expires, str) else http_date(expires)
    if samesite is not None:
        if samesite.lower() not in _SAME_SITE:
            raise UsageError(f"samesite is {samesite!r}; expected 'strict', 'lax' or 'none'")
        if samesite.lower() == "none" and not secure:
            raise UsageError("samesite='none' needs secure=True: browsers drop the cookie else")
        morsel["samesite"] = samesite.capitalize()
    for key, text in (("path", path), ("domain", domain), ("expires", morsel["expires"])):
        if text is not None and _ATTRIBUTE.fullmatch(text) is None:
            raise UsageError(f"the {key} of cookie {name} is {text!r}; expected ASCII without ';'")
    morsel["path"] = path or ""
    morsel["domain"] = domain or ""
    morsel["secure"] = secure
    morsel["httponly"] = httponly
    if partitioned and not secure:
        raise UsageError("partitioned=True needs secure=True: browsers drop the cookie else")
    line = morsel.OutputString()
    # http.cookies knows the attribute from Python 3.14 on.
    return f"{line}; Partitioned" if partitioned else line
