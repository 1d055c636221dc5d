"""ValkeySessions: sessions that every process finds, and that outlast all of them."""

from __future__ import annotations

from typing import Any, Literal

from anylane_backends.bridges.stores.commands import (
    Commands,
    StoreAway,
    checked_store,
    unavailable,
)


class ValkeySessions:
    """A `SessionStore` in a Valkey server. See `ValkeyBridge.session_store`."""

    def __init__(
        self, commands: Commands, prefix: str, when_away: Literal["refuse", "allow"]
    ) -> None:
        checked_store(prefix, when_away, "session_store")
        self._commands = commands
        self._prefix = prefix
        self._lenient = when_away == "allow"

    async def get(self, key: str) -> bytes | None:
        """Return what was kept under a key, or None. If the server is away, raise HTTPError 503, or
        return None with `when_away="allow"`."""
        name = self._prefix + key

        async def command(client: Any) -> bytes | None:
            found: bytes | None = await client.get(name)
            return found

        try:
            return await self._commands.ask(command)
        except StoreAway:
            if self._lenient:
                return None
            raise unavailable("the session") from None

    async def set(self, key: str, value: bytes, ttl: float) -> None:
        """Keep a value for that many seconds by the server's clock. Raise HTTPError 503 if the
        server is away: a login that was not kept is none."""
        name, milliseconds = self._prefix + key, max(1, round(ttl * 1000))
        await self._write(lambda client: client.set(name, value, px=milliseconds))

    async def delete(self, key: str) -> None:
        """Forget what is kept under a key. Raise HTTPError 503 if the server is away: who logs out
        has to know that it was not done."""
        name = self._prefix + key
        await self._write(lambda client: client.delete(name))

    async def _write(self, command: Any) -> None:
        try:
            await self._commands.ask(command)
        except StoreAway:
            raise unavailable("the session") from None
