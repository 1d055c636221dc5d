"""DocsPage: Swagger UI for the description of an app, without any other host.

All that the page loads lies below its own path, by relative URLs, so that it works wherever the app
is mounted and behind proxies that take a prefix off.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable
from functools import cache
from html import escape
from posixpath import relpath
from string import Template
from urllib.parse import urlsplit

from anylane.errors import UsageError
from anylane.extras import read_data
from anylane.handling.context import Context
from anylane.openapi.docs_page.asset import Asset
from anylane.openapi.info import Info
from anylane.routing.base_app import BaseApp
from anylane.shown import shown

_HTML, _CSS, _SCRIPT = (
    f"text/{kind}; charset=utf-8" for kind in ("html", "css", "javascript")
)  # RFC 9239 §6 for scripts.
_HOST = re.compile(r"[A-Za-z0-9.:\[\]-]+")
"""What may stand in a policy, which would end at a semicolon."""

_NEEDED_BY = "the page of app.openapi(), which docs=None leaves out,"

_OURS = "anylane.openapi.docs_page"
_SOURCES = {
    "swagger-ui.css": ("offapi", "swagger_style.css", _CSS),
    "swagger-ui-bundle.js": ("offapi", "swagger_bundle.js", _SCRIPT),
    "page.css": (_OURS, "page.css", _CSS),
    "page.js": (_OURS, "page.js", _SCRIPT),
}
"""Name -> package, name there, and media type. offapi is Swagger UI as data, and nothing of it is
imported: its import makes pages of all that it has."""


class DocsPage:
    """The page that shows a description.

    path: where it is, and below it the files that it loads. description: where the description is.
    Raise UsageError for a path that is no plain one, and if Swagger UI is not installed.
    """

    def __init__(self, info: Info, path: str, description: str) -> None:
        given: tuple[tuple[str, object], ...] = (("docs", path), ("path", description))
        for name, each in given:
            if not isinstance(each, str) or not each.startswith("/") or {*each} & {*"{}?#"}:
                raise UsageError(
                    f"{name} of app.openapi() is {shown(each)}; expected a plain path such as "
                    f"'/{'docs' if name == 'docs' else 'openapi.json'}', without parameters"
                )
        self._path = path
        self._files = assets()
        folder, _, last = path.rpartition("/")
        values = {
            "title": info.title,
            "files": f"./{last}" if last else ".",
            "description": _relative(description, folder),
            # Servers that are named are not replaced.
            "root": "" if info.servers else _relative("/", folder),
        }
        text = Template(_data(_OURS, "page.html").decode()).substitute(
            {name: escape(value) for name, value in values.items()}
        )
        self._page = Asset.of(text.encode(), _HTML)
        self._policy = policy(info.servers)

    def register(self, app: BaseApp) -> None:
        """Register the page and its files. Raise RouteError for a path that is taken."""

        async def docs(ctx: Context) -> None:
            """Show the description of this API."""
            ctx.response.headers.set("content-security-policy", self._policy)
            self._page.show(ctx)

        app.get(self._path, name="docs", include_in_schema=False)(docs)
        for name, asset in self._files.items():
            path = f"{self._path.rstrip('/')}/{name}"
            app.get(path, name=f"docs:{name}", include_in_schema=False)(_sender(asset))


def _sender(asset: Asset) -> Callable[[Context], Awaitable[None]]:
    async def docs_file(ctx: Context) -> None:
        asset.show(ctx)

    return docs_file


@cache
def assets() -> dict[str, Asset]:
    """Return the files that the page loads, by name. Raise UsageError if Swagger UI is not
    installed."""
    return {
        name: Asset.of(_data(package, source), media_type)
        for name, (package, source, media_type) in _SOURCES.items()
    }


def _data(package: str, name: str) -> bytes:
    return read_data(package, name, extra="docs", needed_by=_NEEDED_BY)


def policy(servers: Iterable[str]) -> str:
    """Return the Content-Security-Policy of the page: what it loads comes from here, and it sends
    requests here and to the servers of the API.

    Pictures may be data, because the style of Swagger UI has its symbols so, and blobs, because it
    shows answers that are pictures.
    """
    origins = {
        f"{each.scheme}://{each.netloc}": None
        for each in map(urlsplit, servers)
        if each.scheme and _HOST.fullmatch(each.netloc)
    }
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self' data: blob:",
            " ".join(("connect-src 'self'", *origins)),
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )


def _relative(path: str, folder: str) -> str:
    """Return a path relative to a folder of the same app. It begins with a dot, so that no colon in
    it is taken for the end of a scheme (RFC 3986 §4.2)."""
    found = relpath(path, folder or "/")
    return found if found.startswith(".") else f"./{found}"
