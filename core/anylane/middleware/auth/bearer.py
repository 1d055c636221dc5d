"""BearerAuth: bearer tokens (RFC 6750) that the application looks up itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from anylane.middleware.auth.token_auth import TokenAuth
from anylane.middleware.auth.verifier import Verifier, is_refusal

if TYPE_CHECKING:
    from anylane.handling.context import Context


class BearerAuth(TokenAuth):
    """Lets requests with a good bearer token pass, and refuses all others with 401.

    verify: `(token)` or `(ctx, token)`, `def` or `async def`. What it returns becomes `ctx.user`;
        None and False refuse. An HTTPError that it raises is the answer: 403 for a user who may not
        do this.
    inline: call a `def` directly, because it does not block; without this it runs in the pool.
    realm: what is protected, for clients.
    token: `(ctx)`, which returns the token, or None; the Authorization header by default, and at
        WebSocket handshakes also the subprotocols `bearer, <token>`.
    optional: let requests without a token pass, with `ctx.user` None. A bad token is still refused.
    """

    name = "BearerAuth"

    def __init__(
        self,
        verify: Callable[[str], Any] | Callable[[Context, str], Any],
        *,
        inline: bool = False,
        realm: str = "api",
        token: Callable[[Context], Any] | None = None,
        optional: bool = False,
    ) -> None:
        super().__init__(realm=realm, token=token, optional=optional)
        self._verify = Verifier(verify, owner=self.name, parameters="token", inline=inline)

    async def _user(self, ctx: Context, credentials: str) -> Any:
        user = await self._verify(ctx, credentials)
        if is_refusal(user):
            raise self._invalid("the token is not valid")
        return user
