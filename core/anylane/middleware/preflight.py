"""The question that a browser asks before a request that another site makes: a CORS preflight."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anylane.handling.context import Context


def is_preflight(ctx: Context) -> bool:
    """Return whether this is a CORS preflight (Fetch standard §3.2.2): OPTIONS with Origin and
    Access-Control-Request-Method. It has no cookies and no other credentials, whatever the request
    behind it has."""
    request = ctx.request
    return (
        request.method == "OPTIONS"
        and "origin" in request.headers
        and "access-control-request-method" in request.headers
    )
