"""Templates: what they are given, what they make, and what a failing one says."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jinja2
import pytest

from anylane import App, Context, HTTPError, Response, UsageError
from anylane.contrib import Templates
from anylane.contrib.templates import CHUNK
from anylane.middleware import CSP, SecurityHeaders
from anylane.testing import TestClient

PAGES = {
    "page.html": "<h1>{{ title }}</h1>",
    "page.html.j2": "<p>{{ title }}</p>",
    "mail.txt": "Dear {{ title }}",
    "feed.xml": "<a>{{ title }}</a>",
    "picture.svg": "<svg>{{ title }}</svg>",
    "bare": "<b>{{ title }}</b>",
    "layout.html": "<title>{% block title %}{% endblock %}</title>",
    "child.html": "{% extends 'layout.html' %}\n{% block title %}{{ title }}{% endblock %}",
    "links.html": "{{ path_for('user', id=7) }} {{ url_for('user', id=8) }} {{ request.path }}",
    "nonce.html": "<script nonce='{{ csp_nonce() }}'></script>",
    "typo.html": "one\n{{ titel }}",
    "failing.html": "one\ntwo\n{{ fail() }}",
    "including.html": "{% include 'folder/typo.html' %}",
    "folder/typo.html": "\n\n\n{{ titel }}",
    "syntax.html": "one\n{% if %}",
    "missing.html": "\n{% include 'nothing.html' %}",
    "rows.html": "<ul>{% for n in rows %}<li>{{ n }}</li>{% endfor %}</ul>",
    "route.html": "\n{{ path_for('nowhere') }}",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "templates"
    for name, text in PAGES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (tmp_path / "secret.html").write_text("secret")
    return root


Handler = Callable[[Context, Templates], Any]


def client_of(folder: Path, handler: Handler) -> TestClient:
    templates = Templates(folder)
    app = App()

    @app.get("/")
    async def page(ctx: Context) -> Any:
        return handler(ctx, templates)

    @app.get("/users/{id:int}")
    async def user(ctx: Context) -> None:
        """Answer with 204."""

    return TestClient(app)


@pytest.mark.parametrize(
    ("name", "body", "kind"),
    [
        ("page.html", "<h1>&lt;b&gt; &amp; ä</h1>", "text/html; charset=utf-8"),
        ("page.html.j2", "<p>&lt;b&gt; &amp; ä</p>", "text/html; charset=utf-8"),
        ("mail.txt", "Dear <b> & ä", "text/plain; charset=utf-8"),
        ("feed.xml", "<a>&lt;b&gt; &amp; ä</a>", "application/xml"),
        ("picture.svg", "<svg>&lt;b&gt; &amp; ä</svg>", "image/svg+xml"),
        ("bare", "<b>&lt;b&gt; &amp; ä</b>", "text/html; charset=utf-8"),
        ("child.html", "<title>&lt;b&gt; &amp; ä</title>", "text/html; charset=utf-8"),
    ],
)
@pytest.mark.parametrize("make", [Templates.render, Templates.stream])
def test_a_page_has_its_type_and_is_escaped(
    make: Callable[..., Any], name: str, body: str, kind: str, folder: Path
) -> None:
    with client_of(folder, lambda ctx, at: make(at, ctx, name, title="<b> & ä")) as client:
        answer = client.get("/")
    assert (answer.status, answer.text) == (200, body)
    assert answer.headers["content-type"] == kind


def test_a_page_is_a_response_to_be_changed(folder: Path) -> None:
    def handler(ctx: Context, templates: Templates) -> Response:
        ctx.response.set_cookie("seen", "yes")
        return templates.render(ctx, "page.html", title="x").set_status(404)

    with client_of(folder, handler) as client:
        answer = client.get("/")
    assert (answer.status, answer.text) == (404, "<h1>x</h1>")
    assert "seen=yes" in answer.headers["set-cookie"]


def test_a_template_has_ctx_request_and_paths(folder: Path) -> None:
    with client_of(folder, lambda ctx, at: at.render(ctx, "links.html")) as client:
        assert client.get("/").text == "/users/7 http://testserver/users/8 /"


def test_a_template_has_the_nonce_of_the_policy(folder: Path) -> None:
    def handler(ctx: Context, templates: Templates) -> Response:
        ctx.state.csp_nonce = "abc"
        return templates.render(ctx, "nonce.html")

    with client_of(folder, handler) as client:
        assert client.get("/").text == "<script nonce='abc'></script>"
    templates = Templates(folder)
    app = App()
    app.use(SecurityHeaders(csp=CSP(script_src=[CSP.NONCE])))
    app.get("/")(lambda ctx: templates.render(ctx, "nonce.html"))
    with TestClient(app) as client:
        answer = client.get("/")
        nonce = answer.text.split("'")[1]
        assert len(nonce) > 20
        assert f"'nonce-{nonce}'" in answer.headers["content-security-policy"]


def test_a_nonce_without_a_policy_says_what_to_use(folder: Path) -> None:
    with client_of(folder, lambda ctx, at: at.render(ctx, "nonce.html")) as client:
        assert client.get("/").status == 500
        (line,) = client.log
    assert "app.use(SecurityHeaders(csp=CSP(script_src=[CSP.NONCE])))" in line.message
    assert "in the template nonce.html, line 1" in line.message


@pytest.mark.parametrize(
    ("name", "error", "note"),
    [
        ("typo.html", "'titel' is undefined", "in the template typo.html, line 2"),
        ("failing.html", "ZeroDivisionError", "in the template failing.html, line 3"),
        ("including.html", "'titel' is undefined", "in the template folder/typo.html, line 4"),
        ("syntax.html", "TemplateSyntaxError", "in the template syntax.html, line 2"),
        ("missing.html", "nothing.html", "in the template missing.html, line 2"),
        ("route.html", "nowhere", "in the template route.html, line 2"),
        ("nothing.html", "TemplateNotFound", "there is no template nothing.html in /"),
        ("../secret.html", "TemplateNotFound", "there is no template ../secret.html in /"),
        ("/etc/passwd", "TemplateNotFound", "there is no template /etc/passwd in /"),
        ("folder/../../secret.html", "TemplateNotFound", "there is no template folder/../../"),
    ],
)
@pytest.mark.parametrize("make", [Templates.render, Templates.stream])
def test_a_failing_template_is_a_500_whose_line_names_it(
    make: Callable[..., Any], name: str, error: str, note: str, folder: Path
) -> None:
    with client_of(folder, lambda ctx, at: make(at, ctx, name, fail=lambda: 1 / 0)) as client:
        answer = client.get("/")
        assert answer.status == 500
        assert "template" not in answer.text
        (line,) = client.log
    assert error in line.message
    assert note in line.message
    assert "\n" not in line.message


def test_an_answer_raised_in_a_template_is_the_answer(folder: Path) -> None:
    def fail() -> None:
        raise HTTPError(410)

    with client_of(folder, lambda ctx, at: at.render(ctx, "failing.html", fail=fail)) as client:
        assert client.get("/").status == 410
        assert client.log == []


def test_values_may_have_any_other_name(folder: Path) -> None:
    values: dict[str, Any] = {"name": "a", "self": "b", "title": "c"}
    with client_of(folder, lambda ctx, at: at.render(ctx, "page.html", **values)) as client:
        assert client.get("/").text == "<h1>c</h1>"


@pytest.mark.parametrize("taken", ["ctx", "request", "path_for", "url_for", "csp_nonce"])
def test_a_name_that_is_taken_is_refused(taken: str, folder: Path) -> None:
    given = {taken: "mine"}
    with client_of(folder, lambda ctx, at: at.render(ctx, "page.html", **given)) as client:
        assert client.get("/").status == 500
        assert f"a value called '{taken}', which it has already" in client.log[0].message


def test_filters_and_globals_of_your_own(folder: Path) -> None:
    (folder / "own.html").write_text("{{ 3 | twice }} {{ version }}")

    def handler(ctx: Context, templates: Templates) -> Response:
        templates.env.filters["twice"] = lambda value: 2 * value
        templates.env.globals["version"] = "1.0"
        return templates.render(ctx, "own.html")

    with client_of(folder, handler) as client:
        assert client.get("/").text == "6 1.0"


@pytest.mark.parametrize("auto_reload", [False, True])
def test_a_changed_template_is_read_again_where_that_is_wanted(
    auto_reload: bool, folder: Path
) -> None:
    templates = Templates(folder, auto_reload=auto_reload)
    app = App()

    @app.get("/")
    def page(ctx: Context) -> Response:
        return templates.render(ctx, "page.html", title="x")

    with TestClient(app) as client:
        assert client.get("/").text == "<h1>x</h1>"
        (folder / "page.html").write_text("<h2>{{ title }}</h2>")
        os.utime(folder / "page.html", (1, 1))
        assert client.get("/").text == ("<h2>x</h2>" if auto_reload else "<h1>x</h1>")


def test_several_directories_are_looked_into_in_order(folder: Path, tmp_path: Path) -> None:
    theme = tmp_path / "theme"
    theme.mkdir()
    (theme / "page.html").write_text("theme")
    templates = Templates([theme, str(folder)])
    app = App()

    @app.get("/{name}")
    def page(ctx: Context) -> Response:
        return templates.render(ctx, ctx.params["name"], title="x")

    with TestClient(app) as client:
        assert client.get("/page.html").text == "theme"
        assert client.get("/mail.txt").text == "Dear x"


def test_a_page_is_streamed_in_bounded_pieces(folder: Path) -> None:
    taken: list[int] = []

    def rows() -> Iterator[int]:
        for number in range(20_000):
            taken.append(number)
            yield number

    def handler(ctx: Context, templates: Templates) -> Iterator[bytes]:
        return templates.stream(ctx, "rows.html", rows=rows())

    with client_of(folder, handler) as client, client.stream("GET", "/") as answer:
        pieces = [*answer.iter_bytes()]
    assert (
        b"".join(pieces)
        == ("<ul>" + "".join(f"<li>{n}</li>" for n in range(20_000)) + "</ul>").encode()
    )
    assert len(pieces) > 10


def test_one_large_value_is_streamed_in_bounded_pieces(folder: Path) -> None:
    templates = Templates(folder)
    app = App()
    sizes: list[int] = []

    @app.get("/")
    async def page(ctx: Context) -> Iterator[bytes]:
        pieces = [*templates.stream(ctx, "page.html", title="ä" * 100_000)]
        sizes.extend(map(len, pieces))
        return iter(pieces)

    with TestClient(app) as client:
        assert client.get("/").text == f"<h1>{'ä' * 100_000}</h1>"
    assert max(sizes) <= 4 * CHUNK


def test_what_fails_in_the_middle_of_a_stream_ends_the_connection(folder: Path) -> None:
    (folder / "late.html").write_text("{{ 'x' * 200000 }}\n{{ 1 / 0 }}")
    with client_of(folder, lambda ctx, at: at.stream(ctx, "late.html")) as client:
        with pytest.raises(Exception, match=r"incomplete|closed|ended"):
            client.get("/")
        (line,) = client.log
    assert "in the template late.html, line 2" in line.message


def test_many_threads_share_templates(folder: Path) -> None:
    templates = Templates(folder)
    app = App()

    @app.get("/{number}")
    def page(ctx: Context) -> Response:
        return templates.render(ctx, "child.html", title=ctx.params["number"])

    with TestClient(app, backend="threads") as client:
        found: list[str] = []

        def ask(number: int) -> None:
            found.append(client.get(f"/{number}").text)

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
    assert sorted(found) == [f"<title>{number}</title>" for number in range(8)]


@pytest.mark.parametrize(
    ("directory", "message"),
    [
        ("nothing", "does not exist; make it, or give the path from the file of your app"),
        (["nothing"], "does not exist"),
        (__file__, "which is no directory"),
        (None, "Templates got None; expected the path of a directory, or several"),
        ([], "Templates got []"),
        ([None], "Templates got [None]"),
    ],
)
def test_a_directory_that_cannot_be_is_refused(directory: Any, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        Templates(directory)
    assert message in str(caught.value)


def test_without_jinja_the_extra_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(UsageError, match=r"pip install 'anylane\[templates\]'"):
        Templates(folder)


def test_the_environment_is_jinjas_own(folder: Path) -> None:
    templates = Templates(folder, extensions=["jinja2.ext.loopcontrols"])
    assert isinstance(templates.env, jinja2.Environment)
    assert "jinja2.ext.LoopControlExtension" in templates.env.extensions
    assert repr(templates) == f"Templates({str(folder)!r})"
