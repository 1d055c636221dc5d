"""The pages of the examples: the files of web/, under a policy that lets nothing else in."""

from __future__ import annotations

from pathlib import Path

from anylane import Context, HTTPError, Response, Router

FILES = {file.name: file.read_bytes() for file in Path(__file__).with_name("web").iterdir()}
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

web = Router()


def show(name: str) -> Response:
    """A file of web/ as the answer."""
    return Response(
        FILES[name],
        content_type=TYPES[Path(name).suffix],
        headers={
            "cache-control": "no-cache",
            "content-security-policy": POLICY,
            "referrer-policy": "no-referrer",
            "x-content-type-options": "nosniff",
        },
    )


@web.get("/web/{name}")
async def file(ctx: Context) -> Response:
    if ctx.params["name"] not in FILES:
        raise HTTPError(404)
    return show(ctx.params["name"])
