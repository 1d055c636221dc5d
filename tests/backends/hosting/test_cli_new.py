"""`anylane new`: the project that it writes, tried as its README says, and what it refuses."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
import urllib.request
from pathlib import Path

import pytest
from click.testing import Result

import anylane
from anylane_backends.hosting.cli.new_project import BACKENDS
from anylane_backends.hosting.loading import BackendError, load_backend
from tests.backends.hosting.invoked import invoked

COMMANDS = Path(sys.executable).parent
ROOT = Path(__file__).resolve().parents[3]
FILES = [
    ".gitignore",
    "Containerfile",
    "README.md",
    "pyproject.toml",
    "src/price_list/__init__.py",
    "src/price_list/app.py",
    "tests/test_app.py",
]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def new(*arguments: str) -> Result:
    return invoked("new", *arguments)


def project(*arguments: str) -> Path:
    result = new("Price-List", *arguments)
    assert (result.exit_code, result.stderr) == (0, "")
    return Path("Price-List").absolute()


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())


def passes(command: str, *arguments: str, folder: Path) -> None:
    """Run a command of this environment; skip the test where its group is not installed."""
    found = COMMANDS / command
    if not found.exists():
        pytest.skip(f"this environment is without {command}")
    done = subprocess.run(
        [found, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


# --- the project --------------------------------------------------------------------------------


def test_its_files_are_written_and_told(folder: Path) -> None:
    result = new("Price-List")
    assert files(folder / "Price-List") == FILES
    *told, last = result.stdout.splitlines()
    assert told == [f"Price-List/{file}" for file in FILES]
    assert last == "Next: Price-List/README.md has the commands that run and test it."


def test_a_path_is_the_folder_and_its_last_part_the_name(folder: Path) -> None:
    (folder / "services").mkdir()
    assert new("services/Price.List").exit_code == 0
    assert files(folder / "services/Price.List") == FILES


@pytest.mark.parametrize("backend", BACKENDS)
def test_it_depends_on_what_its_backend_needs(backend: str) -> None:
    found = project("--backend", backend)
    settings = tomllib.loads((found / "pyproject.toml").read_text(encoding="utf-8"))
    (requirement,) = settings["project"]["dependencies"]
    extras = re.fullmatch(rf"anylane\[(.*)\]~={re.escape(anylane.__version__)}", requirement)
    assert extras is not None
    known = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lanes = {backend} & known["optional-dependencies"].keys()
    assert {*extras[1].split(",")} == {"docs", "health", "typed"} | lanes
    assert settings["project"]["name"] == "price-list"


def test_nothing_is_left_to_be_filled_in() -> None:
    found = project()
    for file in FILES:
        text = (found / file).read_text(encoding="utf-8")
        assert not re.search(r"PACKAGE|\$[a-z{]", text), file


@pytest.mark.parametrize("backend", BACKENDS)
def test_its_tests_pass_and_it_is_served(backend: str) -> None:
    try:
        load_backend(backend)
    except BackendError as exc:
        pytest.skip(str(exc))
    found = project("--backend", backend)
    passes("pytest", "-q", folder=found)
    server = subprocess.Popen(
        [sys.executable, "-m", "anylane", "run", "--port", "0", "--app-dir", "src"],
        cwd=found,
        env={**os.environ, "ANYLANE_APP": "price_list.app:app", "ANYLANE_BACKEND": backend},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        line = server.stdout.readline()
        url = re.search(r"http://\S+:\d+", line)
        assert url is not None and f"({backend}" in line, line
        with urllib.request.urlopen(f"{url[0]}/greetings/Ada?language=fr", timeout=10) as answer:
            assert json.load(answer) == {"text": "Bonjour, Ada!"}
        server.terminate()
        assert server.wait(10) == 0
    finally:
        server.kill()
        server.communicate()


def test_its_types_are_right() -> None:
    found = project()
    passes("mypy", folder=found)
    settings = tomllib.loads((found / "pyproject.toml").read_text(encoding="utf-8"))
    assert settings["tool"]["mypy"]["strict"]
    strict = {"typeCheckingMode": "strict", "include": ["src", "tests"]}
    (found / "pyrightconfig.json").write_text(json.dumps(strict), encoding="utf-8")
    passes("pyright", "--pythonpath", sys.executable, folder=found)


def test_it_is_formatted_as_ruff_would() -> None:
    found = project()
    passes("ruff", "format", "--isolated", "--check", folder=found)
    passes("ruff", "check", "--isolated", "--select=E,F,I,B,UP,ANN,RUF", folder=found)


# --- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("", "'' cannot be a project's name; expected ASCII letters, digits"),
        (".", "'.' cannot be a project's name"),
        ("..", "'..' cannot be a project's name"),
        ("1st", "'1st' cannot be a project's name"),
        ("_shop", "'_shop' cannot be a project's name"),
        ("shop-", "'shop-' cannot be a project's name"),
        ("my shop", "'my shop' cannot be a project's name"),
        ("Größe", "'Größe' cannot be a project's name"),
        ("Class", "'class' is a keyword of Python; choose another name"),
        ("json", "there is a module 'json' already, which the project would hide"),
        ("PyTest", "there is a module 'pytest' already"),
        ("anylane-backends", "there is a module 'anylane_backends' already"),
        ("tests", "there is a module 'tests' already"),
        ("Hatchling", "there is a module 'hatchling' already"),
        ("none/shop", "there is no folder none; create it first"),
        ("file/shop", "file/shop cannot be written: Not a directory"),
        ("file", "file exists already; choose another name"),
    ],
)
def test_what_cannot_be_created_is_one_line_and_exit_code_3(
    name: str, expected: str, folder: Path
) -> None:
    (folder / "file").write_text("mine", encoding="utf-8")
    result = new(name)
    assert result.exit_code == 3
    assert result.stdout == ""
    assert result.stderr.startswith("anylane: ") and result.stderr.count("\n") == 1
    assert expected in result.stderr
    assert files(folder) == ["file"]


def test_an_option_is_no_name() -> None:
    result = new("--", "-shop")
    assert "'-shop' cannot be a project's name" in result.stderr


def test_what_exists_is_left_alone(folder: Path) -> None:
    (folder / "Price-List").mkdir()
    result = new("Price-List")
    assert result.exit_code == 3
    assert "Price-List exists already; choose another name" in result.stderr
    assert files(folder) == []


def test_an_unknown_backend_is_told_with_the_known_ones() -> None:
    result = new("shop", "--backend", "trip")
    assert result.exit_code == 2
    assert "'trip' is not one of 'asyncio', 'uvloop'" in result.stderr


def test_a_module_beside_the_project_is_not_in_its_way(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # `python -m anylane` has the working folder first on the path.
    monkeypatch.syspath_prepend(folder)
    (folder / "price_list.py").touch()
    assert project().is_dir()
