"""What the documents show is true: snippets run, links lead somewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from anylane import App

ROOT = Path(__file__).parents[1]
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
FENCE = re.compile(r"^( *)```python\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")


def snippets(page: Path) -> list[str]:
    """The Python blocks of a page, in order, without their indentation."""
    return [
        re.sub(rf"^{indent}", "", code, flags=re.MULTILINE)
        for indent, code in FENCE.findall(page.read_text(encoding="utf-8"))
    ]


@pytest.mark.parametrize("page", [page for page in PAGES if snippets(page)], ids=lambda p: p.name)
def test_snippets_of_a_page_run_one_after_the_other(
    page: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served: list[str] = []
    monkeypatch.setattr(App, "run", lambda self, backend="asyncio", **_: served.append(backend))
    namespace: dict[str, object] = {}
    for code in snippets(page):
        exec(compile(code, str(page), "exec"), namespace)
    if page.name == "README.md":
        assert served == ["trio"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_relative_links_lead_to_a_file(page: Path) -> None:
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("tool", ["lines", "diagrams", "configuration", "examples"])
def test_what_is_drawn_from_the_code_is_current(tool: str) -> None:
    command = [sys.executable, str(ROOT / f"docs/tools/{tool}.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
