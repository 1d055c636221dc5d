"""The navigation is read from lists of links, and a page that none has is told."""

from __future__ import annotations

import pytest

from docs.website.navigation import Entry, NavigationError, Section, check, entries, sections
from docs.website.pages import Pages, with_tables

FIRST = """\
# A project

Text with a [link](somewhere.md), which is no entry.

## How-to guides

* [Files](files.md): what they are
* [Parts](parts/index.md), and `more`

## Nothing is listed here

Text.

## Reference

* [The `command`](command.md)
"""


def test_the_sections_are_the_headings_with_lists_of_links() -> None:
    assert sections(FIRST) == [
        Section("How-to guides", [Entry("Files", "files.md"), Entry("Parts", "parts/index.md")]),
        Section("Reference", [Entry("The command", "command.md")]),
    ]


def test_a_folder_lists_its_pages_in_a_table_or_a_list() -> None:
    text = "| part | for |\n|---|---|\n| [CORS](cors.md) | origins |\n* [Up](../first.md)\n"
    assert entries(text, "parts/index.md") == [
        Entry("CORS", "parts/cors.md"),
        Entry("Up", "first.md"),
    ]


def test_links_in_code_are_no_entries() -> None:
    assert entries("```text\n* [No](no.md)\n```\n* [Yes](yes.md)\n", "index.md") == [
        Entry("Yes", "yes.md")
    ]


def listed(*pages: str) -> list[tuple[str, Entry]]:
    return [("index.md", Entry(page, page)) for page in pages]


def test_a_page_that_no_list_has_is_told_with_what_to_do() -> None:
    with pytest.raises(NavigationError, match=r"^docs/b\.md is in no list: add a line `\* \["):
        check(["a.md", "b.md"], listed("a.md"))


def test_a_list_of_what_does_not_exist_is_told() -> None:
    with pytest.raises(NavigationError, match=r"^docs/index\.md lists docs/b\.md, which does not"):
        check(["a.md"], listed("a.md", "b.md"))


def test_a_page_that_is_listed_twice_is_told() -> None:
    with pytest.raises(NavigationError, match=r"^docs/a\.md is listed 2 times, in docs/index\.md"):
        check(["a.md"], listed("a.md", "a.md"))


def test_links_that_leave_the_documentation_lead_to_pages_of_the_site() -> None:
    pages = Pages()
    assert (
        "[wrong_lines.py](source/tests/type_checkers/wrong_lines.py.md)"
        in (pages.files["typed-handlers.md"])
    )
    assert "(changelog.md)" in pages.files["index.md"]
    assert "(typed-handlers.md)" in pages.files["changelog.md"]
    assert not any("](../core" in text for text in pages.files.values())


def test_a_state_diagram_is_a_table_on_the_site() -> None:
    text = "```mermaid\nstateDiagram-v2\n    [*] --> IDLE\n    IDLE --> BODY: head\n```\nText"
    assert with_tables(text) == (
        "| from | by | to |\n|---|---|---|\n| at first |  | `IDLE` |\n"
        "| `IDLE` | `head` | `BODY` |\nText"
    )
