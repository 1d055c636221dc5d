"""ValkeyRates: requests that are counted once for all processes, by the server's own clock."""

from __future__ import annotations

from typing import Any, Literal

from anylane.middleware.rate_limit.gcra import ROUNDING, Rate, Usage
from anylane_backends.bridges.stores.commands import (
    Commands,
    StoreAway,
    checked_store,
    unavailable,
)

SCRIPT = f"""
local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000
local interval, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local before = tonumber(redis.call('GET', KEYS[1]) or '')
if not before or before < now then before = now end
local after, until_ = before + interval, before
local allowed = 0
if after - now <= window + {ROUNDING!r} then
  allowed = 1
  until_ = after
  local left = math.ceil((until_ - now) * 1000)
  redis.call('SET', KEYS[1], string.format('%.17g', until_), 'PX', string.format('%.0f', left))
end
return {{allowed, string.format('%.17g', until_), string.format('%.17g', now)}}
"""
"""`Rate.after_one`, as one step of the server. Lua's numbers are Python's floats, so the sums are
the same."""


class ValkeyRates:
    """A `RateStore` in a Valkey server. See `ValkeyBridge.rate_store`."""

    def __init__(
        self, commands: Commands, prefix: str, when_away: Literal["refuse", "allow"]
    ) -> None:
        checked_store(prefix, when_away, "rate_store")
        self._commands = commands
        self._prefix = prefix
        self._lenient = when_away == "allow"

    async def hit(self, key: str, rate: Rate) -> Usage:
        """Count one request of a client. If the server is away, let it pass, or raise HTTPError 503
        with `when_away="refuse"`."""
        name = self._prefix + key

        async def command(client: Any) -> list[Any]:
            script = client.register_script(SCRIPT)
            found: list[Any] = await script(keys=[name], args=[repr(rate.interval),
                                                               repr(rate.window)])  # fmt: skip
            return found

        try:
            allowed, until, now = await self._commands.ask(command)
        except StoreAway:
            if self._lenient:
                return Usage(allowed=True, remaining=rate.burst, wait=0.0, reset=0.0)
            raise unavailable("the rate limit") from None
        return rate.usage(float(until) - float(now), allowed=bool(allowed))
