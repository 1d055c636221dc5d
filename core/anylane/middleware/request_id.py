"""RequestId: one id for each request, in its answer and in all that is logged about it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from anylane.errors import UsageError
from anylane.http.settled import is_handshake_field
from anylane.middleware.trusted_peers import trusted_peers
from anylane.protocol.fields import is_token
from anylane.request_tag import request_id
from anylane.shown import shown

if TYPE_CHECKING:
    from anylane.handling.context import Context

_TAKEN = re.compile(r"[A-Za-z0-9._~:/+=@-]{1,128}")
"""What is taken from a client: characters that end no field of a log, and no more than any tracer
writes (a UUID has 36, a traceparent 55)."""

_BYTES = 16
"""Of randomness, as in a UUID: no id comes twice, and none can be guessed."""


class RequestId:
    """Gives each request an id: `ctx.state.request_id`, a header of every answer, and a part of
    every line that is logged while it is dealt with.

    header: the one that has the id, in the request and in the answer.
    trust: whether an id that the request brings is taken over: False never; True always; a list of
        networks, such as ["10.0.0.0/8"], from these peers, which are the proxies in front. One that
        is too long, has other characters than letters, digits and `._~:/+=@-`, or comes twice is
        never taken.
    """

    name = "RequestId"

    def __init__(self, header: str = "x-request-id", trust: bool | Iterable[str] = False) -> None:
        if not isinstance(header, str) or not is_token(header):  # type: ignore[redundant-expr]
            raise UsageError(
                f"header of RequestId is {shown(header)}; expected a name such as 'x-request-id'"
            )
        if is_handshake_field(header):
            raise UsageError(
                f"header of RequestId is {header!r}, which belongs to the framing of a message; "
                "expected a name such as 'x-request-id'"
            )
        self._header = header
        self._trusted = trusted_peers(trust, self.name)

    @staticmethod
    def current() -> str | None:
        """Return the id of the request that is dealt with here, or None. It works where there is
        no ctx, such as in a filter of `logging`; in `def` handlers and background work too."""
        return request_id.get()

    def request(self, ctx: Context) -> None:
        """Give the request its id, unless another RequestId has done so."""
        if self._known(ctx) is None:
            self._give(ctx)

    def response(self, ctx: Context) -> None:
        """Show the id in the answer."""
        # Another part may have answered before this one had its turn.
        ctx.response.headers.put(self._header, self._known(ctx) or self._give(ctx))

    @staticmethod
    def _known(ctx: Context) -> str | None:
        """Return the id that this request has been given, or None."""
        given = vars(ctx.state).get("request_id")
        if given is None:
            return None  # The variable may have another request's, which sends this one.
        # The app may have put something else into `state`.
        known = request_id.get()
        if known is None and isinstance(given, str) and _TAKEN.fullmatch(given):
            return given
        return known

    def _give(self, ctx: Context) -> str:
        chosen = self._brought(ctx) if self._trusted is not None else None
        if chosen is None:
            chosen = ctx.link.host.token(_BYTES).hex()
        ctx.state.request_id = chosen
        request_id.set(chosen)
        return chosen

    def _brought(self, ctx: Context) -> str | None:
        """Return the id that a trusted peer has sent, or None."""
        assert self._trusted is not None
        found = ctx.request.headers.get_all(self._header)
        if len(found) != 1 or not _TAKEN.fullmatch(found[0]):
            return None
        # The peer of this connection: it has written the header, for itself or another client.
        return found[0] if self._trusted.include(ctx.link.driver.connection) else None
