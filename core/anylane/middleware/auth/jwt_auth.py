"""JWTAuth: JSON Web Tokens (RFC 7519, RFC 8725), verified by PyJWT.

Signature, audience and issuer are PyJWT's; time is ours: `exp`, `nbf` and `iat` are compared with
`ctx.time()`, which is virtual in tests.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from anylane import json
from anylane.errors import UsageError
from anylane.middleware.auth.keys import Keys, checked_algorithms, library
from anylane.middleware.auth.token_auth import TokenAuth
from anylane.shown import shown

if TYPE_CHECKING:
    from anylane.handling.context import Context

MAX_LEEWAY = 600
"""Seconds of leeway at most. Clocks that are further apart have to be set."""

_MALFORMED = (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError)
"""What a hostile token has made parsers raise beside their own errors."""


class JWTAuth(TokenAuth):
    """Lets requests with a good JSON Web Token pass, and refuses all others with 401. The claims, a
    dict, become `ctx.user`.

    key: see `Keys`: a secret, a public key in PEM, a JWK, a list of keys, a mapping of `kid` to
        key, a JWK Set, or a function that finds the key of a `kid`.
    algorithms: those that a token may be signed with. "none" is refused, and so are secrets beside
        public keys.
    audience, issuer: what the claims `aud` and `iss` must say; one or several of which one has to
        match. A token for some audience is refused where none is given here (RFC 7519 §4.1.3).
    required: claims that a token must have, such as ["exp", "sub"].
    leeway: seconds by which clocks may differ; 0 to 600.
    realm, token, optional: as in `BearerAuth`.

    Raise UsageError if PyJWT is not installed, and for keys and options that cannot be right.
    """

    name = "JWTAuth"

    def __init__(
        self,
        key: Any,
        algorithms: Iterable[str] = ("HS256",),
        *,
        audience: str | Iterable[str] | None = None,
        issuer: str | Iterable[str] | None = None,
        required: Iterable[str] = (),
        leeway: float = 0,
        realm: str = "api",
        token: Callable[[Context], Any] | None = None,
        optional: bool = False,
    ) -> None:
        super().__init__(realm=realm, token=token, optional=optional)
        self._jwt = library()
        self.algorithms: tuple[str, ...] = checked_algorithms(algorithms)
        self._keys = Keys(key, self.algorithms)
        self._audience = _texts(audience, "audience")
        self._issuer = _texts(issuer, "issuer")
        if isinstance(required, str):
            raise UsageError(f"required is {required!r:.80}; write [{required!r:.80}]")
        self._required = [*required]
        if not all(_is_text(each) for each in self._required):
            raise UsageError(f"required is {shown(self._required)}; expected names of claims")
        if not _is_number(leeway) or not 0 <= leeway <= MAX_LEEWAY:
            raise UsageError(f"leeway is {shown(leeway)}; expected seconds, 0 to {MAX_LEEWAY}")
        self._leeway = leeway
        self._options = {
            "require": self._required,
            "verify_signature": True,
            "verify_aud": True,
            "verify_iss": True,
            "verify_exp": False,
            "verify_nbf": False,
            "verify_iat": False,
        }

    def _security(self) -> dict[str, str]:
        return {**super()._security(), "bearerFormat": "JWT"}

    async def _user(self, ctx: Context, credentials: str) -> dict[str, Any]:
        kid, algorithm = self._header(credentials)
        claims: dict[str, Any] | None = None
        for key in await self._keys.candidates(ctx, kid, algorithm):
            claims = self._claims(credentials, key, algorithm)
            if claims is not None:
                break
        if claims is None:
            raise self._invalid("the token is not valid")
        self._check_times(claims, ctx.time())
        return claims

    def _header(self, token: str) -> tuple[str | None, str]:
        """Return `kid` and `alg` of a token. Raise HTTPError 401 for what may not be."""
        # Read here, which takes a tenth of the time of PyJWT's get_unverified_header. It decides
        # which key is tried. PyJWT reads it again, strictly, and holds `alg` to what is said here.
        encoded = token.partition(".")[0]
        try:
            header = json.loads(urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))
            kid, algorithm = header.get("kid"), header.get("alg")
            # PyJWT knows one extension, detached payloads, which make no sense here.
            critical = "crit" in header or "b64" in header
        except _MALFORMED:
            raise self._invalid("the token is malformed") from None
        if not isinstance(algorithm, str) or algorithm not in self.algorithms:
            raise self._invalid("the token is signed with another algorithm")
        if critical or not isinstance(kid, str | None):
            raise self._invalid("the token is malformed")
        return kid, algorithm

    def _claims(self, token: str, key: Any, algorithm: str) -> dict[str, Any] | None:
        """Return the claims of a token; None if this key has not signed it. Raise HTTPError 401."""
        jwt = self._jwt
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                options=self._options,
                audience=self._audience,
                issuer=self._issuer,
            )
        except jwt.InvalidSignatureError:
            return None
        except jwt.InvalidAudienceError:
            raise self._invalid("the token is for another audience") from None
        except jwt.InvalidIssuerError:
            raise self._invalid("the token is from another issuer") from None
        except jwt.MissingRequiredClaimError:
            raise self._invalid("the token lacks a claim") from None
        except (jwt.PyJWTError, *_MALFORMED):
            raise self._invalid("the token is malformed") from None
        return claims

    def _check_times(self, claims: dict[str, Any], now: float) -> None:
        """Raise HTTPError 401 unless a token is good at this moment (RFC 7519 §4.1.4 to §4.1.6)."""
        times = {name: claims[name] for name in ("exp", "nbf", "iat") if name in claims}
        for value in times.values():
            if not _is_number(value):
                raise self._invalid("the token has a time that is none")
        if "exp" in times and now >= times["exp"] + self._leeway:
            raise self._invalid("the token has expired")
        for name in ("nbf", "iat"):
            if name in times and now < times[name] - self._leeway:
                raise self._invalid("the token is not valid yet")


def _texts(value: str | Iterable[str] | None, name: str) -> list[str] | None:
    """Return one text or several as a list. Raise UsageError for anything else, and for none."""
    if value is None:
        return None
    texts = [value] if isinstance(value, str) else list(value)
    if not texts or not all(_is_text(each) for each in texts):
        raise UsageError(f"{name} is {shown(value)}; expected a text, or some")
    return texts


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _is_number(value: Any) -> bool:
    """Return whether it is a number that a time can be. Python's JSON has NaN and infinities too: a
    token with such a time would last for ever."""
    return isinstance(value, int | float) and not isinstance(value, bool) and -1e15 < value < 1e15
