"""The tree is what pyproject.toml and the docs say it is."""

from __future__ import annotations

import importlib
import importlib.util
import re
import subprocess
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

import anylane

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = {
    "core": "anylane",
    "backends": "anylane_backends",
    "conformance": "anylane_conformance",
}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def entry_points() -> dict[str, str]:
    project = PROJECT["project"]
    groups = [project["scripts"], *project["entry-points"].values()]
    return {target: name for group in groups for name, target in group.items()}


@pytest.mark.parametrize(("root", "package"), PACKAGES.items())
def test_each_import_root_holds_one_typed_package(root: str, package: str) -> None:
    found = [path.name for path in (ROOT / root).iterdir() if path.name != "__pycache__"]
    assert found == [package]
    assert (ROOT / root / package / "__init__.py").exists()
    assert (ROOT / root / package / "py.typed").exists()


@pytest.mark.parametrize("target", entry_points())
def test_each_entry_point_names_something_that_exists(target: str) -> None:
    module, _, attribute = target.partition(":")
    found = importlib.import_module(module)
    assert not attribute or callable(getattr(found, attribute))


def test_the_version_is_the_same_wherever_it_is_written() -> None:
    assert anylane.__version__ == PROJECT["project"]["version"]


def test_tox_runs_every_backend_on_every_python_that_is_claimed() -> None:
    pythons, lanes = PROJECT["tool"]["tox"]["env_list"][0]["product"]
    claimed = [
        f"py3{match[1]}"
        for line in PROJECT["project"]["classifiers"]
        if (match := re.search(r":: 3\.(\d+)$", line))
    ]
    assert pythons == claimed
    assert lanes["lane"] == ["core", *PROJECT["project"]["entry-points"]["anylane.backends"]]


def test_no_file_names_a_place_on_somebodys_machine() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    place = re.compile(rb"(?<![\w.])/(?:(?:home|Users)/\w+/|root/)[\w.]")
    files = [ROOT / name.decode() for name in listed.stdout.split(b"\0") if name]
    assert [
        str(f.relative_to(ROOT)) for f in files if f.is_file() and place.search(f.read_bytes())
    ] == []


# --- the table of lines in docs/backends.md ---------------------------------------------------

LINES = ROOT / "docs" / "tools" / "lines.py"


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(LINES.parent)  # as when it is run as a script
    spec = importlib.util.spec_from_file_location("lines", LINES)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ("", 0),
        ('"""A module."""\n\n# why\nx = 1  # so\n', 1),
        ('def f():\n    """Say\n    more."""\n    return (\n        1\n    )\n', 4),
        ('class C:\n    x: int = 1\n    """Of a field."""\n', 2),
        ('text = """\n\nin a value\n"""\n', 4),
    ],
)
def test_only_lines_with_code_are_counted(lines: ModuleType, source: str, count: int) -> None:
    assert lines.lines_of_code(source) == count
