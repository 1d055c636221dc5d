"""What Sphinx reads: the pages of docs/, with links that work on the site, and the API's pages.

The pages stay what GitHub shows. Here a copy of them gets the navigation, and links that leave
docs/ lead to a page of the site: the changelog's, or one that shows the source file.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path, PurePosixPath

from docs.website import navigation
from docs.website.api import api_pages
from docs.website.navigation import Entry

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"

OUTSIDE = {
    "CHANGELOG.md": "changelog.md",
    "CODE_OF_CONDUCT.md": "code-of-conduct.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "report-a-vulnerability.md",
    "benchmarks/REPORT.md": "benchmarks.md",
}
"""Pages outside docs/ that the site has too, and how they are called there."""

ONLY_HERE = re.compile(r"<!-- on the site: (\[[^]]+\]) (\S+\.md): (.*?) -->", re.DOTALL)
"""A line of a list whose page is made for the site, so that GitHub cannot show it."""

LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)\s#]+)(#[^)\s]*)?\)")
FENCE = re.compile(r"^ *(```|~~~)")
ARROW = re.compile(r"^ +(\S+) --> (\w+)(?:: (\w+))?$")
IMAGES = {".svg", ".png"}
LEXERS = {".py": "python", ".toml": "toml", ".html": "html", ".js": "javascript", ".md": "markdown"}


class Pages:
    """The pages of the site, by their path below its source folder."""

    def __init__(self) -> None:
        self.files: dict[str, str] = {}
        self.images: dict[str, Path] = {}
        self._shown: set[str] = set()
        for path in sorted(DOCS.glob("**/*.md")):
            name = path.relative_to(DOCS).as_posix()
            self.files[name] = self._read(path, name)
        for source, name in OUTSIDE.items():
            self.files[name] = self._read(ROOT / source, name)
        for source in sorted(self._shown):
            self.files |= source_pages(source)
        self.files |= api_pages()
        self._navigate()

    def write(self, folder: Path) -> None:
        """Write them into a folder."""
        for name, text in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        for name, image in self.images.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(image, path)

    def _read(self, path: Path, name: str) -> str:
        text = ONLY_HERE.sub(r"* \1(\2): \3", path.read_text(encoding="utf-8"))
        lines: list[str] = []
        fence = ""
        for line in text.split("\n"):
            mark = FENCE.match(line)
            if mark and not fence:
                fence = mark[1]
            elif mark and mark[1] == fence:
                fence = ""
            lines.append(line if fence or mark else self._relink(line, path, name))
        return with_tables("\n".join(lines))

    def _relink(self, line: str, path: Path, name: str) -> str:
        def replaced(found: re.Match[str]) -> str:
            target = (path.parent / found[1]).resolve()
            relative = os.path.relpath(target, ROOT).replace(os.sep, "/")
            if relative == "README.md":
                page = "index.md"
            elif relative in OUTSIDE:
                page = OUTSIDE[relative]
            elif target.suffix == ".md" and target.is_relative_to(DOCS):
                page = target.relative_to(DOCS).as_posix()
            elif target.suffix in IMAGES and target.is_file():
                page = f"images/{relative}"
                self.images[page] = target
            elif target.exists():
                self._shown.add(relative)
                page = f"source/{relative}.md"
            else:
                raise navigation.NavigationError(
                    f"{path.relative_to(ROOT)} links to {found[1]}, which does not exist: "
                    "link to a page, a source file or a folder of them"
                )
            here = PurePosixPath(name).parent
            return f"]({os.path.relpath(page, here)}{found[2] or ''})"

        return LINK.sub(replaced, line)

    def _navigate(self) -> None:
        """Give each page that lists others its part of the navigation.

        Raises NavigationError unless every page is listed once.
        """
        first = navigation.sections(self.files["index.md"])
        listed = [("index.md", entry) for section in first for entry in section.entries]
        trees = [_tree(section.entries, "index.md", section.title) for section in first]
        for name, text in sorted(self.files.items()):
            if name != "index.md" and PurePosixPath(name).name == "index.md":
                entries = navigation.entries(text, name)
                entries = [each for each in entries if _inside(each.page, name)]
                listed += [(name, entry) for entry in entries]
                self.files[name] += _tree(entries, name)
        self.files["index.md"] += "".join(trees)
        pages = self.files.keys() - {"index.md"}
        own = {page for page in pages if page.endswith(".md") and not page.startswith("source/")}
        names = {page for page in own if page.startswith("api/")}
        navigation.check(
            {_in_docs(page) for page in own - names} | {"api/index.md"},
            [
                (lister, Entry(entry.title, _in_docs(entry.page)))
                for lister, entry in listed
                if not lister.startswith("api/")
            ],
        )


def _in_docs(page: str) -> str:
    """Return a page as docs/index.md links to it."""
    outside = {name: f"../{source}" for source, name in OUTSIDE.items()}
    return outside.get(page, page)


def _inside(page: str, index: str) -> bool:
    return PurePosixPath(index).parent in PurePosixPath(page).parents


def _tree(entries: list[Entry], page: str, caption: str = "") -> str:
    folder = PurePosixPath(page).parent
    lines = [
        f"{entry.title} <{os.path.relpath(entry.page, folder).removesuffix('.md')}>"
        for entry in entries
    ]
    head = [":hidden:", *([f":caption: {caption}"] if caption else [])]
    return "\n".join(["", "```{toctree}", *head, "", *lines, "```", ""])


def with_tables(text: str) -> str:
    """Return a page with its state diagrams as tables: drawing takes another program."""

    def table(found: re.Match[str]) -> str:
        rows = [ARROW.match(line) for line in found[1].split("\n")]
        cells = [(row[1], row[3] or "", row[2]) for row in rows if row]
        shown = ["| `{}` | {} | `{}` |".format(a, f"`{by}`" if by else "", b) for a, by, b in cells]
        first = shown[0].replace("`[*]`", "at first")
        return "\n".join(["| from | by | to |", "|---|---|---|", first, *shown[1:]])

    return re.sub(r"```mermaid\nstateDiagram-v2\n(.*?)\n```", table, text, flags=re.DOTALL)


def source_pages(source: str) -> dict[str, str]:
    """Return a page that shows a source file; of a folder one with its files, and theirs."""
    path = ROOT / source
    head = f"---\norphan: true\n---\n\n# {source}\n"
    if path.is_dir():
        files = sorted(each for each in path.iterdir() if each.is_file())
        links = [f"* [{each.name}]({path.name}/{each.name}.md)" for each in files]
        pages = {f"source/{source}.md": "\n".join([head, *links, ""])}
        for each in files:
            pages |= source_pages(f"{source}/{each.name}")
        return pages
    lexer = LEXERS.get(path.suffix, "text")
    text = path.read_text(encoding="utf-8").rstrip()
    return {f"source/{source}.md": f"{head}\n````{lexer}\n{text}\n````\n"}
