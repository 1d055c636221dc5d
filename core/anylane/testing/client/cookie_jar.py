"""CookieJar: the cookies that a browser would remember (RFC 6265 §5).

Time is the client's own clock, which may be virtual.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, MutableMapping
from dataclasses import dataclass
from datetime import UTC, datetime

from anylane.http.cookies import decoded

_MONTHS: tuple[str, ...] = tuple("jan feb mar apr may jun jul aug sep oct nov dec".split())

_DATE = re.compile(
    r"(\d{1,2})[ -]([a-z]{3})[a-z]*[ -](\d{2,4}) (\d{1,2}):(\d{2}):(\d{2})", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Cookie:
    """One cookie.

    value: as it was sent, quotes included (§5.2).
    expires: when it is forgotten, on the client's clock; None for the life of the client.
    """

    name: str
    value: str
    domain: str
    host_only: bool
    path: str
    secure: bool
    expires: float | None

    def goes_to(self, scheme: str, host: str, path: str) -> bool:
        """Return whether a request for this host and path gets it (§5.4)."""
        at_home = host == self.domain or (not self.host_only and host.endswith(f".{self.domain}"))
        # Path match, §5.1.4.
        below = path == self.path or path.startswith(self.path.rstrip("/") + "/")
        return at_home and below and (scheme == "https" or not self.secure)


class CookieJar(MutableMapping[str, str]):
    """Cookies by name. Those that a server has set go back to where they came from.

    Cookies that are set here by hand go everywhere. `Expires` is compared with the Date of the same
    response, so it works in virtual time.
    """

    def __init__(self, initial: Iterable[tuple[str, str]] = ()) -> None:
        self._own = dict(initial)
        self._cookies: dict[tuple[str, str, str], Cookie] = {}

    def header(self, scheme: str, host: str, path: str, now: float) -> dict[str, str]:
        """Return names and values for a request, the longest path first (§5.4)."""
        alive = [each for each in self._alive(now) if each.goes_to(scheme, host, path)]
        alive.sort(key=lambda cookie: -len(cookie.path))
        found: dict[str, str] = {}
        for cookie in alive:
            found.setdefault(cookie.name, cookie.value)
        return {**found, **self._own}

    def store(self, lines: Iterable[str], host: str, path: str, now: float, date: str) -> None:
        """Take in the Set-Cookie lines of a response. Malformed ones are ignored."""
        for line in lines:
            cookie = _parse(line, host, path, now, date)
            if cookie is None:
                continue
            key = (cookie.domain, cookie.path, cookie.name)
            self._cookies.pop(key, None)
            self._own.pop(cookie.name, None)
            if cookie.expires is None or cookie.expires > now:
                self._cookies[key] = cookie

    def _alive(self, now: float) -> list[Cookie]:
        """Drop the cookies that have expired, and return the others."""
        self._cookies = {
            key: each
            for key, each in self._cookies.items()
            if each.expires is None or each.expires > now
        }
        return list(self._cookies.values())

    def _all(self) -> dict[str, str]:
        return {**{each.name: decoded(each.value) for each in self._cookies.values()}, **self._own}

    def __getitem__(self, name: str) -> str:
        return self._all()[name]

    def __setitem__(self, name: str, value: str) -> None:
        self._own[name] = value

    def __delitem__(self, name: str) -> None:
        keys = [key for key in self._cookies if key[2] == name]
        if not keys and name not in self._own:
            raise KeyError(name)
        for key in keys:
            del self._cookies[key]
        self._own.pop(name, None)

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def __repr__(self) -> str:
        return f"CookieJar({self._all()!r})"


def _parse(line: str, host: str, path: str, now: float, date: str) -> Cookie | None:
    """Return the cookie of one Set-Cookie line (§5.2), or None if it is to be ignored."""
    pair, *attributes = line.split(";")
    name, equals, value = pair.partition("=")
    if not equals or not name.strip():
        return None
    given: dict[str, str] = {}
    for attribute in attributes:
        key, _, text = attribute.partition("=")
        given[key.strip().lower()] = text.strip()
    domain = given.get("domain", "").lower().lstrip(".")
    if domain and domain != host and not host.endswith(f".{domain}"):
        return None
    where = given.get("path", "")
    if not where.startswith("/"):
        where = path[: path.rfind("/")] or "/"  # The default path (§5.1.4).
    return Cookie(
        name.strip(),
        value.strip(),
        domain or host,
        not domain,
        where,
        "secure" in given,
        _expires(given, now, date),
    )


def _expires(given: dict[str, str], now: float, date: str) -> float | None:
    """Return when a cookie is forgotten, on the client's clock."""
    # Max-Age wins over Expires (§5.3).
    age = given.get("max-age", "")
    if re.fullmatch(r"-?\d+", age):
        return now + int(age)
    until, since = _seconds(given.get("expires", "")), _seconds(date)
    return None if until is None or since is None else now + until - since


def _seconds(text: str) -> float | None:
    """Return the Unix time of a date in one of the forms that servers use (§5.1.1)."""
    found = _DATE.search(text)
    if found is None or found[2].lower() not in _MONTHS:
        return None
    year = int(found[3])
    if year < 100:
        year += 1900 if year >= 70 else 2000
    month = _MONTHS.index(found[2].lower()) + 1
    try:
        day, hour, minute, second = (int(found[index]) for index in (1, 4, 5, 6))
        return datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp()
    except ValueError:
        return None
