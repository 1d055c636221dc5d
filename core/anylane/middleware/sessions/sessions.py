"""Sessions: gives each client a session, in a signed cookie or in a store.

A signed cookie cannot be changed by its client, but it can be read, and it cannot be called back
before its time is over. A store can do both, and holds more.
"""

from __future__ import annotations

import hashlib
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Awaitable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from anylane.errors import UsageError
from anylane.http.cookies import CookieScope, cookie_line
from anylane.http.semantics.vary import add_vary
from anylane.middleware.csrf import CSRF
from anylane.middleware.sessions.session_mapping import Session
from anylane.middleware.sessions.session_store import SessionStore
from anylane.middleware.sessions.signing import MAX_SIGNED, Signer
from anylane.routing.parts import parts_of
from anylane.shown import shown

if TYPE_CHECKING:
    from anylane.handling.context import Context
    from anylane.http.request import Request
    from anylane.lane.link import Link
    from anylane.routing.route import Route

TWO_WEEKS = 14 * 24 * 60 * 60
"""Seconds that a session lasts: as in Django and Starlette."""

MAX_STORED = 64 * 1024
"""Bytes of a session in a store. It is read and written whole with each request."""

MAX_AGE = 400 * 24 * 60 * 60
"""Seconds that a session may last: browsers keep no cookie longer (RFC 6265bis §5.5)."""

_KEY_SIZE = 32
"""Random bytes of a key in a store, so that none can be guessed."""

_NAME = re.compile(r"(?!__)[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,64}")


class Sessions:
    """Sets `ctx.session`, a mapping that is the same client's at its next request.

    secret: signs the cookie: a str or bytes of 32 bytes or more, or a list of them, of which the
        first signs and all are taken, so that a secret can be replaced.
    max_age: seconds until a session ends, counted from when its cookie was last set.
    cookie: its name. Over TLS `__Host-` stands in front, so that no other host of the domain can
        set it.
    store: keeps the values on the server, such as `MemoryStore()`; without it they are in the
        cookie, where the client can read them, up to 4 KiB.
    secure: whether the cookie is for TLS only. None: if the request came over TLS, so that it works
        on http://localhost. Behind a proxy that ends TLS set True, or `ServerConfig.proxy_headers`.
    samesite: "lax", "strict" or "none" (which needs `secure=True`).
    path, domain: where the client sends the cookie. With others than these there is no `__Host-`.

    Raise UsageError for secrets that are too short, and for options that cannot be right.
    """

    name = "Sessions"

    def __init__(
        self,
        secret: str | bytes | Iterable[str | bytes],
        max_age: int = TWO_WEEKS,
        *,
        cookie: str = "session",
        store: SessionStore | None = None,
        secure: bool | None = None,
        samesite: str = "lax",
        path: str = "/",
        domain: str | None = None,
    ) -> None:
        given: Any = cookie
        if not isinstance(given, str) or not _NAME.fullmatch(given):
            raise UsageError(
                f"the cookie of Sessions is {shown(cookie)}; expected a name of 1 to 64 characters "
                "without __Host- and __Secure-, which are put before it over TLS"
            )
        # A float would make a cookie that browsers drop, and True one of a second.
        if type(max_age) is not int or not 0 < max_age <= MAX_AGE:
            raise UsageError(f"max_age is {shown(max_age)}; expected seconds, 1 to {MAX_AGE}")
        if samesite not in ("lax", "strict", "none"):
            raise UsageError(f"samesite is {shown(samesite)}; expected 'lax', 'strict' or 'none'")
        if samesite == "none" and secure is not True:
            raise UsageError("samesite='none' needs secure=True; browsers drop the cookie else")
        if secure not in (None, True, False):
            raise UsageError(f"secure is {shown(secure)}; expected True, False or None")
        if store is not None and not isinstance(store, SessionStore):
            raise UsageError(
                f"store is {shown(store)}; expected an object with the methods of SessionStore: "
                "get(key), set(key, value, ttl) and delete(key), each an `async def`"
            )
        self._signer = Signer(
            secret, f"anylane.sessions.{'data' if store is None else 'key'}.{cookie}"
        )
        self._max_age = max_age
        self._store = store
        self._secure = secure
        self._samesite = samesite
        self._path = path
        self._domain = domain
        self._cookie = cookie
        on_host = path == "/" and domain is None
        self._secure_cookie = f"{'__Host-' if on_host else '__Secure-'}{cookie}"
        cookie_line(self._secure_cookie, "", **self._scope(secure=True))  # Raises for bad ones.

    # -- for the pipeline ------------------------------------------------------------------------

    def request(self, ctx: Context) -> Awaitable[None] | None:
        """Set `ctx.session`. Without a store nothing is read until it is looked at."""
        if self._own(ctx) is not None:
            return None  # It is on the app and on a router of it, for one.
        if self._store is None:
            link = ctx.link
            self._begin(ctx, Session(self, partial(self._data, ctx.request, link)))
            return None
        return self._fetch(ctx, self._store)

    def response(self, ctx: Context) -> Awaitable[None] | None:
        """Send the session with the answer, if it was changed, and close it."""
        session = self._own(ctx)
        if session is None or session.closed is not None:
            return None
        response = ctx.response
        if session.touched and response.status != 101:
            add_vary(response.headers, "Cookie")
        if not session.touched or (response.status or 200) >= 500:
            # What has failed halfway is not kept.
            self._close(session)
            return None
        data = session.changed()
        if data is None:
            self._close(session)
            return None
        if self._store is not None:
            return self._send_key(ctx, session, self._store, data)
        value = ""
        if len(session):
            encoded = urlsafe_b64encode(data).rstrip(b"=")
            value = self._signer.sign(encoded, ctx.time())
        self._set_cookie(ctx, value)
        self._close(session)
        return None

    def check_routes(self, routes: list[Route]) -> list[str]:
        """Return a warning for WebSockets that every page may open with its visitor's session, and
        for a `CSRF` that stands in front."""
        return self._behind(routes) + [
            f"Sessions: every page may open the WebSocket {route.pattern.text} ({route.where}) "
            "with the session of its visitor; give it origins=['same-origin'], or "
            "app.use(CSRF())"
            for route in routes
            if route.websocket
            and route.origins is None
            and not any(isinstance(part, CSRF) for part in parts_of(route))
        ]

    def _behind(self, routes: list[Route]) -> list[str]:
        """Return a warning for the first route whose `CSRF` has no session yet."""
        for route in routes:
            parts = list(parts_of(route))
            if any(isinstance(part, CSRF) for part in parts[: parts.index(self)]):
                line = (
                    f"CSRF stands in front of Sessions at {route.pattern.text} ({route.where}), so "
                    "its token does not belong to the session, and a new session keeps it; use "
                    "Sessions first"
                )
                return [line]
        return []

    def _own(self, ctx: Context) -> Session | None:
        """Return the session that this part gave a request, also where another one has put its own
        in front: that of a mounted App, for one. None if it gave none."""
        session = getattr(ctx, "_session", None)
        while isinstance(session, Session) and session.owner is not self:
            session = session.outer
        return session if isinstance(session, Session) else None

    @staticmethod
    def _begin(ctx: Context, session: Session) -> None:
        session.outer = getattr(ctx, "_session", None)
        ctx.session = session

    # -- the two ways ----------------------------------------------------------------------------

    def _data(self, request: Request, link: Link) -> bytes | None:
        """Return the values that a client has sent; None if there are none that are good."""
        encoded = self._unsigned(request, link)
        if encoded is None:
            return None
        try:
            return urlsafe_b64decode(encoded + b"=" * (-len(encoded) % 4))
        except ValueError:
            return None

    async def _fetch(self, ctx: Context, store: SessionStore) -> None:
        key, kept = self._unsigned(ctx.request, ctx.link), None
        if key is not None:
            kept = await store.get(_stored_under(key))
        session = Session(self, lambda: kept, partial(self._save, store))
        if key is not None and kept is not None:
            session.key = key.decode("ascii")
        self._begin(ctx, session)

    async def _send_key(
        self, ctx: Context, session: Session, store: SessionStore, data: bytes
    ) -> None:
        before = session.key
        if not len(session):
            session.key = None
        elif before is None or session.renewed:
            fresh = urlsafe_b64encode(ctx.link.host.token(_KEY_SIZE)).rstrip(b"=")
            session.key = fresh.decode("ascii")
        if session.key is not None:
            await self._write(store, session, data)
        if before is not None and before != session.key:
            await store.delete(_stored_under(before.encode()))
        value = ""
        if session.key is not None:
            value = self._signer.sign(session.key.encode(), ctx.time())
        self._set_cookie(ctx, value)
        self._close(session)

    async def _save(self, store: SessionStore, session: Session) -> None:
        """Write what was changed after the head went out."""
        data = session.changed()
        if data is not None and session.key is not None:
            await self._write(store, session, data)

    async def _write(self, store: SessionStore, session: Session, data: bytes) -> None:
        if len(data) > MAX_STORED:
            raise UsageError(
                f"the session has {len(data)} bytes; expected {MAX_STORED} at most. Keep large "
                "things elsewhere, and their key here"
            )
        assert session.key is not None, "it was given one"
        await store.set(_stored_under(session.key.encode()), data, self._max_age)
        session.kept(data)

    def _close(self, session: Session) -> None:
        """Let the session be changed no more, except where a store keeps it."""
        if self._store is None:
            session.closed = (
                "the head of the answer is out, and its cookie with it. Change it before; or use "
                "a store: Sessions(secret, store=MemoryStore())"
            )
        elif session.key is None:
            session.closed = (
                "this client has none, and the head of the answer is out, which could have begun "
                "one. Set something before that: before ctx.accept(), ctx.stream() or ctx.send()"
            )

    # -- the cookie ------------------------------------------------------------------------------

    def _is_secure(self, request: Request) -> bool:
        return request.scheme == "https" if self._secure is None else self._secure

    def _unsigned(self, request: Request, link: Link) -> bytes | None:
        name = self._secure_cookie if self._is_secure(request) else self._cookie
        signed = request.cookies.get(name)
        if signed is None:
            return None
        return self._signer.unsign(signed, link.host.time(), self._max_age)

    def _set_cookie(self, ctx: Context, value: str) -> None:
        """Set the cookie of this answer; where *value* is empty, have the client forget it.

        Raise UsageError if it is larger than browsers keep.
        """
        response, secure = ctx.response, self._is_secure(ctx.request)
        name = self._secure_cookie if secure else self._cookie
        scope = self._scope(secure=secure)
        if value:
            if len(name) + len(value) > MAX_SIGNED:
                raise UsageError(
                    f"the session takes {len(name) + len(value)} octets as a cookie, and browsers "
                    f"drop one of more than {MAX_SIGNED}: keep less in it, or keep it on the "
                    "server: Sessions(secret, store=MemoryStore())"
                )
            response.set_cookie(name, value, max_age=self._max_age, **scope)
        elif name in ctx.request.cookies:
            response.delete_cookie(name, **scope)
        else:
            return
        if response.status != 101:
            response.headers.default("cache-control", "private")

    def _scope(self, *, secure: bool) -> CookieScope:
        return {
            "path": self._path,
            "domain": self._domain,
            "secure": secure,
            "httponly": True,
            "samesite": self._samesite,
        }


def _stored_under(key: bytes) -> str:
    """Return where a store keeps a session. From what a store holds, no cookie can be made."""
    return hashlib.sha256(key).hexdigest()
