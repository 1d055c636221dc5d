"""BasicAuth: a name and a password with every request (RFC 7617)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from anylane.errors import UsageError
from anylane.middleware.auth.authentication import Authentication, authorization
from anylane.middleware.auth.verifier import Verifier, is_refusal

if TYPE_CHECKING:
    from anylane.handling.context import Context

MAX_CREDENTIALS = 4096
"""Characters of encoded credentials. Longer ones are refused before they are decoded. A name and a
password are a few hundred at most; a hash for passwords may take long for a long one."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
"""What names and passwords must not have (RFC 7617 §2)."""


class BasicAuth(Authentication):
    """Lets requests with a good name and password pass, and refuses all others with 401, for which
    browsers ask their user.

    verify: `(name, password)` or `(ctx, name, password)`, `def` or `async def`. What it returns
        becomes `ctx.user`; None and False refuse. An HTTPError that it raises is the answer.
    inline: call a `def` directly, because it does not block; without this it runs in the pool.
    realm: what is protected; browsers show it, and remember the password for it.
    optional: let requests without credentials pass, with `ctx.user` None. Bad ones are still
        refused.
    """

    name = "BasicAuth"

    def __init__(
        self,
        verify: Callable[[str, str], Any] | Callable[[Context, str, str], Any],
        *,
        inline: bool = False,
        realm: str = "restricted",
        optional: bool = False,
    ) -> None:
        super().__init__("Basic", realm=realm, optional=optional, parameters=('charset="UTF-8"',))
        self._verify = Verifier(verify, owner=self.name, parameters="name, password", inline=inline)

    @classmethod
    def of(
        cls, passwords: Mapping[str, str], *, realm: str = "restricted", optional: bool = False
    ) -> BasicAuth:
        """Return one for a few users whose passwords are known, compared in constant time. The name
        becomes `ctx.user`.

        passwords: by name; from the environment, not from the code.
        """
        return cls(_Passwords(passwords), inline=True, realm=realm, optional=optional)

    async def _find(self, ctx: Context) -> list[str] | None:
        return authorization(ctx, "basic") or None

    async def _user(self, ctx: Context, credentials: list[str]) -> Any:
        decoded = _decoded(credentials[0]) if len(credentials) == 1 else None
        if decoded is None:
            raise self._refusal(401, "the credentials are malformed")
        user = await self._verify(ctx, *decoded)
        if is_refusal(user):
            raise self._refusal(401, "the name or the password is wrong")
        return user


def _decoded(credentials: str) -> tuple[str, str] | None:
    """Return the name and the password (RFC 7617 §2); None for what is malformed."""
    if len(credentials) > MAX_CREDENTIALS:
        return None
    try:
        text = base64.b64decode(credentials, validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        return None
    name, colon, password = text.partition(":")
    if not colon or _CONTROL.search(text):
        return None
    return name, password


class _Passwords:
    """Compares with known passwords. The time it takes tells neither which names there are nor how
    much of a password is right."""

    def __init__(self, passwords: Mapping[str, str]) -> None:
        if not isinstance(passwords, Mapping) or not passwords:  # type: ignore[redundant-expr]
            raise UsageError(
                f"BasicAuth.of() got a {type(passwords).__name__}; expected a mapping of names to "
                "passwords with one entry or more"
            )
        given: Iterable[tuple[Any, Any]] = passwords.items()
        for name, password in given:
            if not isinstance(name, str) or ":" in name or _CONTROL.search(name):
                raise UsageError(
                    f"BasicAuth.of() got the name {name!r:.80}; expected a str without ':' and "
                    "control characters (RFC 7617 §2)"
                )
            if not isinstance(password, str) or not password or _CONTROL.search(password):
                raise UsageError(
                    f"the password of {name!r:.80} is empty, or no str, or has control characters "
                    "(RFC 7617 §2)"
                )
        self._digests = {name: _digest(password) for name, password in passwords.items()}

    def __call__(self, name: str, password: str) -> str | None:
        digest, found = _digest(password), False
        for known, expected in self._digests.items():
            is_name = hmac.compare_digest(_digest(known), _digest(name))
            is_password = hmac.compare_digest(expected, digest)
            found |= is_name & is_password
        return name if found else None


def _digest(text: str) -> bytes:
    """Return something of equal length for texts of any length."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
