"""The docs page: what it is made of, where from, and what it may load."""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin

import pytest

from anylane import App, RouteError, Router, UsageError
from anylane.extras import read_data
from anylane.middleware import CSP, SecurityHeaders
from anylane.openapi.docs_page.swagger_ui import policy
from anylane.testing import TestClient

FILES = ("swagger-ui.css", "swagger-ui-bundle.js", "page.css", "page.js")


class Tags(HTMLParser):
    """Collects what the page refers to, and what it has inline."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.references: list[str] = []
        self.values: dict[str, str] = {}
        self.inline: list[str] = []
        self._open = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self._open = tag
        self.references += [given[name] for name in ("src", "href") if name in given]
        self.values |= {name: value for name, value in given.items() if name.startswith("data-")}
        self.inline += [name for name in given if name == "style" or name.startswith("on")]

    def handle_data(self, data: str) -> None:
        if self._open in ("script", "style") and data.strip():
            self.inline.append(data)

    def handle_endtag(self, tag: str) -> None:
        self._open = ""


def described(**options: Any) -> App:
    app = App()
    app.openapi(title="Things", version="1", **options)
    return app


def test_all_that_the_page_needs_is_below_its_path() -> None:
    with TestClient(described()) as client:
        page = client.get("/docs")
        assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
        tags = Tags(page.text)
        assert tags.inline == []
        loaded = [each for each in tags.references if each != "data:,"]
        assert {urljoin("/docs", each) for each in loaded} == {
            *(f"/docs/{name}" for name in FILES),
            "/openapi.json",
        }
        for name in FILES:
            file = client.get(f"/docs/{name}")
            kind = "css" if name.endswith("css") else "javascript"
            assert (file.status, len(file.content) > 100) == (200, True)
            assert file.headers["content-type"] == f"text/{kind}; charset=utf-8"
            assert file.headers["x-content-type-options"] == "nosniff"


def test_there_is_no_absolute_url_in_it() -> None:
    with TestClient(described(servers=["https://api.example"])) as client:
        page = client.get("/docs").text
        own = page + client.get("/docs/page.js").text + client.get("/docs/page.css").text
    assert re.findall(r"https?:|//[a-z]|=\"/", own.replace("// ", "")) == []


@pytest.mark.parametrize("path", ["/docs", "/docs/page.js", "/openapi.json"])
def test_what_a_client_has_is_not_sent_again(path: str) -> None:
    with TestClient(described()) as client:
        first = client.get(path)
        assert first.headers["cache-control"] == "no-cache"
        again = client.get(path, headers={"if-none-match": first.headers["etag"]})
        assert (again.status, again.content) == (304, b"")
        assert again.headers["etag"] == first.headers["etag"]
        assert client.get(path, headers={"if-none-match": '"other"'}).status == 200
        head = client.head(path)
        assert (head.status, head.content) == (200, b"")
        assert head.headers["content-length"] == str(len(first.content))
        assert client.post(path).status == 405


@pytest.mark.parametrize(
    ("docs", "path", "files", "description", "root"),
    [
        ("/docs", "/openapi.json", "./docs", "./openapi.json", "."),
        ("/docs/", "/openapi.json", ".", "../openapi.json", ".."),
        ("/", "/openapi.json", ".", "./openapi.json", "."),
        ("/api/docs", "/api/v1.json", "./docs", "./v1.json", ".."),
        ("/api/docs", "/openapi.json", "./docs", "../openapi.json", ".."),
        ("/docs", "/a:b/openapi.json", "./docs", "./a:b/openapi.json", "."),
    ],
)
@pytest.mark.parametrize("prefix", ["", "/v1", "/deep/er"])
def test_its_urls_are_relative(  # noqa: PLR0917
    docs: str, path: str, files: str, description: str, root: str, prefix: str
) -> None:
    app = described(docs=docs, path=path)
    if prefix:
        app, inner = App(), app
        app.mount(prefix, inner)
    with TestClient(app) as client:
        tags = Tags(client.get(prefix + docs).text)
        assert tags.values == {"data-description": description, "data-root": root}
        assert tags.references[1:] == [*(f"{files}/{name}" for name in (
            "swagger-ui.css", "page.css", "swagger-ui-bundle.js", "page.js",
        )), description]  # fmt: skip
        for each in tags.references[1:]:
            assert client.get(urljoin(prefix + docs, each)).status == 200
        assert urljoin(prefix + docs, root).rstrip("/") == prefix


def test_servers_that_are_named_stay() -> None:
    with TestClient(described(servers=(each for each in ["https://api.example/v2"]))) as client:
        page = client.get("/docs")
        assert Tags(page.text).values["data-root"] == ""
        assert "connect-src 'self' https://api.example;" in page.headers["content-security-policy"]
        assert client.get("/openapi.json").json()["servers"] == [{"url": "https://api.example/v2"}]


def test_its_policy_allows_nothing_else() -> None:
    assert policy(()).split("; ") == [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
    odd = ["/v1", "//a.example", "https://{x}.example", "https://a;script-src *", "not a url"]
    assert policy(odd) == policy(())
    assert "'self' http://[::1]:8 https://a;" in policy(
        ["http://[::1]:8/x", "https://a", "https://a/b"]
    )


def test_its_policy_is_its_own() -> None:
    app = App()
    app.use(SecurityHeaders(csp=CSP(default_src="'self'")))
    app.openapi(title="Things", version="1")
    app.get("/")(lambda ctx: "hi")
    with TestClient(app) as client:
        assert client.get("/").headers.get_all("content-security-policy") == ["default-src 'self'"]
        assert client.get("/docs").headers.get_all("content-security-policy") == [policy(())]


def test_what_is_said_about_the_api_is_escaped() -> None:
    app = App()
    app.openapi(title='A & <b> "c" $files', version="1")
    with TestClient(app) as client:
        assert "<title>A &amp; &lt;b&gt; &quot;c&quot; $files</title>" in client.get("/docs").text


def test_without_a_page_nothing_of_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "offapi", None)
    with TestClient(described(docs=None)) as client:
        assert client.get("/openapi.json").status == 200
        assert client.get("/docs").status == 404


def test_the_page_needs_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    from anylane.openapi.docs_page.swagger_ui import assets

    assets.cache_clear()
    monkeypatch.setitem(sys.modules, "offapi", None)
    app = App()
    with pytest.raises(UsageError) as caught:
        app.openapi(title="Things", version="1")
    assert str(caught.value) == (
        "the page of app.openapi(), which docs=None leaves out, needs the package offapi, which is "
        "not installed: pip install 'anylane[docs]'"
    )
    assert app.description is None
    assert [route.name for route in app.routes] == []


def test_the_library_is_not_imported() -> None:
    described()
    assert "offapi" not in sys.modules


def test_a_file_that_another_version_lacks_is_told() -> None:
    with pytest.raises(UsageError) as caught:
        read_data("anylane", "none.css", extra="docs", needed_by="The page")
    assert str(caught.value) == (
        "The page needs none.css of the package anylane, which has none in the version that is "
        "installed: pip install -U 'anylane[docs]'"
    )


@pytest.mark.parametrize("name", ["docs", "path"])
@pytest.mark.parametrize("value", ["", "docs", "/{tenant}/docs", "/docs?x", 7])
def test_a_path_that_is_none_is_refused(name: str, value: Any) -> None:
    with pytest.raises(
        UsageError, match=rf"{name} of app.openapi\(\) is .*; expected a plain path"
    ):
        described(**{name: value})


def test_a_path_that_is_taken_is_refused() -> None:
    app = App()
    app.get("/docs")(lambda ctx: "mine")
    with pytest.raises(RouteError, match="/docs"):
        app.openapi(title="Things", version="1")


def test_a_router_of_the_app_cannot_hide_it() -> None:
    app = described()
    router = Router(prefix="/docs")
    router.get("/{name}")(lambda ctx: "mine")
    app.include(router)
    with TestClient(app) as client:
        assert client.get("/docs/page.js").headers["content-type"].startswith("text/javascript")
        assert client.get("/docs/other").text == "mine"
