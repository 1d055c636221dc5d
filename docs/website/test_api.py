"""The pages of the API have what is written in the code, also where it is not in a docstring."""

from __future__ import annotations

from anylane import App, Response
from docs.website.api import api_pages, options, parameters, public_names


def test_every_public_name_has_a_page() -> None:
    pages = api_pages()
    for module, name, _ in public_names():
        assert f"api/{module}.{name}.rst" in pages
        assert f"[{name}]({module}.{name}.rst)" in pages[f"api/{module}.md"]
    assert (
        "* [anylane.middleware](anylane.middleware.md): Ready-made parts" in (pages["api/index.md"])
    )


def test_values_and_aliases_have_what_is_written_below_them() -> None:
    assert "A request or response hook returns it" in api_pages()["api/anylane.STOP.rst"]
    assert "Takes a level" in api_pages()["api/anylane.lane.Log.rst"]


def test_the_keywords_of_routes_are_said_once() -> None:
    said = options("anylane.App.get", App.get)
    assert "status: The status of an answer that sets none, such as 201." in said
    assert any(line.startswith("summary: ") for line in said)
    assert options("anylane.App.post", App.post) == ["", "The options are those of `get`."]
    assert options("anylane.App.run", App.run) == []
    assert options("anylane.App.mount", App.mount) == []


def test_the_keywords_of_cookies_are_said() -> None:
    said = options("anylane.Response.set_cookie", Response.set_cookie)
    assert {line.partition(": ")[0] for line in said} >= {"max_age", "samesite", "path"}


def test_what_has_no_signature_has_no_parameters() -> None:
    assert "path" in parameters(App.get)
    assert parameters(3) == {}
