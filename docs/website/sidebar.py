"""The navigation at the side of each page, in the form that Sphinx gives it to its themes.

Sphinx would make it anew for each page from all headings of all pages, which took three quarters of
a build. Here it is the lists of the first page, and those of its folders. The names of a module of
the API are shown on the pages of that module alone.
"""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from pathlib import Path, PurePosixPath

from docs.website import navigation
from docs.website.navigation import Entry


class Sidebar:
    """The navigation of the pages below a folder."""

    def __init__(self, source: Path) -> None:
        self._sections = navigation.sections((source / "index.md").read_text(encoding="utf-8"))
        self._below: dict[str, list[Entry]] = {}
        for path in [*source.glob("*/index.md"), *source.glob("api/*.md")]:
            page = path.relative_to(source).as_posix()
            found = navigation.entries(path.read_text(encoding="utf-8"), page)
            folder = PurePosixPath(page).parent
            self._below[page] = [
                each for each in found if folder in PurePosixPath(each.page).parents
            ]

    def html(self, current: str, path_to: Callable[[str], str]) -> str:
        """Return the navigation as it stands on a page.

        current: its name, without an ending. path_to: returns the URL of another one, seen from it.
        """
        return "".join(
            f'<p class="caption"><span class="caption-text">{escape(section.title)}'
            f"</span></p>\n{self._list(section.entries, current, path_to, 1)}"
            for section in self._sections
        )

    def _list(
        self, entries: list[Entry], current: str, path_to: Callable[[str], str], level: int
    ) -> str:
        items: list[str] = []
        for entry in entries:
            name = entry.page.rpartition(".")[0]
            inside = self._has(entry, current)
            marked = " current" if inside else ""
            below = self._below.get(entry.page, [])
            if level > 1 and not inside:
                below = []
            items.append(
                f'<li class="toctree-l{level}{marked}"><a class="reference internal{marked}" '
                f'href="{"#" if name == current else escape(path_to(name))}">{escape(entry.title)}'
                f"</a>{self._list(below, current, path_to, level + 1) if below else ''}</li>"
            )
        marked = ' class="current"' if any(self._has(entry, current) for entry in entries) else ""
        return f"<ul{marked}>\n{chr(10).join(items)}\n</ul>\n"

    def _has(self, entry: Entry, current: str) -> bool:
        return entry.page.rpartition(".")[0] == current or any(
            self._has(each, current) for each in self._below.get(entry.page, [])
        )
