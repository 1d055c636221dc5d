"""Authentication: what all ways of it have in common. The credentials of a request are found and
verified, or the request is refused with a challenge (RFC 9110 §11).

Credentials never get into a message, a log line or an answer.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from anylane.errors import HTTPError, UsageError
from anylane.middleware.preflight import is_preflight
from anylane.routing.documentation import PartDocumentation
from anylane.shown import shown

if TYPE_CHECKING:
    from anylane.handling.context import Context

_QUOTABLE = re.compile(r"[\x20-\x7e]+")
"""What a quoted-string can hold and every client reads. RFC 9110 §5.6.4 allows some more."""


_CHALLENGE = {"required": True, "schema": {"type": "string"}}


class Authentication(ABC):
    """Lets a request pass with `ctx.user` set, or refuses it with 401 and WWW-Authenticate.

    scheme: its name in challenges. realm: what is protected, for the challenge. optional: whether
    requests without credentials pass, with `ctx.user` None. parameters: more of the challenge.
    """

    def __init__(
        self, scheme: str, *, realm: str, optional: bool, parameters: tuple[str, ...] = ()
    ) -> None:
        # The hint keeps out no None, for one.
        if not isinstance(realm, str) or not _QUOTABLE.fullmatch(realm):  # type: ignore[redundant-expr]
            raise UsageError(
                f"the realm of {type(self).__name__} is {shown(realm)}; expected a str of one or "
                "more characters of ASCII, without control characters"
            )
        self.scheme = scheme
        self.optional = optional
        quoted = realm.replace("\\", "\\\\").replace('"', '\\"')
        self._challenge = ", ".join([f'{scheme} realm="{quoted}"', *parameters])

    def documentation(self, method: str) -> PartDocumentation:  # noqa: ARG002
        """Return what is said about it in the OpenAPI description of an operation."""
        return PartDocumentation(
            responses={
                401: "There are no credentials, or they are not valid.",
                403: "The user may not do this.",
            },
            headers={401: {"WWW-Authenticate": _CHALLENGE}},
            security={self._name: self._security()},
            is_optional=self.optional,
        )

    async def request(self, ctx: Context) -> None:
        """Set `ctx.user`, or raise HTTPError 401. A CORS preflight passes: it has no credentials,
        and `ctx.user` is not set then."""
        if is_preflight(ctx):
            return
        credentials = await self._find(ctx)
        if credentials is not None:
            try:
                ctx.user = await self._user(ctx, credentials)
            except HTTPError as error:
                if error.status == 401 and not any(
                    name.lower() == "www-authenticate" for name, _ in error.headers
                ):
                    error.headers.append(("www-authenticate", self._challenge))
                raise
        elif not self.optional:
            raise self._refusal()
        else:
            try:
                _ = ctx.user  # Another part may have found one.
            except UsageError:
                ctx.user = None

    def _refusal(self, status: int = 401, message: str | None = None, error: str = "") -> HTTPError:
        """Return the refusal of a request. message: for the answer. error: what the challenge says
        about it."""
        challenge = f"{self._challenge}, {error}" if error else self._challenge
        return HTTPError(status, message, headers=[("www-authenticate", challenge)])

    @property
    def _name(self) -> str:
        return str(getattr(self, "name", type(self).__name__))

    def _security(self) -> dict[str, str]:
        """Return the Security Scheme Object of OpenAPI (OpenAPI 3.1 §4.8.27)."""
        return {"type": "http", "scheme": self.scheme.lower()}

    @abstractmethod
    async def _find(self, ctx: Context) -> Any:
        """Return the credentials of a request; None if it has none of this scheme."""

    @abstractmethod
    async def _user(self, ctx: Context, credentials: Any) -> Any:
        """Return the user of these credentials, or raise HTTPError."""


def authorization(ctx: Context, scheme: str) -> list[str]:
    """Return what stands behind *scheme* in the Authorization headers that begin with it (RFC 9110
    §11.4). scheme: in lower case; clients may write it in any."""
    found: list[str] = []
    for value in ctx.request.headers.get_all("authorization"):
        name, _, credentials = value.strip().partition(" ")
        if name.lower() == scheme:
            found.append(credentials.strip())
    return found
