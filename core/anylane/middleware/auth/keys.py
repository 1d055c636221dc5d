"""Keys of JSON Web Tokens: which algorithm a key fits, and which keys a token may be signed with.

Nothing here puts a key, or a part of one, into a message.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from anylane.callables import location, signature_problem
from anylane.errors import UsageError
from anylane.extras import load
from anylane.shown import shown

if TYPE_CHECKING:
    from anylane.handling.context import Context

HMAC_BYTES = {"HS256": 32, "HS384": 48, "HS512": 64}
"""Algorithms whose key is a secret, and its least size in bytes (RFC 7518 §3.2)."""

RSA_BITS = 2048
"""The least size of an RSA key (RFC 7518 §3.3)."""

MAX_TRIED = 16
"""Keys that a token without a `kid` is tried with. Each costs a verification, also for a token with
a made-up signature."""

_CURVES = {
    "ES256": "secp256r1",
    "ES384": "secp384r1",
    "ES512": "secp521r1",
    "ES521": "secp521r1",
    "ES256K": "secp256k1",
}
"""The curve of each algorithm (RFC 7518 §3.4, RFC 8812 §3.2). ES521 is PyJWT's older name."""

_ASYMMETRIC = re.compile(rb"-----BEGIN |^ssh-|^ecdsa-")


def library() -> Any:
    """Return PyJWT. Raise UsageError if it is not installed."""
    return load("jwt", extra="jwt", needed_by="JWTAuth", marker="PyJWK")


def checked_algorithms(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names of algorithms as a tuple. Raise UsageError for none, for an unknown one, for
    "none", and for secrets beside public keys: a public key must never be taken for a secret."""
    if isinstance(names, str):
        raise UsageError(f"algorithms is {names!r:.80}; write [{names!r:.80}]")
    algorithms = tuple(names)
    known = library().algorithms.get_default_algorithms()
    for name in algorithms:
        if name not in known or name.lower() == "none":
            usable = ", ".join(sorted(each for each in known if each != "none"))
            raise UsageError(f"algorithms has {shown(name)}; expected some of {usable}")
    if not algorithms:
        raise UsageError("algorithms is empty; expected e.g. ['HS256']")
    if len({name in HMAC_BYTES for name in algorithms}) > 1:
        raise UsageError(
            f"algorithms is {list(algorithms)!r:.200}; HS256, HS384 and HS512 take a secret, and "
            "the others a public key, which anybody may know: use one kind, or two JWTAuth"
        )
    return algorithms


class Unfit(Exception):
    """A key is not made for an algorithm. Its text says what was expected."""


class Key:
    """One key: a secret (bytes or str), a public key in PEM, a JWK (a dict), or an object of PyJWT
    or cryptography."""

    __slots__ = ("_ready", "_value")

    def __init__(self, value: Any) -> None:
        self._value = value
        self._ready: dict[str, Any] = {}

    def fits(self, algorithm: str) -> bool:
        """Return whether the key is one of this algorithm."""
        try:
            self.ready(algorithm)
        except Unfit:
            return False
        return True

    def ready(self, algorithm: str) -> Any:
        """Return the key as PyJWT takes it for this algorithm. It is made once. Raise Unfit."""
        found = self._ready.get(algorithm)
        if found is None:
            try:
                found = _prepared(self._value, algorithm)
            except Unfit as unfit:
                found = Unfit(str(unfit))  # Another one: a traceback would hold the key.
            self._ready[algorithm] = found
        if isinstance(found, Unfit):
            raise Unfit(str(found))
        return found


def _prepared(value: Any, name: str) -> Any:
    """Return a key as PyJWT takes it, the public half of a private one. Raise Unfit."""
    jwt = library()
    algorithm = jwt.algorithms.get_default_algorithms()[name]
    if isinstance(value, jwt.PyJWK):
        value = value.key
    if isinstance(value, Mapping):
        if value.get("alg", name) != name:
            raise Unfit(f"a key for another algorithm, not for {name}")
        if value.get("use", "sig") != "sig":
            raise Unfit("a key that is not for signatures")
        try:
            value = algorithm.from_jwk(dict(value))
        except Exception:  # noqa: BLE001  # PyJWT and cryptography raise many kinds, with the key
            raise Unfit(f"a JWK that is none of {name}") from None
    if name in HMAC_BYTES:
        return _secret(value, name)
    try:
        key = algorithm.prepare_key(value)
        if hasattr(key, "private_bytes"):
            key = key.public_key()
    except Exception:  # noqa: BLE001  # as above
        raise Unfit(f"no key of {name}; expected a public key in PEM, or a JWK") from None
    curve = getattr(getattr(key, "curve", None), "name", None)
    if name in _CURVES and curve != _CURVES[name]:
        raise Unfit(f"a key on the curve {curve}; {name} needs {_CURVES[name]}")
    size = getattr(key, "key_size", None)
    if name[:2] in ("RS", "PS") and (size is None or size < RSA_BITS):
        raise Unfit(f"an RSA key of {size} bits; expected {RSA_BITS} or more (RFC 7518 §3.3)")
    return key


def _secret(value: Any, name: str) -> bytes:
    if isinstance(value, str):
        value = value.encode("utf-8", "surrogatepass")
    if not isinstance(value, bytes):
        raise Unfit(f"a {type(value).__name__}; {name} takes a secret as str or bytes")
    if _ASYMMETRIC.search(value):
        raise Unfit(f"a public or private key, where {name} takes a secret")
    if len(value) < HMAC_BYTES[name]:
        raise Unfit(
            f"a secret of {len(value)} bytes; {name} needs {HMAC_BYTES[name]} or more (RFC 7518 "
            '§3.2): python -c "import secrets; print(secrets.token_urlsafe(64))"'
        )
    return value


class Keys:
    """The keys that tokens may be signed with.

    key: one key, as `Key` takes it; a list of keys; a mapping of `kid` to key; a JWK Set; or a
    function `(kid)` or `(ctx, kid)`, `def` (called directly) or `async def`, that returns one of
    the first two, or None. algorithms: those that are allowed.

    Raise UsageError for what is no key, and for one that does not fit.
    """

    __slots__ = ("_algorithms", "_by_kid", "_find", "_others", "_takes_ctx")

    def __init__(self, key: Any, algorithms: tuple[str, ...]) -> None:
        self._algorithms = algorithms
        self._by_kid: dict[str, Key] = {}
        self._others: list[Key] = []
        self._find: Callable[..., Any] | None = None
        self._takes_ctx = False
        if isinstance(key, Mapping) and isinstance(key.get("keys"), list):
            key = [*key["keys"]]
        if isinstance(key, Mapping) and "kty" not in key:
            self._by_kid = {self._kid(kid): self._usable(each) for kid, each in key.items()}
        elif isinstance(key, list | tuple):
            for each in key:
                self._add(each)
        elif callable(key):
            if problem := signature_problem(key, "(kid)", "(ctx, kid)"):
                raise UsageError(f"the function {location(key)}, key of JWTAuth, {problem}")
            self._find = key
            self._takes_ctx = bool(signature_problem(key, "(kid)"))
            return
        else:
            self._others.append(self._usable(key, every=True))
        if not self._by_kid and not self._others:
            raise UsageError("key of JWTAuth has no key in it; expected one or more")
        if len(self._others) > MAX_TRIED:
            raise UsageError(
                f"key of JWTAuth is a list of {len(self._others)}; expected {MAX_TRIED} at most, "
                "because every bad token is tried with each: name them, {'kid': key}"
            )

    async def candidates(self, ctx: Context, kid: str | None, algorithm: str) -> list[Any]:
        """Return the keys that a token may be signed with, as PyJWT takes them. Raise what a
        function of the application's raises, and UsageError for a key of its that fits no
        algorithm."""
        if self._find is None:
            named = None if kid is None else self._by_kid.get(kid)
            keys = self._others if named is None else [named]
        else:
            found = self._find(ctx, kid) if self._takes_ctx else self._find(kid)
            if hasattr(found, "__await__"):
                found = await found
            several = found if isinstance(found, list | tuple) else [found]
            keys = [
                each if isinstance(each, Key) else self._usable(each)
                for each in several[:MAX_TRIED]
                if each is not None
            ]
        return [key.ready(algorithm) for key in keys if key.fits(algorithm)]

    def _add(self, value: Any) -> None:
        """Add a key of a list. A JWK that has a name is only tried for tokens with that name."""
        kid = value.get("kid") if isinstance(value, Mapping) else None
        if kid is None:
            self._others.append(self._usable(value))
        else:
            self._by_kid[self._kid(kid)] = self._usable(value)

    @staticmethod
    def _kid(kid: object) -> str:
        if not isinstance(kid, str):
            raise UsageError(f"a key of JWTAuth has the kid {shown(kid)}; expected a str")
        return kid

    def _usable(self, value: Any, *, every: bool = False) -> Key:
        """Return a key. Raise UsageError if it fits none of the algorithms, or not every one."""
        key, problems = Key(value), []
        for name in self._algorithms:
            try:
                key.ready(name)
            except Unfit as unfit:
                problems.append(str(unfit))
        if problems and (every or len(problems) == len(self._algorithms)):
            raise UsageError(f"the key of JWTAuth is {problems[0]}")
        return key
