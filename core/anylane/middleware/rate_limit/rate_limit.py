"""RateLimit: refuses a client that asks too often, with 429 and when to come again.

The fields RateLimit and RateLimit-Policy are those of draft-ietf-httpapi-ratelimit-headers-10.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from math import ceil
from typing import TYPE_CHECKING, Any

from anylane.callables import Call, call_of, location, run_call, signature_problem
from anylane.errors import HTTPError, UsageError
from anylane.middleware.preflight import is_preflight
from anylane.middleware.rate_limit.client_keys import bounded, checked, client_key, user_key
from anylane.middleware.rate_limit.gcra import ROUNDING, Rate, Usage
from anylane.middleware.rate_limit.memory_rates import ServerRates
from anylane.middleware.rate_limit.rate_store import RateStore
from anylane.routing.documentation import PartDocumentation
from anylane.shown import shown

if TYPE_CHECKING:
    from anylane.handling.context import Context

Client = str | int | None
"""Whose request it is, by what a `key` returns; None for one that does not count."""

_SCOPE = re.compile(r"[A-Za-z0-9_.:-]{1,64}")

_USED = "_rates"
"""The attribute of `ctx.state` that holds what each RateLimit of a request has counted."""

_KEYS = {None: client_key, "client": client_key, "user": user_key}


class RateLimit:
    """Lets each client ask so often, and refuses more with 429, Retry-After and the RateLimit
    fields, which are on good answers too. WebSocket handshakes count, their messages do not; CORS
    preflights do not.

    rate: such as "10/minute": ten at once, then one each six seconds. See `Rate.parse`.
    key: whose requests count together: "client" (the default; by address), "user" (`ctx.user`), or
        a function `(ctx)`, `def` or `async def`, that returns a str, an int, or None for a request
        that does not count.
    scope: the name of the limit, in the fields and in a shared store.
    store: counts; by default the memory of each server, for this limit alone.
    """

    name = "RateLimit"

    def __init__(
        self,
        rate: str,
        key: str
        | Callable[[Context], str | int | Awaitable[str | int | None] | None]
        | None = None,
        *,
        scope: str = "default",
        store: RateStore | None = None,
    ) -> None:
        self.rate: Rate = Rate.parse(rate)
        self._call: Call | None = None
        self._key: Callable[[Context], str] = client_key
        if key is None or isinstance(key, str):
            if key not in _KEYS:
                raise UsageError(
                    f"key of RateLimit is {shown(key)}; expected 'client', 'user' or a function "
                    "(ctx)"
                )
            self._key = _KEYS[key]
        else:
            if not callable(key):
                raise UsageError(f"key of RateLimit is {shown(key)}; expected a function (ctx)")
            if problem := signature_problem(key, "(ctx)"):
                raise UsageError(f"the function {location(key)}, key of RateLimit, {problem}")
            self._call = call_of(key)
        named: Any = scope
        if not isinstance(named, str) or not _SCOPE.fullmatch(named):
            raise UsageError(
                f"scope is {shown(scope)}; expected 1 to 64 letters, digits and marks of '_.:-'"
            )
        if store is not None and not isinstance(store, RateStore):
            raise UsageError(
                f"store is {shown(store)}; expected an object with `async def hit(key, rate)`, "
                "as RateStore says"
            )
        self._store: RateStore = ServerRates() if store is None else store
        self._prefix = f"{scope} "
        quota, window = self.rate.burst, max(1, _whole(self.rate.window))
        self._policy = f'"{scope}";q={quota};w={window}'
        self._scope = scope

    def documentation(self, method: str) -> PartDocumentation:  # noqa: ARG002
        """Return what is said about it in the OpenAPI description of an operation."""
        return PartDocumentation(
            responses={429: "There were too many requests; Retry-After says when to come again."},
            headers={429: {"Retry-After": {"required": True, "schema": {"type": "integer"}}}},
        )

    async def request(self, ctx: Context) -> None:
        """Count a request. Raise HTTPError 429 for one too many."""
        counted: dict[RateLimit, Usage] = vars(ctx.state).setdefault(_USED, {})
        if self in counted or is_preflight(ctx):
            return
        if self._call is None:
            key: str | None = self._key(ctx)
        else:
            key = checked(await run_call(self._call, ctx), location(self._call[0]))
        if key is None:
            return
        counted[self] = usage = await self._store.hit(bounded(self._prefix + key), self.rate)
        if not usage.allowed:
            seconds = max(1, _whole(usage.wait))
            raise HTTPError(
                429,
                f"too many requests; the next one may come in {seconds} s",
                headers=[("retry-after", str(seconds))],
            )

    def response(self, ctx: Context) -> None:
        """Say what the client may still ask."""
        state = ctx._state
        usage = None if state is None else vars(state).get(_USED, {}).get(self)
        if usage is None:
            return
        headers = ctx.response.headers
        headers.append("ratelimit-policy", self._policy)
        headers.append("ratelimit", f'"{self._scope}";r={usage.remaining};t={_whole(usage.reset)}')


def _whole(seconds: float) -> int:
    """Return seconds as the fields have them, rounded up."""
    return ceil(seconds - ROUNDING)
