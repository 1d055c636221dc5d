"""CORS preflights: requests in which a browser asks whether a page may send another one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anylane.handling.context import Context


def is_preflight(ctx: Context) -> bool:
    """Return whether a request is a CORS preflight (Fetch §3.2.2): OPTIONS with Origin and
    Access-Control-Request-Method. Browsers send it without cookies and credentials, so what asks
    for those has to let it pass."""
    request = ctx.request
    if request.method != "OPTIONS":
        return False
    headers = request.headers
    return "origin" in headers and "access-control-request-method" in headers
