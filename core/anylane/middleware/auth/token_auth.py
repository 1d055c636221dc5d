"""TokenAuth: bearer tokens (RFC 6750), whatever they are made of.

A token is taken from the Authorization header, and at WebSocket handshakes also from the offered
subprotocols, because browsers let no page set headers there. It is never taken from the query
string, which gets into logs, histories and Referer.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from anylane.callables import location, signature_problem
from anylane.errors import HTTPError, UsageError
from anylane.middleware.auth.authentication import Authentication, authorization
from anylane.realtime.subprotocols import Credential, offered
from anylane.routing.documentation import PartDocumentation
from anylane.shown import shown

if TYPE_CHECKING:
    from anylane.handling.context import Context

MAX_TOKEN = 8192
"""Characters of a token. Longer ones are refused before they are looked at. Most proxies take no
longer header line."""

SUBPROTOCOL = "bearer"
"""The subprotocol in front of a token."""

_TOKEN = re.compile(r"[A-Za-z0-9\-._~+/]+=*")
"""The b64token of RFC 6750 §2.1."""


class TokenAuth(Authentication):
    """Finds bearer tokens. What they mean is decided by subclasses.

    token: `(ctx)`, `def` or `async def`, which returns the token of a request or None. A `def` is
    called directly.
    """

    def __init__(
        self, *, realm: str, token: Callable[[Context], Any] | None = None, optional: bool = False
    ) -> None:
        super().__init__("Bearer", realm=realm, optional=optional)
        owner = type(self).__name__
        if token is not None:
            if not callable(token):
                raise UsageError(f"token of {owner} is {shown(token)}; expected a function (ctx)")
            if problem := signature_problem(token, "(ctx)"):
                raise UsageError(f"the function {location(token)}, token of {owner}, {problem}")
        self._token = token

    def documentation(self, method: str) -> PartDocumentation:
        """Return what is said about it in the OpenAPI description of an operation."""
        said = super().documentation(method)
        several = {400: "There are several tokens in the request."}
        return replace(said, responses={**several, **said.responses})

    async def _find(self, ctx: Context) -> str | None:
        """Return the token of a request; None if it has none. Raise HTTPError 400 if it has
        several, and 401 for what can be no token."""
        if self._token is not None:
            token = self._token(ctx)
            if hasattr(token, "__await__"):
                token = await token
            if token is not None and not isinstance(token, str):
                raise UsageError(
                    f"{location(self._token)} returned a {type(token).__name__}; expected a token "
                    "as a str, or None"
                )
            found = [token] if token else []
        else:
            found = authorization(ctx, "bearer")
            if ctx.route is not None and ctx.route.websocket:
                found += _from_subprotocols(ctx)
        if len(found) > 1:
            # RFC 6750 §2: no more than one in each request.
            raise self._refusal(400, "several tokens in one request", 'error="invalid_request"')
        if not found:
            return None
        if self._token is None and not _TOKEN.fullmatch(found[0][:MAX_TOKEN]):
            raise self._invalid("the token is malformed")
        if len(found[0]) > MAX_TOKEN:
            raise self._invalid("the token is too long")
        return found[0]

    def _invalid(self, why: str) -> HTTPError:
        """Return the refusal of a token. why: without anything of the token itself."""
        return self._refusal(401, why, f'error="invalid_token", error_description="{why}"')


def _from_subprotocols(ctx: Context) -> list[str]:
    """Return the tokens among the offered subprotocols: what follows each `bearer`. Have a
    handshake answered with `bearer` where the handler and its route choose nothing else."""
    names = offered(ctx.request.headers.get_all("sec-websocket-protocol"))
    found = [
        token for name, token in pairwise(names) if name == SUBPROTOCOL and token != SUBPROTOCOL
    ]
    if found:
        ctx.credential = Credential(SUBPROTOCOL, found[0])
    return found
