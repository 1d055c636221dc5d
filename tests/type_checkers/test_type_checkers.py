"""What mypy and pyright see: each mistake of wrong_lines.py, and none in right_lines.py."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any, get_overloads

import pytest

from anylane import App, Context, ServerConfig

ROOT = Path(__file__).resolve().parents[2]
WRONG = Path(__file__).with_name("wrong_lines.py")
RIGHT = Path(__file__).with_name("right_lines.py")
COMMANDS = Path(sys.executable).parent

PAGE = ROOT / "docs" / "typed-handlers.md"

Errors = dict[tuple[str, int], set[str]]
"""The codes that a checker reports, by file and line."""

EXPECTATION = re.compile(r"  # mypy: (?P<mypy>[\w, -]+); pyright: (?P<pyright>[\w, ]+)$")


def expected(source: str, checker: str) -> Errors:
    """Return what the comments of wrong_lines.py say of a checker."""
    return {
        (WRONG.name, number): set(match[checker].split(", "))
        for number, line in enumerate(source.splitlines(), 1)
        if (match := EXPECTATION.search(line))
    }


def command(name: str) -> Path:
    """Return a command of the environment; skip the test where its group is not installed."""
    found = COMMANDS / name
    if not found.exists():
        pytest.skip("this environment is without the group lint")
    return found


def reported_by_mypy() -> tuple[Errors, set[str]]:
    """Return what mypy reports with the settings of the project, and its messages."""
    # A cache of its own: `make test` runs mypy over the project at the same time.
    done = subprocess.run(
        [command("mypy"), "--cache-dir=.mypy_cache/type_checkers", "--output=json", WRONG, RIGHT],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    found: Errors = {}
    messages = set()
    for each in map(json.loads, done.stdout.splitlines()):
        if each["severity"] == "error":
            place = (Path(each["file"]).name, each["line"])
            found.setdefault(place, set()).add(each["code"])
            messages.add(each["message"])
    return found, messages


def reported_by_pyright(folder: Path) -> Errors:
    """Return what pyright reports with the settings of the project.

    folder: where the files are copied to. Pyright reads no file that its settings exclude.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    settings: dict[str, Any] = project["tool"]["pyright"]
    rules = {name: value for name, value in settings.items() if name.startswith("report")}
    config = rules | {
        "typeCheckingMode": settings["typeCheckingMode"],
        "pythonVersion": settings["pythonVersion"],
        "extraPaths": [str(ROOT / each) for each in settings["extraPaths"]],
        "reportMissingParameterType": False,  # as in all tests
    }
    (folder / "pyrightconfig.json").write_text(json.dumps(config), encoding="utf-8")
    for each in (WRONG, RIGHT):
        shutil.copy(each, folder)
    done = subprocess.run(
        [command("pyright"), "--outputjson", "--pythonpath", sys.executable],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    answer = json.loads(done.stdout)
    assert answer["summary"]["filesAnalyzed"] == 2
    found: Errors = {}
    for each in answer["generalDiagnostics"]:
        place = (Path(each["file"]).name, each["range"]["start"]["line"] + 1)
        found.setdefault(place, set()).add(each.get("rule", each["message"]))
    return found


def shown_in_the_docs() -> list[list[str]]:
    """Return the lines of each block of text in the page's section about type checkers."""
    _, _, section = PAGE.read_text(encoding="utf-8").partition("## What a type checker sees")
    blocks = re.findall(r"^```text\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    return [each.splitlines() for each in blocks]


def test_mypy_sees_each_mistake_and_nothing_else() -> None:
    source = WRONG.read_text(encoding="utf-8")
    found, messages = reported_by_mypy()
    assert found == expected(source, "mypy")
    wrong, said = shown_in_the_docs()
    assert [line for line in wrong if line.partition("#")[0].rstrip() not in source] == []
    assert {*said} <= messages


def test_pyright_sees_each_mistake_and_nothing_else(tmp_path: Path) -> None:
    assert reported_by_pyright(tmp_path) == expected(WRONG.read_text(encoding="utf-8"), "pyright")


def test_each_comment_about_a_checker_is_an_expectation() -> None:
    source = WRONG.read_text(encoding="utf-8")
    said = [line for line in source.splitlines() if re.search(r"#.*(mypy|pyright)", line)]
    assert len(said) == len(expected(source, "mypy")) > 90


def test_what_is_right_can_be_registered() -> None:
    spec = importlib.util.spec_from_file_location("right_lines", RIGHT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # Annotations that are text are looked up there.
    try:
        spec.loader.exec_module(module)
    finally:
        del sys.modules[spec.name]
    assert len(module.app.routes) > 15


STUB = ROOT / "core/anylane/routing/function_types.pyi"

LIKE_GET = {"post", "put", "patch", "delete", "head", "options"}
"""They are declared as `get` is."""

FOR_THE_FRAMEWORK = {"run_handler"}
"""What users do not call."""


def takers() -> set[str]:
    """Return the public functions that take one of the user's, or settings by keyword."""
    tree = ast.parse(STUB.read_text(encoding="utf-8"))
    names = {"Callable", "ServerSettings", "Source"}
    for each in tree.body:
        match each:
            case ast.Assign(targets=[ast.Name(id)]) | ast.AnnAssign(target=ast.Name(id)):
                names.add(id)
            case _:
                pass
    found = {
        name
        for owner in (App, Context, ServerConfig)
        for name, member in inspect.getmembers(owner, callable)
        if not name.startswith("_")
        for function in (member, *get_overloads(member))
        for annotation in getattr(function, "__annotations__", {}).values()
        if names.intersection(re.findall(r"\w+", str(annotation)))
    }
    return found - LIKE_GET - FOR_THE_FRAMEWORK


def test_both_files_use_everything_that_takes_a_function() -> None:
    wanted = takers() | {"Depends", "Server", "TestClient", "serve"}
    assert {"middleware", "run", "run_sync", "select", "strict", "websocket"} <= wanted
    for file in (WRONG, RIGHT):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        used = {each.attr for each in ast.walk(tree) if isinstance(each, ast.Attribute)}
        used |= {each.id for each in ast.walk(tree) if isinstance(each, ast.Name)}
        assert wanted - used == set(), file.name
