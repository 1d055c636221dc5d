"""What the guides show passes a type checker at its strictest."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_docs import ROOT, snippets

PAGES = ("tutorial", "dependencies", "validation")


def test_the_code_of_the_guides_passes_mypy_strict(tmp_path: Path) -> None:
    command = Path(sys.executable).parent / "mypy"
    if not command.exists():
        pytest.skip("this environment is without the group lint")
    for name in PAGES:
        code = "\n".join(code for code, _ in snippets(ROOT / f"docs/{name}.md"))
        (tmp_path / f"{name}.py").write_text(code, encoding="utf-8")
    done = subprocess.run(
        [command, "--strict", f"--cache-dir={ROOT}/.mypy_cache/type_checkers", *tmp_path.iterdir()],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
