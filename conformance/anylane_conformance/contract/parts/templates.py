"""Pages made by Templates, rendered whole and streamed."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from anylane import App, Context, Response
from anylane.contrib import Templates

if TYPE_CHECKING:
    from anylane_conformance.contract.stage import Stage

_PAGES = {
    "layout.html": "<title>{{ title }}</title>{% block body %}{% endblock %}",
    "page.html": "{% extends 'layout.html' %}{% block body %}"
    "{{ path_for('page', how='def') }} {{ request.method }} {{ ctx.state.kept }}{% endblock %}",
    "rows.html": "<ul>{% for row in rows %}<li>{{ row }}</li>{% endfor %}</ul>",
    "typo.html": "<p>\n{{ titel }}",
    "late.html": "{% for row in rows %}{{ row }}{% endfor %}\n{{ 1 / 0 }}",
}


@functools.cache
def _folder() -> Path:
    """Return a directory of templates, made once."""
    root = Path(tempfile.mkdtemp(prefix="anylane-templates-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    for name, text in _PAGES.items():
        (root / name).write_text(text)
    return root


def serve_pages(app: App, stage: Stage) -> None:
    """Add pages below /page."""
    templates = Templates(_folder())

    def rows(count: int) -> Iterator[str]:
        try:
            for number in range(count):
                stage.produced = number + 1
                yield f"row {number} & more of it"
        finally:
            stage.note("rows ended")

    @app.get("/page/{how}", name="page")
    async def page(ctx: Context) -> Response:
        ctx.state.kept = "<kept>"
        return templates.render(ctx, "page.html", title="<b>")

    @app.get("/page/def")
    def page_of_def(ctx: Context) -> Response:
        ctx.state.kept = "<kept>"
        return templates.render(ctx, "page.html", title="<b>").set_status(203)

    @app.get("/page/rows")
    async def streamed(ctx: Context) -> Iterator[bytes]:
        return templates.stream(ctx, "rows.html", rows=rows(10_000))

    @app.get("/page/endless")
    def endless(ctx: Context) -> Iterator[bytes]:
        return templates.stream(ctx, "rows.html", rows=rows(100_000_000))

    @app.get("/page/typo")
    async def typo(ctx: Context) -> Response:
        return templates.render(ctx, "typo.html", title="x")

    @app.get("/page/early")
    async def early(ctx: Context) -> Iterator[bytes]:
        return templates.stream(ctx, "typo.html", title="x")

    @app.get("/page/late")
    async def late(ctx: Context) -> Iterator[bytes]:
        return templates.stream(ctx, "late.html", rows=rows(10_000))
