"""Templates: pages made by Jinja, `templates.render(ctx, "page.html", title="Home")`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from anylane.contrib.files.content_types import UNKNOWN, media_type
from anylane.errors import UsageError
from anylane.extras import load
from anylane.http.response import Response
from anylane.shown import shown

if TYPE_CHECKING:
    from jinja2 import Environment, Template

    from anylane.handling.context import Context

CHUNK = 16 * 1024
"""Characters of a page that are sent at a time by `stream`. Jinja gives it in pieces of some tens,
and each chunk is a step in the pool."""

_JINJA = (".jinja2", ".jinja", ".j2")
"""What a name may end with behind the ending of what is made: `page.html.j2`."""

_PLAIN = (".txt", ".md")
"""Endings of what is no markup, in which nothing is escaped."""

_OURS = frozenset(("ctx", "request", "path_for", "url_for", "csp_nonce"))
"""The names that every template has."""


class Templates:
    """The templates of a directory.

    directory: it has to exist; or several, in which a template is looked for in this order.
    auto_reload: whether a template that was changed is read again, which costs a look at its file
        for each page. Without it a template is read once.
    extensions: of Jinja, such as "jinja2.ext.loopcontrols".

    What a template is given is escaped for HTML, but in `.txt` and `.md`; what is marked safe is
    not. A value that was not given is an error and no empty text. Beside its values a template has
    `ctx`, `request`, `path_for(name, ...)`, `url_for(name, ...)` and `csp_nonce()`. Filters, tests
    and globals of your own go into `env`, the `jinja2.Environment`, before the first page is made.

    Raise UsageError for a directory that is not there, and if Jinja is not installed.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
        *,
        auto_reload: bool = False,
        extensions: Iterable[str] = (),
    ) -> None:
        jinja2 = load("jinja2", extra="templates", needed_by="Templates")
        self._directories = _checked_directories(directory)
        self.env: Environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(self._directories),
            autoescape=_escapes,
            undefined=jinja2.StrictUndefined,
            auto_reload=auto_reload,
            extensions=list(extensions),
        )

    def __repr__(self) -> str:
        return f"Templates({', '.join(map(repr, self._directories))})"

    def render(self, ctx: Context, name: str, /, **values: Any) -> Response:
        """Return a page, to be returned by the handler. Its media type is that of the name.

        name: of the template, with slashes between folders. values: what the template is given.
        Raise UsageError for a value whose name is taken, `jinja2.TemplateNotFound` for a template
        that is not there, and what fails in the template, with a note that names template and line.
        """
        given = self._given(ctx, values)
        try:
            text = self.env.get_template(name).render(given)
        except Exception as exc:
            self._note(exc, name)
            raise
        return Response.whole(text.encode("utf-8", "replace"), _content_type(name))

    def stream(self, ctx: Context, name: str, /, **values: Any) -> Iterator[bytes]:
        """Return a page as an iterator, to be returned by the handler: each piece is made in the
        pool once the client has taken most of those before, so no page is ever held whole.

        The media type is set on `ctx.response`. Raise as `render` does. What fails in the template
        before the first piece is complete is a 500; what fails later ends the connection.
        """
        given = self._given(ctx, values)
        try:
            template = self.env.get_template(name)
        except Exception as exc:
            self._note(exc, name)
            raise
        ctx.response.headers.default("content-type", _content_type(name))
        return self._pieces(template, given, name)

    def _pieces(self, template: Template, given: dict[str, Any], name: str) -> Iterator[bytes]:
        parts: list[str] = []
        size = 0
        try:
            for part in template.generate(given):
                parts.append(part)
                size += len(part)
                if size >= CHUNK:
                    text = "".join(parts)
                    parts, size = [], 0
                    for at in range(0, len(text), CHUNK):
                        yield text[at : at + CHUNK].encode("utf-8", "replace")
        except Exception as exc:
            self._note(exc, name)
            raise
        yield "".join(parts).encode("utf-8", "replace")

    def _given(self, ctx: Context, values: dict[str, Any]) -> dict[str, Any]:
        """Return what a template is given: the values, and what is ours."""
        for name in _OURS & values.keys():
            raise UsageError(
                f"a template was given a value called {name!r}, which it has already; rename it"
            )
        return values | {
            "ctx": ctx,
            "request": ctx.request,
            "path_for": ctx.path_for,
            "url_for": ctx.url_for,
            "csp_nonce": partial(_csp_nonce, ctx),
        }

    def _note(self, exc: Exception, name: str) -> None:
        """Add to an exception where in which template it was raised."""
        import jinja2

        line: int | None = None
        if isinstance(exc, jinja2.TemplateSyntaxError):
            name, line = exc.name or name, exc.lineno
        elif isinstance(exc, jinja2.TemplateNotFound) and not _frames(exc.__traceback__):
            where = " or ".join(self._directories)
            exc.add_note(f"there is no template {name} in {where}")
            return
        elif frames := _frames(exc.__traceback__):
            path, line = frames[-1]
            name = self._named(path)
        exc.add_note(f"in the template {name}" + ("" if line is None else f", line {line}"))

    def _named(self, path: str) -> str:
        """Return the name of a template by its file."""
        for directory in self._directories:
            if Path(path).is_relative_to(directory):
                return str(Path(path).relative_to(directory))
        return path


def _frames(traceback: TracebackType | None) -> list[tuple[str, int]]:
    """Return file and line of each template in a traceback, as Jinja writes it."""
    found: list[tuple[str, int]] = []
    while traceback is not None:
        frame = traceback.tb_frame
        if "__jinja_exception__" in frame.f_globals or "__jinja_template__" in frame.f_globals:
            found.append((frame.f_code.co_filename, traceback.tb_lineno))
        traceback = traceback.tb_next
    return found


def _csp_nonce(ctx: Context) -> str:
    nonce = getattr(ctx.state, "csp_nonce", None)
    if nonce is None:
        raise UsageError(
            "csp_nonce() needs a policy with a nonce: "
            "app.use(SecurityHeaders(csp=CSP(script_src=[CSP.NONCE])))"
        )
    return str(nonce)


def _made(name: str) -> str:
    """Return the name of what a template makes: `page.html` of `page.html.j2`."""
    for ending in _JINJA:
        name = name.removesuffix(ending)
    return name


def _escapes(name: str | None) -> bool:
    return name is None or not _made(name).endswith(_PLAIN)


def _content_type(name: str) -> str:
    kind = media_type(_made(name).rpartition("/")[2])
    return "text/html; charset=utf-8" if kind == UNKNOWN else kind


def _checked_directories(directory: Any) -> list[str]:
    given = [directory] if isinstance(directory, str | os.PathLike) else directory
    try:
        found = [Path(each).absolute() for each in given]
    except TypeError:
        found = []
    if not found:
        raise UsageError(
            f"Templates got {shown(directory)}; expected the path of a directory, or several"
        )
    for each in found:
        if not each.is_dir():
            seen = "is no directory" if each.exists() else "does not exist"
            raise UsageError(
                f"Templates got the directory {each}, which {seen}; make it, or give the path from "
                "the file of your app: Path(__file__).parent / 'templates'"
            )
    return [str(each) for each in found]
