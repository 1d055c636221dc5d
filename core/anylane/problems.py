"""Error responses: problem+json (RFC 9457) or text, as the client's Accept says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anylane.errors import HTTPError
from anylane.http.response import Response
from anylane.protocol.fields import PHRASES

if TYPE_CHECKING:
    from anylane.context import Context


def problem(ctx: Context, error: HTTPError) -> Response:
    """The response to an HTTPError."""
    phrase = PHRASES.get(error.status, "Error")
    response = Response(status=error.status, headers=error.headers)
    accept = ctx.request.headers.get("accept") or ""
    if "json" in accept:
        value: dict[str, Any] = {"title": phrase, "status": error.status}
        if error.message is not None:
            value["detail"] = error.message
        if error.detail is not None:
            value["errors"] = error.detail
        response.set_json(value).set_header("content-type", "application/problem+json")
    else:
        text = phrase if error.message is None else f"{phrase}: {error.message}"
        response.set_text(f"{error.status} {text}\n")
    return response
