"""Pages: the routes that show the description of an app."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anylane import json
from anylane.handling.context import Context
from anylane.http.response import JSON
from anylane.openapi.docs_page.asset import Asset
from anylane.openapi.docs_page.swagger_ui import DocsPage
from anylane.openapi.document import document_of
from anylane.openapi.info import Info
from anylane.routing.base_app import BaseApp


class Pages:
    """The description of one app, made when it is first asked for.

    app: has the routes. path: where the description is. docs: where the page is, None for none.
    Raise UsageError for a page without Swagger UI, and at a path that is no plain one.
    """

    def __init__(self, app: BaseApp, info: Info, path: str, docs: str | None) -> None:
        self._app = app
        self._info = info
        self.path: str = path
        self.docs: str | None = docs
        self._page = None if docs is None else DocsPage(info, docs, path)
        self._document: dict[str, Any] | None = None
        self._body = b""

    def register(self) -> None:
        """Register the routes. Raise RouteError for paths that are none or taken."""
        name = "openapi"
        if self._page is not None:
            self._page.register(self._app)
        self._app.get(self.path, name=name, include_in_schema=False)(self.show)

    def document(self) -> Mapping[str, Any]:
        """Return the description. Raise UsageError for what cannot be described."""
        if self._document is None:
            self._document = document_of(self._app.routes, self._info)
            self._body = json.dumps(self._document)
        return self._document

    async def show(self, ctx: Context) -> None:
        """Answer with the description, as JSON. Where the app is mounted in another one, or behind
        a proxy that takes a prefix off, its paths are below the prefix."""
        document, body = self.document(), self._body
        prefix = ctx.request.root_path + ctx.request.path.removesuffix(self.path)
        if prefix and "servers" not in document:
            body = json.dumps({**document, "servers": [{"url": prefix}]})
        Asset.of(body, JSON).show(ctx)
