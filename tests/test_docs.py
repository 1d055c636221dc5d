"""What the documents show is true: snippets run, links lead somewhere."""

from __future__ import annotations

import ast
import importlib.util
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

import anylane
import anylane.protocol
import anylane.testing
from anylane import App
from anylane.errors import AnylaneError

ROOT = Path(__file__).parents[1]
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
FENCE = re.compile(
    r"^( *)```python\n(.*?)^\1```$(?:\n\n```text\n((?:Route|Usage)Error: .*?)^```$)?",
    re.MULTILINE | re.DOTALL,
)
OPENING = re.compile(r"^ *(?:```|~~~)([^`\n]+)$", re.MULTILINE)
LANGUAGES = {"python", "console", "html", "ini", "javascript", "mermaid", "text", "toml"}
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")
FRAGMENT = re.compile(r"\]\((?!https?:)([^)#]*)#([^)]+)\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)


def snippets(page: Path) -> list[tuple[str, str]]:
    """Return the Python blocks of a page, in order, without their indentation, each with the error
    that stands below it.

    Each begins with as many empty lines as stand above it, so that tracebacks show the page.
    """
    text = page.read_text(encoding="utf-8")
    return [
        (
            "\n" * text.count("\n", 0, found.start(2))
            + re.sub(rf"^{found[1]}", "", found[2], flags=re.MULTILINE),
            found[3] or "",
        )
        for found in FENCE.finditer(text)
    ]


def as_shown(error: str) -> str:
    """Return a message as the pages have it: on one line, and without the places of functions."""
    text = re.sub(r"\bNone\.(?=\w)", "main.", re.sub(r" \([^()\s]+:\d+\)", "", error))
    return " ".join(text.split())


@pytest.mark.parametrize("page", [page for page in PAGES if snippets(page)], ids=lambda p: p.name)
def test_snippets_of_a_page_run_one_after_the_other(
    page: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served: list[str] = []
    monkeypatch.setattr(App, "run", lambda self, backend="asyncio", **_: served.append(backend))
    # A reader runs the first page as a program.
    namespace: dict[str, object] = {"__name__": "__main__"} if page.name == "README.md" else {}
    for code, error in snippets(page):
        said = ""
        try:
            exec(compile(code, str(page), "exec", dont_inherit=True), namespace)
        except AnylaneError as exc:
            if not error:
                raise
            said = f"{type(exc).__name__}: {exc}"
        assert as_shown(said) == as_shown(error)
    if page.name == "README.md":
        assert served == ["asyncio"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_python_hides_behind_another_name(page: Path) -> None:
    # `py`, `python title="..."`, `pycon`: none of them would be run.
    assert {*OPENING.findall(page.read_text(encoding="utf-8"))} <= LANGUAGES


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_relative_links_lead_to_a_file(page: Path) -> None:
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


def anchors(page: Path) -> set[str]:
    """Return what a link may name behind `#`: the headings, as GitHub writes them."""
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in HEADING.findall(page.read_text(encoding="utf-8"))
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_into_a_page_lead_to_a_heading(page: Path) -> None:
    for target, anchor in FRAGMENT.findall(page.read_text(encoding="utf-8")):
        found = page.parent / target if target else page
        assert anchor in anchors(found), f"{page.name} links to {target}#{anchor}"


def test_every_error_of_a_registering_line_is_shown() -> None:
    shown = " ".join((ROOT / "docs/registration-errors.md").read_text("utf-8").split())
    raised = 0
    for file in (ROOT / "core/anylane/typed").rglob("*.py"):
        for call in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "RouteError":
                texts = [
                    each.value.strip(" ;:,")
                    for each in ast.walk(call)
                    if isinstance(each, ast.Constant) and isinstance(each.value, str)
                ]
                text = max(texts, key=len, default="")
                assert text in shown, f"{file.name}:{call.lineno}"
                raised += bool(text)
    assert raised > 25


TOOLS = ["lines", "diagrams", "configuration", "examples", "limits", "hooks", "smuggling",
         "transport", "workers", "module_map", "supported_versions", "deployment",
         "security", "hosts", "interop"]  # fmt: skip


@pytest.mark.parametrize("tool", TOOLS)
def test_what_is_drawn_from_the_code_is_current(tool: str) -> None:
    command = [sys.executable, str(ROOT / f"docs/tools/{tool}.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "module",
    [anylane, anylane.testing, anylane.protocol],
    ids=lambda module: module.__name__,
)
def test_the_reference_has_an_example_of_every_public_name(module: ModuleType) -> None:
    page = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    chapter = page.partition(f"\n## {module.__name__}\n")[2].partition("\n## ")[0]
    entries = dict(
        re.findall(r"^### `(\w+)`\n(.*?)(?=^### |\Z)", chapter, re.MULTILINE | re.DOTALL)
    )
    assert entries.keys() == {*module.__all__}
    for name, text in entries.items():
        codes = [code for _, code, _ in FENCE.findall(text)]
        assert any(re.search(rf"\b{name}\b", code) for code in codes), f"no example of {name}"


def section(page: str, heading: str) -> str:
    """Return what stands under a heading of docs/`page`, up to the next one of its level."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    _, found, rest = text.partition(f"\n## {heading}\n")
    assert found, f"docs/{page} has no heading {heading!r}"
    return rest.partition("\n## ")[0]


def test_the_files_that_ten_changes_need_exist() -> None:
    rows = section("architecture.md", "Ten changes and the file that each needs").splitlines()
    changes = [row.strip("|").split(" | ") for row in rows if row.startswith("| ")][1:]
    assert len(changes) == 10
    for change, *cells in changes:
        for cell in cells:
            for path in re.findall(r"`([^`]*[/.][^`]*)`", cell):
                later = cell.startswith("later: ")
                assert (ROOT / path).exists() is not later, f"{change}: {path}"


def test_the_module_map_has_a_sentence_for_every_module() -> None:
    rows = re.findall(
        r"^\|.* `(\w+\.py)` \|(.*)\|$", section("architecture.md", "The module map"), re.MULTILINE
    )
    assert len(rows) > 200
    assert [name for name, purpose in rows if not purpose.strip()] == []


@cache
def shown_names() -> set[str]:
    """Return the names of every test, every row of the limits and every case of the suite."""
    from anylane_conformance.cases import load

    files = [*ROOT.glob("tests/**/test_*.py"), *ROOT.glob("docs/examples/test_*.py")]
    defined = {
        name for file in files for name in re.findall(r"def (\w+)\(", file.read_text("utf-8"))
    }
    return defined | load().keys()


def first_cells(text: str, cells: int = 1) -> set[str]:
    """Return the names in backticks in the first cells of the rows of a table."""
    rows = [
        row.replace("\\|", "").strip("|").split("|") for row in text.splitlines() if row[:1] == "|"
    ]
    return {
        name
        for row in rows[2:]
        for cell in row[:cells]
        for name in re.findall(r"`(?:await )?(\w+)[^`]*`", cell)
    }


def test_what_the_pages_say_that_a_lane_finds_is_there() -> None:
    from anylane.lane.driver import Driver
    from anylane.lane.link import Link
    from anylane.protocol import Connection
    from anylane.testing import World

    link = "Link (the port between tier 1 and a lane)"
    for found, page, heading, cells in (
        (World(App()).server, "writing-a-backend.md", "The server", 1),
        (Link, "architecture.md", link, 1),
        (Driver, "architecture.md", "Driver (the pump)", 2),
        (Connection, "architecture.md", "Connection (tier 0)", 2),
    ):
        text = section(page, heading).partition("\n### ")[0]
        names = first_cells(text, cells)
        assert len(names) > 10
        missing = {name for name in names if not hasattr(found, name)}
        assert not missing - {"False", "NO", "SEND_EOF", "CLOSE", "ABORT"}, heading


def test_the_settings_that_are_the_lanes_exist() -> None:
    config = anylane.ServerConfig()
    names = re.findall(r"^\| (`.*?) \|", section("writing-a-backend.md", "Settings"), re.MULTILINE)
    settings = [name for cell in names for name in re.findall(r"`([\w.]+)`", cell)]
    assert "nodelay" in settings
    for name in settings:
        table, _, leaf = name.rpartition(".")
        assert hasattr(getattr(config, table) if table else config, leaf), name


DECISIONS = sorted(set(ROOT.glob("docs/decisions/*.md")) - {ROOT / "docs/decisions/index.md"})


@pytest.mark.parametrize("page", DECISIONS, ids=lambda page: page.stem)
def test_each_decision_has_a_date_a_reason_and_something_that_holds_it(page: Path) -> None:
    shown = shown_names()
    _, *entries = page.read_text(encoding="utf-8").split("\n## ")
    assert entries
    for entry in entries:
        title, _, text = entry.partition("\n")
        assert re.search(r"^\*\*Decided\*\* \(\d{4}-\d\d-\d\d[^)]*\): ", text, re.MULTILINE), title
        assert re.search(r"^\*\*Why:\*\* ", text, re.MULTILINE), title
        held = text.partition("**Held by:** ")[2].partition("\n\n")[0]
        names = re.findall(r"`([^`]+)`", held)
        assert names, f"{title}: nothing holds it"
        for name in names:
            assert name in shown or (ROOT / name).exists(), f"{title}: there is no {name}"


def test_the_index_of_decisions_has_every_page() -> None:
    index = (ROOT / "docs/decisions/index.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^\| \[.*?\]\((.*?)\)", index, re.MULTILINE)) == [
        page.name for page in DECISIONS
    ]


def test_what_the_page_on_hyperlane_points_to_exists() -> None:
    shown = shown_names()
    rows = 0
    for line in (ROOT / "docs/from-hyperlane.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if not line.startswith("| ") or len(cells) != 3 or cells[2] in ("where", "not yet"):
            continue
        modules, _, names = cells[2].partition(": ")
        rows += 1
        for module in re.findall(r"`([^`]+)`", modules):
            assert importlib.util.find_spec(module) is not None, f"{line}: there is no {module}"
        found = re.findall(r"`([^`]+)`", names)
        assert found, f"{line}: no test is named"
        assert set(found) <= shown, f"{line}: there is no {set(found) - shown}"
    assert rows > 30
