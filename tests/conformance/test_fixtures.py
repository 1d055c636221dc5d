"""The fixture `client`, as a project that tests its app uses it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CONFTEST = """
import pytest
from anylane import App

pytest_plugins = ["anylane_conformance.fixtures"]

@pytest.fixture
def anylane_app():
    app = App()
    app.get("/")(lambda ctx: ctx.request.client[0])
    return app
"""


def run(folder: Path, **files: str) -> str:
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def test_client_is_a_client_of_the_overridden_app(tmp_path: Path) -> None:
    test = 'def test_it(client):\n    assert client.get("/").text == "192.0.2.1"\n'
    assert "1 passed" in run(tmp_path, conftest=CONFTEST, test_it=test)


def test_a_parametrised_backend_runs_each_test_on_each_lane(tmp_path: Path) -> None:
    lanes = (
        '\n@pytest.fixture(params=[None, "asyncio", "threads"])\n'
        "def anylane_backend(request):\n    return request.param\n"
    )
    test = 'def test_it(client):\n    assert client.get("/").status == 200\n'
    assert "3 passed" in run(tmp_path, conftest=CONFTEST + lanes, test_it=test)


def test_without_an_app_it_says_what_to_define(tmp_path: Path) -> None:
    conftest = 'pytest_plugins = ["anylane_conformance.fixtures"]\n'
    said = run(tmp_path, conftest=conftest, test_it="def test_it(client):\n    pass\n")
    assert "define a fixture `anylane_app`" in said


def test_nobody_gets_it_unasked(tmp_path: Path) -> None:
    said = run(tmp_path, test_it="def test_it(client):\n    pass\n")
    assert "fixture 'client' not found" in said
