"""Cookies: read leniently (RFC 6265 §5), written strictly (§4).

What a client sent is never an error here; what the application sets wrongly is a UsageError.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from http.cookies import CookieError, SimpleCookie
from typing import TypedDict

from anylane.errors import MissingValue, UsageError
from anylane.http.headers import http_date

CookieKey = tuple[str, str | None, str | None]
"""Name, domain and path: with all three equal, a client replaces one cookie by another."""


class CookieScope(TypedDict, total=False):
    """Where a client sends a cookie, and what may read it."""

    path: str | None
    """Paths that get it: '/' if not given. None stands for the directory of the request's path (RFC
    6265 §5.1.4)."""
    domain: str | None
    """The domain whose hosts get it. None stands for this host alone."""
    secure: bool
    """Send it over TLS only."""
    httponly: bool
    """Keep it out of reach of scripts."""
    samesite: str | None
    """'strict', 'lax' (if not given) or 'none', which needs `secure`."""
    partitioned: bool
    """Keep it apart for each site that embeds this one. Needs `secure`."""


class CookieOptions(CookieScope, total=False):
    """What `set_cookie` takes by keyword.

    Without `max_age` and `expires` the cookie lasts as long as the browser's session.
    """

    max_age: int | None
    """Seconds until it is forgotten."""
    expires: datetime | str | None
    """When it is forgotten. A datetime without a time zone is taken for UTC."""


# The quoted-string of RFC 2109, as http.cookies reads it. That module's own way takes the square of
# the length before Python 3.11.10 and 3.12.6 (CVE-2024-7592).
_ESCAPED = re.compile(r"\\(?:([0-3][0-7]{2})|(.))")

_ATTRIBUTE = re.compile(r"[\x20-\x3a\x3c-\x7e]*")
_SAME_SITE = ("strict", "lax", "none")


class Cookies(dict[str, str]):
    """The cookies of a request, by name. `[name]` raises MissingValue, which is an HTTPError 400
    and a KeyError, for one that the client has not sent."""

    def __missing__(self, name: str) -> str:
        raise MissingValue(name, "cookie")


def parse_cookies(lines: Iterable[str]) -> Cookies:
    """Return the cookies of all Cookie headers, by name.

    A part that is no `name=value` is skipped and the others are kept: a browser sends what any
    application of the site has ever set, so one bad pair must not log its user out. Of several with
    one name the first counts, because clients put the longer path first (§5.4).
    """
    found = Cookies()
    for line in lines:
        for part in line.split(";"):
            name, equals, value = part.partition("=")
            name = name.strip()
            if equals and name and name not in found:
                found[name] = unquoted(value.strip())
    return found


def unquoted(value: str) -> str:
    """Return the value that `set_cookie` was given, from the one on the wire."""
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
    """Return the value of a Set-Cookie header (RFC 6265 §4.1.1).

    Raises UsageError for a name, value or attribute with which a browser would drop the cookie.
    """
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
            raise UsageError(
                "samesite='none' needs secure=True: without it browsers drop the cookie"
            )
        morsel["samesite"] = samesite.capitalize()
    for key, text in (("path", path), ("domain", domain), ("expires", morsel["expires"])):
        if text is not None and _ATTRIBUTE.fullmatch(text) is None:
            raise UsageError(f"the {key} of cookie {name} is {text!r}; expected ASCII without ';'")
    morsel["path"] = path or ""
    morsel["domain"] = domain or ""
    morsel["secure"] = secure
    morsel["httponly"] = httponly
    if partitioned and not secure:
        raise UsageError("partitioned=True needs secure=True: without it browsers drop the cookie")
    line = morsel.OutputString()
    # http.cookies knows this attribute from Python 3.14 on only.
    return f"{line}; Partitioned" if partitioned else line
