"""CORS: which pages of other origins may send requests, and read the answers (Fetch §3.2).

It protects no server: what a page may not read it may still send, as a form always could. It only
tells browsers what they may hand to scripts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from anylane.callables import is_coroutine_function, location, signature_problem
from anylane.config.web_origin import ANY, web_origin
from anylane.errors import UsageError
from anylane.http.semantics.vary import add_vary
from anylane.middleware.preflight import is_preflight
from anylane.protocol.fields import is_token
from anylane.routing.hooks import STOP, Stop
from anylane.shown import shown

if TYPE_CHECKING:
    from anylane.handling.context import Context
    from anylane.http.request import Request

Origins = Iterable["str | re.Pattern[str]"] | re.Pattern[str] | Callable[[str], bool]
"""What `CORS` takes as origins."""

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
"""The methods that pages may use by default: all that routes commonly answer."""

HEADERS = (
    "accept",
    "accept-language",
    "authorization",
    "content-language",
    "content-type",
    "if-match",
    "if-none-match",
    "range",
    "x-csrf-token",
    "x-requested-with",
)
"""The headers that pages may send by default: what scripts commonly set."""

_PROBES = ("https://any-site.invalid", "http://xn--any.other-site.invalid:8080")
"""No list has these. A pattern that matches both matches every page."""

_NAMES = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+(?:[ \t]*,[ \t]*[!#$%&'*+\-.^_`|~0-9A-Za-z]+)*")


class CORS:
    """Lets pages of other origins send requests and read the answers.

    Preflights are answered here and come to no handler. Every other answer, errors too, gets the
    headers that let the page read it, unless a handler has set Access-Control-Allow-Origin itself.
    Browsers do not apply CORS to WebSockets, and neither does this: see `origins=` of
    `app.websocket`.

    origins: a list of origins, such as "https://app.example.com", and compiled patterns, which have
        to match an origin as a whole; one pattern; or a function that takes the origin and returns
        True or False, on the event loop, so it must not block. ["*"] lets every page in.
    credentials: whether browsers may send cookies and the like, and show the answer to the page.
    headers, methods: what pages may send; ["*"] stands for all.
    expose: the headers of answers that a script may read, beside the few that it always may.
    max_age: seconds for which a browser may remember the answer to a preflight.
    private_network: whether pages of the public internet may reach this server in a private network
        (https://wicg.github.io/private-network-access).

    Raise UsageError for an origin that no browser sends, and for what would let every page in with
    credentials.
    """

    name = "CORS"
    answers_preflights = True

    def __init__(  # noqa: PLR0917  # the order in which the documentation lists them
        self,
        origins: Origins,
        credentials: bool = False,
        headers: Iterable[str] = HEADERS,
        methods: Iterable[str] = METHODS,
        expose: Iterable[str] = (),
        max_age: int = 86400,
        *,
        private_network: bool = False,
    ) -> None:
        _check_flag("credentials", credentials)
        _check_flag("private_network", private_network)
        if type(max_age) is not int or max_age < 0:
            raise UsageError(f"max_age of CORS is {shown(max_age)}; expected seconds, 0 or more")
        self._credentials = credentials
        self._allows, self._any = _allowed(origins, credentials=credentials)
        self._headers, self._any_header = _list_of("headers", headers)
        methods = [each.upper() for each in _many("methods", methods)]
        self._methods, self._any_method = _list_of("methods", methods)
        exposed, any_exposed = _list_of("expose", expose)
        if any_exposed and credentials:
            raise UsageError(
                "expose of CORS is '*', which browsers do not understand with credentials; list "
                "the headers"
            )
        self._exposed = "*" if any_exposed else exposed
        self._max_age = str(max_age)
        self._private_network = private_network
        asked = ["Origin", "Access-Control-Request-Method", "Access-Control-Request-Headers"]
        if private_network:
            asked.append("Access-Control-Request-Private-Network")
        self._preflight_vary = tuple(asked)

    def request(self, ctx: Context) -> Stop | None:
        """Answer a preflight; let any other request pass."""
        if not is_preflight(ctx):
            return None
        request, response = ctx.request, ctx.response
        if self._origin_of(request) is None:
            response.set_status(403).set_text("403 Forbidden: CORS: this origin is not allowed\n")
            return STOP
        asked = request.headers
        response.set_status(204)
        methods = self._methods
        if self._any_method and is_token(asked["access-control-request-method"]):
            methods = asked["access-control-request-method"]
        response.set_header("access-control-allow-methods", methods)
        headers = self._headers
        if self._any_header:
            wanted = ",".join(asked.get_all("access-control-request-headers"))
            headers = wanted if _NAMES.fullmatch(wanted) else ""
        if headers:
            response.set_header("access-control-allow-headers", headers)
        if self._private_network and asked.get("access-control-request-private-network") == "true":
            response.set_header("access-control-allow-private-network", "true")
        response.set_header("access-control-max-age", self._max_age)
        return STOP

    def response(self, ctx: Context) -> None:
        """Let the page read the answer, where its origin is allowed."""
        response = ctx.response
        if response.status == 101:
            return
        preflight = is_preflight(ctx)
        headers = response.headers
        if preflight:
            add_vary(headers, *self._preflight_vary)
        elif not self._any:
            # Where the request has no Origin, too: a cache may keep that answer for one that has.
            add_vary(headers, "Origin")
        if headers.get("access-control-allow-origin") is not None:
            return
        origin = self._origin_of(ctx.request)
        if origin is None:
            return
        headers.set("access-control-allow-origin", origin)
        if self._credentials:
            headers.set("access-control-allow-credentials", "true")
        if self._exposed and not preflight:
            headers.set("access-control-expose-headers", self._exposed)

    def _origin_of(self, request: Request) -> str | None:
        """Return what Access-Control-Allow-Origin is for a request; None where it is missing."""
        origins = request.headers.get_all("origin")
        if len(origins) != 1:
            return None
        if self._any:
            return ANY
        origin = origins[0]
        # Every page can have the origin "null", in a sandboxed frame.
        return origin if origin != "null" and self._allows(origin) else None


def _allowed(origins: object, *, credentials: bool) -> tuple[Callable[[str], bool], bool]:
    """Return what tells whether an origin is allowed, and whether all are."""
    if isinstance(origins, re.Pattern):
        origins = (origins,)
    if isinstance(origins, str):
        raise UsageError(f"origins of CORS is {shown(origins)}; write [{shown(origins)}]")
    if callable(origins):
        return _asking(origins), False
    if not isinstance(origins, Iterable):
        raise UsageError(
            f"origins of CORS is {shown(origins)}; expected a list such as "
            "['https://app.example.com'], a compiled pattern or a function"
        )
    listed: set[str] = set()
    patterns: list[re.Pattern[str]] = []
    for each in origins:
        if isinstance(each, re.Pattern):
            patterns.append(_checked(each, credentials=credentials))
        elif isinstance(each, str):
            try:
                listed.add(web_origin(each))
            except ValueError as exc:
                raise UsageError(f"origins of CORS has {exc}") from None
        else:
            raise UsageError(
                f"origins of CORS has {shown(each)}; expected a str or a compiled pattern"
            )
    if not listed and not patterns:
        raise UsageError("origins of CORS is empty, so it would let no page in; leave CORS out")
    if ANY in listed:
        if credentials:
            raise UsageError(
                "CORS has origins=['*'] and credentials=True: every page could act as its visitor, "
                "and browsers refuse that; list the origins"
            )
        return listed.__contains__, True
    if not patterns:
        return listed.__contains__, False
    return lambda origin: origin in listed or any(p.fullmatch(origin) for p in patterns), False


def _checked(pattern: re.Pattern[str], *, credentials: bool) -> re.Pattern[str]:
    if not isinstance(pattern.pattern, str):
        raise UsageError(f"origins of CORS has {shown(pattern)}; expected a pattern of str")
    if credentials and all(pattern.fullmatch(each) for each in _PROBES):
        raise UsageError(
            f"origins of CORS has {shown(pattern)}, which matches every page, with "
            "credentials=True: every page could act as its visitor; name the hosts"
        )
    return pattern


def _asking(func: Callable[..., object]) -> Callable[[str], bool]:
    """Return a function that asks the user's and insists on True or False."""
    if is_coroutine_function(func):
        raise UsageError(
            f"origins of CORS is {location(func)}, an `async def`; expected a `def` that does not "
            "block"
        )
    if problem := signature_problem(func, "(origin)"):
        raise UsageError(f"{location(func)}, given to CORS as origins, {problem}")

    def allows(origin: str) -> bool:
        found = func(origin)
        if found is not True and found is not False:
            raise UsageError(
                f"{location(func)}, given to CORS as origins, returned {shown(found)}; expected "
                "True or False"
            )
        return found

    return allows


def _many(name: str, given: object) -> list[str]:
    """Return a list of str. Raise UsageError for anything else."""
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise UsageError(f"{name} of CORS is {shown(given)}; write [{shown(given)}]")
    found = list(given)
    for each in found:
        if not isinstance(each, str) or not is_token(each):
            raise UsageError(f"{name} of CORS has {shown(each)}; expected a name such as 'x-token'")
    return found


def _list_of(name: str, given: object) -> tuple[str, bool]:
    """Return names as a header lists them, and whether "*" is among them."""
    found = _many(name, given)
    return ", ".join(dict.fromkeys(found)), "*" in found


def _check_flag(name: str, given: object) -> None:
    if not isinstance(given, bool):
        raise UsageError(f"{name} of CORS is {shown(given)}; expected True or False")
