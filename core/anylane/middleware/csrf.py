"""CSRF: refuses what another site has its visitors' browsers send with their cookies.

Browsers say where a request comes from: Sec-Fetch-Site, since 2023 in all of them, and Origin.
Where both are missing, as from a browser of before 2020, a token decides, which only our own pages
know.
"""

from __future__ import annotations

import hmac
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from anylane.callables import is_coroutine_function, location, signature_problem
from anylane.errors import HTTPError, RouteError, UsageError
from anylane.http.cookies import CookieScope, cookie_line
from anylane.http.parameters import split_parameters
from anylane.http.semantics.vary import add_vary
from anylane.middleware.sessions.session_mapping import CSRF_KEY, Session
from anylane.protocol.fields import check_header
from anylane.routing.documentation import PartDocumentation
from anylane.routing.origins import SAME_ORIGIN, Origins, is_from, parse_origins
from anylane.shown import shown

if TYPE_CHECKING:
    from anylane.handling.context import Context
    from anylane.http.request import Request
    from anylane.lane.link import Link

_SAFE = frozenset(("GET", "HEAD", "OPTIONS", "TRACE"))
"""Methods that change nothing (RFC 9110 §9.2.1)."""

_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")

SIZE = 32
"""Random bytes of a secret."""

_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")
"""That many bytes in base64url."""

_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}(?:[A-Za-z0-9_-]{43})?")
"""A secret alone, or behind its mask."""


class CSRF:
    """Refuses requests of other sites' pages with 403, if their method may change something, and
    all WebSocket handshakes of theirs.

    `ctx.state.csrf_token` is the token for a form: read it before the answer's head goes out.
    Behind `Sessions` it belongs to the session, else to a cookie of its own.

    trusted_origins: other sites whose pages may send requests, such as 'https://admin.example.com';
        None stands for WebSocket clients that send no Origin, which no browser is.
    exempt: `(ctx)`, a `def`, which returns whether a request passes unchecked, such as one with an
        Authorization header that no browser adds by itself.
    header, field: where a token is looked for: a header, else a field of a form.
    cookie: the name of the cookie. Over TLS `__Host-` stands in front.
    """

    name = "CSRF"

    def __init__(
        self,
        *,
        trusted_origins: Iterable[str | None] = (),
        exempt: Callable[[Context], object] | None = None,
        header: str = "x-csrf-token",
        field: str = "csrf_token",
        cookie: str = "csrf",
    ) -> None:
        self._trusted = _trusted(trusted_origins)
        self._handshakes = self._trusted | {SAME_ORIGIN}
        if exempt is not None:
            _check_exempt(exempt)
        self._exempt = exempt
        check_header(header, "")
        if not isinstance(field, str) or not field:  # type: ignore[redundant-expr]
            raise UsageError(f"field is {shown(field)}; expected the name of a form's field")
        cookie_line(f"__Host-{cookie}", "", **_scope(secure=True))
        self._header = header.lower()
        self._field = field
        self._cookie = cookie

    def documentation(self, method: str) -> PartDocumentation | None:
        """Return what is said about it in the OpenAPI description of an operation."""
        if method in _SAFE:
            return None
        return PartDocumentation(responses={403: "The page that asks is of another site."})

    async def request(self, ctx: Context) -> None:
        """Let a request pass, or raise HTTPError 403."""
        request = ctx.request
        session = getattr(ctx, "_session", None)
        token = Token(self._cookie, request, ctx.link, session)
        ctx.state._csrf = token
        ctx.state.offer("csrf_token", token.masked)
        is_handshake = ctx.route is not None and ctx.route.websocket
        if request.method in _SAFE and not is_handshake:
            return
        if self._exempt is not None and self._exempt(ctx):
            return
        if is_handshake:
            if not is_from(self._handshakes, request) or _is_downgraded(request):
                raise HTTPError(403, "the page that opens this WebSocket is of another site")
        elif not self._comes_from_here(request):
            given = await self._given(request)
            if not given:
                raise HTTPError(
                    403, "the CSRF token is missing, and the browser does not say which page asks"
                )
            if not token.matches(given):
                raise HTTPError(403, "the CSRF token is wrong, or its cookie is missing")

    def response(self, ctx: Context) -> None:
        """Send the cookie of a token that was made, and keep its page out of shared caches."""
        state = ctx._state
        token = None if state is None else vars(state).get("_csrf")
        if not isinstance(token, Token):
            return
        token.closed = True
        if not token.used or ctx.response.status == 101:
            return
        add_vary(ctx.response.headers, "Cookie")
        ctx.response.headers.default("cache-control", "private")
        if token.fresh is not None:
            secure = ctx.request.scheme == "https"
            ctx.response.set_cookie(token.cookie, token.fresh, **_scope(secure=secure))

    def _comes_from_here(self, request: Request) -> bool:
        """Return whether the browser says that our own page, or a trusted one, asks. Return False
        if it says nothing, and raise HTTPError 403 if it says that another one does."""
        sites = request.headers.get_all("sec-fetch-site")
        if sites in (["same-origin"], ["none"]):  # "none": the user alone (Fetch Metadata §2.3).
            return True
        if "origin" in request.headers:
            # What Sec-Fetch-Site calls foreign is not taken for ours by the name of its host.
            origins = self._trusted if sites else self._handshakes
            if is_from(origins, request) and not (_is_downgraded(request) and not sites):
                return True
        elif not sites:
            return False
        raise HTTPError(403, "the page that asks is of another site")

    async def _given(self, request: Request) -> str:
        """Return the token of a request, or "". The body stays readable for the handler."""
        given = request.headers.get(self._header)
        if given is not None:
            return given
        kind = split_parameters(request.headers.get("content-type") or "")[0].lower()
        if kind not in _FORMS:
            return ""
        # Whole first: a form that is read from the stream would leave nothing for `body`.
        await request.body()
        value = (await request.form()).get(self._field)
        return value if isinstance(value, str) else ""


class Token:
    """The token of one request, made when it is first asked for.

    cookie: the name of the cookie. fresh: a new value for it, or None. used: whether the token was
    read. closed: whether the answer's head is out.
    """

    __slots__ = ("_link", "_request", "_session", "closed", "cookie", "fresh", "used")

    def __init__(self, cookie: str, request: Request, link: Link, session: object) -> None:
        self.cookie: str = f"__Host-{cookie}" if request.scheme == "https" else cookie
        self.fresh: str | None = None
        self.used: bool = False
        self.closed: bool = False
        self._request = request
        self._link = link
        self._session = session if isinstance(session, Session) else None

    def masked(self) -> str:
        """Return the token for a page. It differs each time: a compressed page must not tell, by
        its length, how much of a guess is right (the BREACH attack)."""
        secret = self._secret()
        if secret is None:
            secret = self._fresh()
        self.used = True
        mask, data = self._link.host.token(SIZE), _bytes(secret)
        return _text(mask) + _text(_xor(mask, data))

    def matches(self, given: str) -> bool:
        """Return whether a token was made from this client's secret. In constant time."""
        secret = self._secret()
        if secret is None or not _TOKEN.fullmatch(given):
            return False
        data = _bytes(given[-43:])
        if len(given) > 43:
            data = _xor(_bytes(given[:43]), data)
        return hmac.compare_digest(data, _bytes(secret))

    def _secret(self) -> str | None:
        if self.fresh is not None:
            return self.fresh
        if self._session is not None:
            found = self._session.get(CSRF_KEY)
        else:
            found = self._request.cookies.get(self.cookie)
        return found if isinstance(found, str) and _SECRET.fullmatch(found) else None

    def _fresh(self) -> str:
        secret = _text(self._link.host.token(SIZE))
        if self._session is not None:
            self._session[CSRF_KEY] = secret
        elif self.closed:
            raise UsageError(
                "ctx.state.csrf_token is read for the first time after the head of the answer went "
                "out, so that its cookie cannot be set; read it before"
            )
        else:
            self.fresh = secret
        return secret


def _trusted(origins: Iterable[str | None]) -> Origins:
    given = origins if isinstance(origins, str) else list(origins)
    if not given:
        return frozenset()
    try:
        found = parse_origins(given, "CSRF")
    except RouteError as exc:
        raise UsageError(f"trusted_{exc}") from None
    if found & {"null", SAME_ORIGIN}:
        raise UsageError(
            "trusted_origins has 'null' or 'same-origin': the first is the origin of any page in "
            "a sandbox, the second is trusted anyway; leave it out"
        )
    return found


def _check_exempt(exempt: object) -> None:
    if not callable(exempt):
        raise UsageError(f"exempt is {shown(exempt)}; expected a function (ctx)")
    if is_coroutine_function(exempt):
        raise UsageError(
            f"{location(exempt)} is an `async def`, which would always count as true; write `def`"
        )
    if problem := signature_problem(exempt, "(ctx)"):
        raise UsageError(f"the function {location(exempt)}, exempt of CSRF, {problem}")


def _is_downgraded(request: Request) -> bool:
    """Return whether a page without TLS sends this over TLS: then another one may have written the
    page on its way."""
    origin = request.headers.get("origin") or ""
    return request.scheme == "https" and origin[:5].lower() == "http:"


def _scope(*, secure: bool) -> CookieScope:
    return {"secure": secure, "httponly": True, "samesite": "lax", "path": "/"}


def _text(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _bytes(text: str) -> bytes:
    return urlsafe_b64decode(text + "=")


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))
