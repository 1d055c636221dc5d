"""The site, built once for all tests as `make docs-check` builds it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from docs.website.pages import ROOT


@pytest.fixture(scope="session")
def html(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the built site. A warning of the build fails every test that asks for it."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "docs.website.build", "--folder", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.fail(f"the site was not built:\n{done.stdout}{done.stderr}", pytrace=False)
    return folder / "html"
