"""Cookies: read leniently (RFC 6265 §5), written strictly (§4; RFC 6265bis, the draft that browsers
follow).

A value may be any text. What a cookie cannot hold is percent-encoded in UTF-8, as JavaScript's
`encodeURIComponent` does it, and decoded when it is read. What a client sent is never an error
here; what the application sets wrongly is a UsageError.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TypedDict
from urllib.parse import quote_from_bytes, unquote_to_bytes

from anylane.errors import MissingValue, UsageError
from anylane.http.headers import http_date
from anylane.http.urlencoded import MAX_FIELDS, percent_decoded
from anylane.http.values.reading import TypedReading
from anylane.shown import shown

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


MAX_SIZE = 4096
"""Octets of name and value together. Browsers drop a larger cookie (RFC 6265bis §5.7)."""

MAX_ATTRIBUTE = 1024
"""Octets of an attribute's value. Browsers ignore a larger one (RFC 6265bis §5.6)."""

# The quoted-string of RFC 2109, as http.cookies reads it. That module's own way takes the square of
# the length before Python 3.11.10 and 3.12.6 (CVE-2024-7592).
_ESCAPED = re.compile(r"\\(?:([0-3][0-7]{2})|(.))")

_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_PLAIN = "!#$&'()*+-./:<=>?@[]^_`{|}~"
"""The marks that stay as they are: the cookie-octets of RFC 6265 §4.1.1, but for "%"."""

_ATTRIBUTE = re.compile(r"[\x20-\x3a\x3c-\x7e]*")
_DOMAIN = re.compile(r"\.?[0-9A-Za-z_](?:[0-9A-Za-z_.-]*[0-9A-Za-z_])?")
_SAME_SITE = ("strict", "lax", "none")


class Cookies(dict[str, str], TypedReading):
    """The cookies of a request, by name. `[name]` raises MissingValue, which is an HTTPError 400
    and a KeyError, for one that the client has not sent."""

    location = "cookie"

    def __missing__(self, name: str) -> str:
        raise MissingValue(name, "cookie")


def parse_cookies(lines: Iterable[str]) -> Cookies:
    """Return the cookies of all Cookie headers, by name.

    A part that is no `name=value` is skipped and the others are kept: a browser sends what any
    application of the site has ever set, so one bad pair must not log its user out. Of several with
    one name the first counts, because clients put the longer path first (§5.4). Parts behind the
    first `MAX_FIELDS` are not looked at; browsers keep 180 cookies of a site at most.

    Only spaces and tabs are taken away around names and values. To take away any other byte would
    make `__Host-a` of a name that a neighbouring domain may set.
    """
    found = Cookies()
    left = MAX_FIELDS
    for line in lines:
        parts = line.split(";", left)[:left]
        left -= len(parts)
        for part in parts:
            name, equals, value = part.partition("=")
            name = name.strip(" \t")
            if equals and name and name not in found:
                found[name] = decoded(value.strip(" \t"))
    return found


def decoded(value: str) -> str:
    """Return the value that `set_cookie` was given, from the one on the wire.

    Others are read as their authors mean them: what is in quotes as RFC 2109 has it, bytes as UTF-8
    if they are that, else as Latin-1, and a percent sign that begins no escape as itself.

    value: the octets, decoded as Latin-1.
    """
    if len(value) >= 2 and value[0] == value[-1] == '"':
        value = _ESCAPED.sub(lambda each: chr(int(each[1], 8)) if each[1] else each[2], value[1:-1])
        octets = value.encode("latin-1")
    elif "%" in value:
        # The second way takes a microsecond for each escape.
        octets = (
            percent_decoded(value) if value.isascii() else unquote_to_bytes(value.encode("latin-1"))
        )
    elif value.isascii():
        return value
    else:
        octets = value.encode("latin-1")
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        return value


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
    if _NAME.fullmatch(name) is None:
        raise UsageError(f"cookie name is {name!r:.80}; expected a token (RFC 9110 §5.6.2)")
    if not isinstance(value, str):
        raise UsageError(f"the value of cookie {name} is {shown(value)}; expected a str")
    try:
        pair = f"{name}={quote_from_bytes(value.encode('utf-8'), _PLAIN)}"
    except UnicodeEncodeError:
        raise UsageError(f"the value of cookie {name} has half of a surrogate pair") from None
    if len(pair) - 1 > MAX_SIZE:
        raise UsageError(
            f"cookie {name} has {len(pair) - 1} octets with its name, percent-encoded; browsers "
            f"drop one of more than {MAX_SIZE}. Keep the value on the server, and its key here"
        )
    if isinstance(expires, datetime):
        expires = http_date(expires)
    if samesite is not None and samesite.lower() not in _SAME_SITE:
        raise UsageError(f"samesite is {samesite!r}; expected 'strict', 'lax' or 'none'")
    given = {
        "Domain": domain or None,
        "Expires": expires,
        "HttpOnly": httponly,
        "Max-Age": None if max_age is None else str(int(max_age)),
        "Path": path or None,
        "SameSite": None if samesite is None else samesite.capitalize(),
        "Secure": secure,
        "Partitioned": partitioned,
    }
    for key, text in given.items():
        if isinstance(text, str) and (
            _ATTRIBUTE.fullmatch(text) is None or len(text) > MAX_ATTRIBUTE
        ):
            raise UsageError(
                f"the {key} of cookie {name} is {text!r:.80}; expected ASCII without ';', at most "
                f"{MAX_ATTRIBUTE} octets"
            )
    if domain and _DOMAIN.fullmatch(domain) is None:
        raise UsageError(
            f"the Domain of cookie {name} is {domain!r:.80}; expected a name as 'example.com', "
            "without a port, in ASCII"
        )
    _check_together(name, given)
    parts = [pair]
    for key, text in given.items():
        if text is True:
            parts.append(key)
        elif isinstance(text, str):
            parts.append(f"{key}={text}")
    return "; ".join(parts)


def _check_together(name: str, given: Mapping[str, str | bool | None]) -> None:
    """Raise UsageError for attributes that need others, and for a name that does (RFC 6265bis
    §4.1.3; `__Http-` as browsers have it). Browsers drop such a cookie without a word."""
    needs: list[tuple[str, str, bool]] = [
        ("samesite='none'", "secure=True", given["SameSite"] == "None" and not given["Secure"]),
        ("partitioned=True", "secure=True", bool(given["Partitioned"] and not given["Secure"])),
    ]
    prefix = next((each for each in _PREFIXES if name.lower().startswith(each.lower())), None)
    if prefix is not None:
        on_host = prefix.startswith("__Host-")
        needs += [
            (prefix, "secure=True", not given["Secure"]),
            (prefix, "path='/'", on_host and given["Path"] != "/"),
            (prefix, "no domain", on_host and given["Domain"] is not None),
            (prefix, "httponly=True", prefix.endswith("Http-") and not given["HttpOnly"]),
        ]
    for what, need, is_missing in needs:
        if is_missing:
            raise UsageError(
                f"cookie {name}: {what} needs {need}; without it browsers drop the cookie"
            )


_PREFIXES = ("__Host-Http-", "__Host-", "__Http-", "__Secure-")
"""Names that promise attributes. Browsers match them in any case."""
