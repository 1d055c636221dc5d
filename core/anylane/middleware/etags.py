"""ETags: the part that lets clients keep what they have.

It acts on what was answered; `ctx.check_preconditions` acts before a handler changes anything.
"""

from __future__ import annotations

from collections.abc import Coroutine
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from anylane.errors import UsageError
from anylane.http.headers import Headers
from anylane.http.parameters import split_list
from anylane.http.response import Response
from anylane.http.semantics.preconditions import Validators, Verdict, is_etag, judge_reading
from anylane.http.semantics.timestamps import parse_http_date
from anylane.routing.documentation import PartDocumentation
from anylane.shown import shown

if TYPE_CHECKING:
    from anylane.handling.context import Context

_POOLED_ABOVE = 1024 * 1024
"""Bytes above which a body is hashed in the pool; so much takes 1.1 ms (CPython 3.11)."""

_ABOUT_THE_BODY = frozenset(
    ("content-digest", "content-encoding", "content-language", "content-length", "content-md5",
     "content-range", "content-type", "digest", "repr-digest")
)  # fmt: skip
"""What a 304 does not say, because it has no body (RFC 9110 §15.4.5)."""


class ETags:
    """Gives whole answers a tag, and answers 304 where the client has that body already (RFC 9110
    §13.1.2, §13.1.3).

    Only a 200 to GET or HEAD, with its body in one piece. A tag that is there stays. The handler
    has run in any case: what is saved is the way to the client.

    weak: make weak tags, for bodies of which equal meaning need not be equal bytes; `If-Range` and
        `If-Match` match none of them. Raise UsageError if it is no bool.
    """

    def __init__(self, *, weak: bool = False) -> None:
        if not isinstance(weak, bool):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise UsageError(f"weak is {shown(weak)}; expected True or False")
        self._prefix = "W/" if weak else ""

    def documentation(self, method: str) -> PartDocumentation | None:
        """Return what is said about it in the OpenAPI description of an operation."""
        if method not in ("GET", "HEAD"):
            return None
        return PartDocumentation(responses={304: "The client has this body already."})

    def response(self, ctx: Context) -> Coroutine[Any, Any, None] | None:
        """Tag the answer, or make it a 304. Return a coroutine where the pool has to hash."""
        response = ctx.response
        if response.status != 200 or ctx.request.method not in ("GET", "HEAD") or ctx.streams:
            return None
        headers = response.headers
        etag = headers.get("etag")
        if etag is None:
            if not _is_kept(headers):
                return None
            body = response.body or b""
            if len(body) > _POOLED_ABOVE:
                return self._hash(ctx, body)
            etag = self._tag(body)
            headers.put("etag", etag)
        self._answer(ctx, etag)
        return None

    async def _hash(self, ctx: Context, body: bytes) -> None:
        etag = await ctx.run_sync(self._tag, body)
        headers = ctx.response.headers
        if "etag" not in headers:
            headers.put("etag", etag)
        self._answer(ctx, etag)

    def _tag(self, body: bytes) -> str:
        """Return the tag of a body: 128 bits of a hash that none can find two bodies for."""
        return f'{self._prefix}"{blake2b(body, digest_size=16).hexdigest()}"'

    def _answer(self, ctx: Context, etag: str) -> None:
        asked = ctx.request.headers
        if asked.get("if-none-match") is None and asked.get("if-modified-since") is None:
            return
        response, now = ctx.response, ctx.time()
        modified = response.headers.get("last-modified")
        current = Validators(
            etag if is_etag(etag) else None,
            None if modified is None else parse_http_date(modified, now=now),
            exists=True,
        )
        if judge_reading(asked, current, now=now) is Verdict.NOT_MODIFIED:
            empty = Response(status=304).succeed(response)
            for name in _ABOUT_THE_BODY:
                empty.remove_header(name)
            ctx.response = empty


def _is_kept(headers: Headers) -> bool:
    """Return whether a client may keep the answer, so that a tag is of use."""
    lines = headers.get_all("cache-control")
    return not lines or not any(
        directive.lower() == "no-store" for value in lines for directive in split_list(value)
    )
