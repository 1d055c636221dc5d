"""Compression: the part that chooses a coding for each body, and keeps the tags of both apart.

Nothing here compresses, and nothing here reads a clock.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from anylane.callables import is_coroutine_function, signature_problem
from anylane.errors import UsageError
from anylane.http.headers import Headers
from anylane.http.parameters import split_list
from anylane.http.semantics.accept import coding_weights, preferred_coding
from anylane.http.semantics.preconditions import parse_etags
from anylane.http.semantics.vary import add_vary
from anylane.middleware.compression.codings import LIBRARIES, load_codings
from anylane.middleware.compression.compressible import chosen, type_of
from anylane.shown import shown

if TYPE_CHECKING:
    from anylane.handling.context import Context
    from anylane.http.response import Response
    from anylane.routing.parts import Transform

_UNTOUCHED = (
    "content-range",
    "content-encoding",
    "content-digest",
    "repr-digest",
    "digest",
    "content-md5",
)
"""Fields that say something about the bytes as they are."""

_SUFFIXED = re.compile(rf'(W/)?"([!#-~\x80-\xff]*)-({"|".join(LIBRARIES)})"')
"""An entity tag that one of ours may be: the tag and the coding behind it."""

_CONDITIONS = ("if-match", "if-none-match", "if-range")

_RECENT = 256
"""Values of Accept-Encoding of which the choice is kept. Browsers have a handful."""


class Compression:
    """Compresses bodies in zstd, br or gzip, whichever the client likes best (RFC 9110 §12.5.3).

    minimum: bytes; a shorter body is left as it is, unless it is sent piece by piece.
    codings: the codings to choose from, in our own order, which decides where the client likes
        several as much; None for zstd, br and gzip, as far as their libraries are installed.
    levels: coding -> level, where another than the default is wanted.
    types: the only media types that are compressed, such as "application/json" and "text/*"; None
        for all that are not packed already.
    when: called with ctx as the head goes out; where it returns false, the body is left as it is.

    Raise UsageError for bad arguments, and for a coding that lacks its library.
    """

    def __init__(
        self,
        minimum: int = 500,
        *,
        codings: Iterable[str] | None = None,
        levels: Mapping[str, int] | None = None,
        types: Iterable[str] | None = None,
        when: Callable[[Context], object] | None = None,
    ) -> None:
        if type(minimum) is not int or minimum < 0:
            raise UsageError(f"minimum is {shown(minimum)}; expected bytes, an int from 0 on")
        if when is not None and (problem := _no_predicate(when)):
            raise UsageError(f"when is {shown(when)}; expected a function (ctx): it {problem}")
        self._minimum = minimum
        self._start = load_codings(codings, levels or {}, "Compression")
        self._codings = tuple(self._start)
        self._is_chosen = chosen(types)
        self._when = when
        self._choices: dict[str, str | None] = {}

    def request(self, ctx: Context) -> None:
        """Take our suffix off the tags in the request's conditions: they name what the handler
        knows without it."""
        headers = ctx.request.headers
        for name in _CONDITIONS:
            if (value := headers.get(name)) is not None and '"' in value:
                break
        else:
            return
        reads = ctx.request.method in ("GET", "HEAD")
        accepts = self._acceptable(headers) if reads else None
        lines: list[tuple[str, str]] = []
        ranged = changed = False
        for name, value in headers.items():
            new = value
            if name in _CONDITIONS:
                new = _bare(value, accepts if name == "if-none-match" else None)
                changed = changed or new != value
                ranged = ranged or (name == "if-range" and new != value)
            lines.append((name, new))
        if ranged:
            # The client has a piece of the compressed body, and pieces of that there are none: a
            # range of the other would not fit behind it (RFC 9110 §13.1.5).
            lines = [each for each in lines if each[0] != "range"]
        if changed:
            ctx.request.rewrite_headers(lines)

    def body(self, ctx: Context) -> Transform | None:
        """Return what compresses the body of this answer, and set the header lines that tell so."""
        response = ctx.response
        if not self._might(ctx, response):
            return None
        add_vary(response.headers, "Accept-Encoding")
        if response.status == 304:
            self._retag(ctx, response)
            return None
        if response.status == 206:
            return None
        headers = ctx.request.headers
        coding = self._choice(headers)
        if coding is None or _forbids(headers):
            return None
        response.set_header("content-encoding", coding)
        etag = response.headers.get("etag")
        if etag is not None and etag[:1] == '"' and etag[-1:] == '"' and len(etag) > 1:
            response.set_header("etag", f'{etag[:-1]}-{coding}"')
        return self._start[coding]()

    def _might(self, ctx: Context, response: Response) -> bool:
        """Return whether an answer would be compressed for a client that wants it. A 206 and a 304
        are as the 200 in their place."""
        status = response.status
        if status == 205:
            return False
        partial = status in (206, 304)
        if not partial and not ctx.streams and len(response.body or b"") < (self._minimum or 1):
            return False
        kind = ""
        for name, value in response.headers.lines:
            name = name.lower()  # noqa: PLW2901
            if name == "content-type":
                kind = type_of(value)
            elif name in _UNTOUCHED:
                if status != 206 or name != "content-range":
                    return False
            elif name == "trailer" and "digest" in value.lower():
                return False
        # Several ranges do not tell the type of the whole, which might be compressed.
        tells = status != 304 and (status != 206 or kind != "multipart/byteranges")
        if tells and (not self._is_chosen(kind) or kind == "text/event-stream"):
            return False
        if _forbids(response.headers):
            return False
        return self._when is None or bool(self._when(ctx))

    def _choice(self, headers: Headers) -> str | None:
        """Return the coding for a client with these headers."""
        value = ", ".join(headers.get_all("accept-encoding"))
        if not value:
            return None
        choices = self._choices
        if value in choices:
            return choices[value]
        choice = preferred_coding((value,), self._codings)
        if len(value) <= _RECENT:
            if len(choices) >= _RECENT:
                self._choices = choices = {}
            choices[value] = choice
        return choice

    def _acceptable(self, headers: Headers) -> frozenset[str]:
        """Return the codings in which a client can read a stored body."""
        lines = headers.get_all("accept-encoding")
        if not lines:
            return frozenset(LIBRARIES)  # It has not said, so any will do (RFC 9110 §12.5.3).
        weights = coding_weights(lines)
        any_other = weights.get("*", 0.0)
        return frozenset(name for name in LIBRARIES if weights.get(name, any_other) > 0)

    def _retag(self, ctx: Context, response: Response) -> None:
        """Give a 304 the tag of what the client has, as the 200 would have had it (RFC 9110
        §15.4.5)."""
        etag, sent = response.headers.get("etag"), ctx.request.sent_headers
        lines = sent.get_all("if-none-match")
        if etag is None or not lines or etag.startswith("W/"):
            return
        acceptable = self._acceptable(sent)
        tags = set(parse_etags(lines))
        first = self._choice(sent)
        for coding in (first, *LIBRARIES):
            tag = f'{etag[:-1]}-{coding}"'
            if coding in acceptable and tag in tags:
                response.set_header("etag", tag)
                return


def _no_predicate(when: object) -> str | None:
    """Return why a value cannot be called with ctx for a truth value; None if it can."""
    if not callable(when):
        return "cannot be called"
    if is_coroutine_function(when):
        return "is an `async def`, and nothing can be awaited there"
    return signature_problem(when, "(ctx)")


def _bare(value: str, accepts: frozenset[str] | None) -> str:
    """Return a list of tags without our suffixes. accepts: only take these off; None for all."""

    def bare(found: re.Match[str]) -> str:
        weak, opaque, coding = found.groups()
        if weak or (accepts is not None and coding not in accepts):
            return found[0]
        return f'"{opaque}"'

    return _SUFFIXED.sub(bare, value)


def _forbids(headers: Headers) -> bool:
    """Return whether Cache-Control says no-transform (RFC 9111 §5.2.2.6, §5.2.1.6)."""
    return any(
        directive.lower() == "no-transform"
        for value in headers.get_all("cache-control")
        for directive in split_list(value)
    )
