"""JWKSFile: the keys of a JWK Set (RFC 7517 §5) in a file, which may be replaced while we serve.

It never fetches anything. What does, such as a cron job with curl, writes the file.
"""

from __future__ import annotations

from _thread import allocate_lock
from os import fstat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anylane import json
from anylane.errors import UsageError
from anylane.middleware.auth.keys import MAX_TRIED, Key, library
from anylane.shown import shown

if TYPE_CHECKING:
    from os import PathLike

    from anylane.handling.context import Context

MAX_SIZE = 1024 * 1024
"""Bytes of the file at most. A thousand RSA keys fit."""

_Look = tuple[int, int, int]
"""What tells one state of a file from another: its time of change, size and inode."""


class JWKSFile:
    """Keys for `JWTAuth(JWKSFile("jwks.json"), algorithms=["RS256"])`.

    The file is read here, and again when it has changed: it is looked at in the pool, when a key is
    asked for and the last look is `every` seconds ago, or `at_least` seconds if the file has no
    such key. So a new key works at once, and unknown ones cost no more than one look in so many
    seconds. A file that has become unreadable is a warning in the log, and the keys before stay.

    Replace the file in one step (write another one, then rename it). May be used by several parts,
    and from any thread.

    Raise UsageError if the file cannot be read, or is no JWK Set.
    """

    def __init__(
        self, path: str | PathLike[str], *, every: float = 60.0, at_least: float = 5.0
    ) -> None:
        library()
        for name, seconds in (("every", every), ("at_least", at_least)):
            if not isinstance(seconds, int | float) or not 0 < seconds < 1e9:  # type: ignore[redundant-expr]
                raise UsageError(f"{name} is {shown(seconds)}; expected seconds, more than 0")
        self.path: Path = Path(path)
        self._every = every
        self._at_least = at_least
        self._lock = allocate_lock()
        self._looked: float | None = None
        self._seen: _Look | None = None
        self._keys: tuple[dict[str, Key], list[Key]] = ({}, [])
        try:
            self._read()
        except (OSError, ValueError) as exc:
            raise UsageError(
                f"JWKSFile cannot read {str(self.path)!r}: {exc}; expected a JWK Set: "
                '{"keys": [...]}'
            ) from None

    async def __call__(self, ctx: Context, kid: str | None) -> Any:
        """Return the key of that name, or those that a token without a name is tried with; None if
        there is none."""
        now = ctx.now()
        if self._looked is None:
            self._looked = now  # It was read when this was made.
        is_missing = kid is not None and kid not in self._keys[0]
        if now - self._looked >= (self._at_least if is_missing else self._every):
            problem = await ctx.run_sync(self._look, now)
            if problem:
                ctx.link.host.log("warning", problem, None)
        named, nameless = self._keys
        if kid is not None:
            return named.get(kid)
        return [*nameless, *named.values()][:MAX_TRIED]

    def _look(self, now: float) -> str | None:
        """Read the file if it has changed, unless another thread just did. Return a line for the
        log if that fails."""
        with self._lock:
            if self._looked is not None and self._looked >= now:
                return None
            try:
                self._read()
            except (OSError, ValueError) as exc:
                return f"JWKSFile keeps the keys it has: {str(self.path)!r} cannot be read: {exc}"
            finally:
                self._looked = now
        return None

    def _read(self) -> None:
        """Read the file, unless it is as it was. Raise OSError and ValueError."""
        with self.path.open("rb") as file:
            state = fstat(file.fileno())
            look = (state.st_mtime_ns, state.st_size, state.st_ino)
            if look == self._seen:
                return
            data = file.read(MAX_SIZE + 1)
        if len(data) > MAX_SIZE:
            raise ValueError(f"it has more than {MAX_SIZE} bytes")
        value = json.loads(data)
        jwks = value.get("keys") if isinstance(value, dict) else None
        if not isinstance(jwks, list) or not jwks:
            raise ValueError("it has no list of keys")
        named: dict[str, Key] = {}
        nameless: list[Key] = []
        for jwk in jwks:
            # RFC 7517 §5: what is not understood is ignored.
            if not isinstance(jwk, dict) or not isinstance(jwk.get("kty"), str):
                continue
            kid = jwk.get("kid")
            if isinstance(kid, str):
                named.setdefault(kid, Key(jwk))
            elif kid is None:
                nameless.append(Key(jwk))
        if not named and not nameless:
            raise ValueError("it has no key in it")
        self._keys, self._seen = (named, nameless), look
