"""The navigation of the site: the lists of docs/index.md, so that GitHub shows the same order.

A section is a heading of docs/index.md with a list of links below it. A page `index.md` in a
folder lists the pages of that folder, in a table or a list. Nothing here knows Sphinx.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

HEADING = re.compile(r"^## (.+)$", re.MULTILINE)
ENTRY = re.compile(r"^(?:\* |\| )\[([^\]]+)\]\(([^)#]+\.(?:md|rst))\)", re.MULTILINE)
FENCED = re.compile(r"^( *)```.*?^\1```$", re.MULTILINE | re.DOTALL)


class NavigationError(Exception):
    """A page that no list has, one that two lists have, or a list of what does not exist."""


@dataclass(frozen=True)
class Entry:
    """A line of the navigation."""

    title: str
    page: str
    """Its path below docs/, as "parts/cors.md"."""


@dataclass(frozen=True)
class Section:
    """A heading of the first page, and what is listed below it."""

    title: str
    entries: list[Entry]


def entries(text: str, page: str) -> list[Entry]:
    """Return the links that begin the lines of lists and tables on a page, in their order."""
    folder = PurePosixPath(page).parent
    return [
        Entry(title.replace("`", ""), os.path.normpath(folder / target))
        for title, target in ENTRY.findall(FENCED.sub("", text))
    ]


def sections(text: str, page: str = "index.md") -> list[Section]:
    """Return the sections of the first page that have entries."""
    _, *parts = HEADING.split(text)
    found = [
        Section(title, entries(body, page))
        for title, body in zip(parts[::2], parts[1::2], strict=True)
    ]
    return [section for section in found if section.entries]


def check(pages: Iterable[str], listed: Iterable[tuple[str, Entry]]) -> None:
    """Raise NavigationError unless every page is listed exactly once.

    pages: the paths of all pages below docs/, but for the first one.
    listed: every entry, with the page that lists it.
    """
    pages = set(pages)
    by_page: dict[str, list[str]] = {}
    for lister, entry in listed:
        by_page.setdefault(entry.page, []).append(lister)
    problems = [
        f"docs/{page} is in no list: add a line `* [Title]({page})` below the heading of "
        "docs/index.md where a reader looks for it (or in the index.md of its folder)"
        for page in sorted(pages - by_page.keys())
    ]
    problems += [
        f"docs/{listers[0]} lists docs/{page}, which does not exist"
        for page, listers in sorted(by_page.items())
        if page not in pages
    ]
    problems += [
        f"docs/{page} is listed {len(listers)} times, in docs/{' and docs/'.join(listers)}: "
        "a page has one place"
        for page, listers in sorted(by_page.items())
        if len(listers) > 1 and page in pages
    ]
    if problems:
        raise NavigationError("\n".join(problems))
