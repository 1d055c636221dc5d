"""Signing: values that a client keeps and cannot change, by itsdangerous.

Time is given: that of `ctx.time()`, which is virtual in tests.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

from anylane.errors import UsageError
from anylane.extras import load
from anylane.shown import shown

MIN_SECRET = 32
"""Bytes of a secret at least. What it signs is in the hands of clients, who may try to guess it for
as long as they like: no shorter than the hash of the signature (RFC 2104 §3)."""

MAX_SIGNED = 4096
"""Characters of a signed value. Browsers keep no longer cookie, and none is looked at."""

MAX_SKEW = 60
"""Seconds by which the clock of another server may be ahead of ours."""


class Signer:
    """Signs with the first of its secrets, and takes what any of them has signed.

    secrets: as `Sessions` takes them. purpose: what the values are for, so that none is taken for
    another one. Raise UsageError for secrets that are too short, and without itsdangerous.
    """

    __slots__ = ("_bad", "_kind", "_salt", "_secrets")

    def __init__(self, secrets: str | bytes | Iterable[str | bytes], purpose: str) -> None:
        library = load("itsdangerous", extra="sessions", needed_by="Sessions")
        # itsdangerous signs with the last one.
        self._secrets = checked_secrets(secrets)[::-1]
        self._salt = purpose.encode()
        self._kind = _clocked(library.TimestampSigner)
        self._bad = (library.BadData, ValueError, OverflowError, OSError)

    def sign(self, value: bytes, now: float) -> str:
        """Return a value with the time and its signature, in characters that a cookie can have.
        value: in characters of base64url."""
        signed: bytes = self._signer(now).sign(value)
        return signed.decode("ascii")

    def unsign(self, signed: str, now: float, max_age: float) -> bytes | None:
        """Return what was signed; None if it was not, or too long ago, or in the future."""
        if len(signed) > MAX_SIGNED:
            return None
        try:
            value, moment = self._signer(now).unsign(signed, return_timestamp=True)
            age = int(now) - moment.timestamp()
        except self._bad:
            return None
        return bytes(value) if -MAX_SKEW <= age < max_age else None

    def _signer(self, now: float) -> Any:
        signer = self._kind(
            self._secrets,
            salt=self._salt,
            key_derivation="hmac",
            digest_method=hashlib.sha256,
        )
        signer.now = now
        return signer


def _clocked(base: Any) -> Any:
    """Return a TimestampSigner that is told the time."""

    class ClockedSigner(base):  # type: ignore[misc]
        now = 0.0

        def get_timestamp(self) -> int:
            return int(self.now)

    return ClockedSigner


def checked_secrets(secrets: object) -> list[bytes]:
    """Return one secret or several as bytes. Raise UsageError for none, and for short ones."""
    given = [secrets] if isinstance(secrets, str | bytes) else secrets
    if not isinstance(given, Iterable):
        raise UsageError(
            f"the secret of Sessions is a {type(secrets).__name__}; expected str or bytes, or a "
            "list of which the first signs"
        )
    found: list[bytes] = []
    for each in given:
        secret = each.encode("utf-8", "surrogatepass") if isinstance(each, str) else each
        if not isinstance(secret, bytes):
            raise UsageError(
                f"a secret of Sessions is a {type(each).__name__}; expected str or bytes"
            )
        if len(secret) < MIN_SECRET:
            raise UsageError(
                f"a secret of Sessions has {len(secret)} bytes; expected {MIN_SECRET} or more, "
                'which are random: python -c "import secrets; print(secrets.token_urlsafe(64))"'
            )
        found.append(secret)
    if not found:
        raise UsageError(f"the secret of Sessions is {shown(secrets)}; expected one or more")
    return found
