"""The tree is what pyproject.toml and the docs say it is."""

from __future__ import annotations

import importlib
import importlib.util
import json
import re
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
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


# --- exceptions from lint in pyproject.toml ---------------------------------------------------

IGNORES: dict[str, list[str]] = PROJECT["tool"]["ruff"]["lint"]["per-file-ignores"]
FOLDERS = [*PACKAGES, "tests", "tools", "docs", "benchmarks"]


def without_braces(pattern: str) -> list[str]:
    """Return the patterns that one with {alternatives} stands for."""
    begin, brace, rest = pattern.partition("{")
    if not brace:
        return [pattern]
    middle, _, end = rest.partition("}")
    return [each for word in middle.split(",") for each in without_braces(begin + word + end)]


@pytest.mark.parametrize("pattern", [each for key in IGNORES for each in without_braces(key)])
def test_an_exception_from_lint_names_files_that_exist(pattern: str) -> None:
    files = (path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
    assert any(fnmatch(str(path.relative_to(ROOT)), pattern) for path in files)


def test_each_exception_from_lint_is_needed() -> None:
    """A rule that finds nothing where it is switched off can be switched on there."""
    ruff = Path(sys.executable).parent / "ruff"
    if not ruff.exists():
        pytest.skip("this environment is without the group lint")
    options = ["--no-cache", "--exit-zero", "--output-format=json"]
    command = [str(ruff), "check", *options, "--config=lint.per-file-ignores={}", *FOLDERS]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    found = {
        (each["code"], str(Path(each["filename"]).relative_to(ROOT)))
        for each in json.loads(done.stdout)
    }
    assert [
        f"{pattern}: {rule}"
        for pattern, rules in IGNORES.items()
        for rule in rules
        if not any(
            code.startswith(rule) and fnmatch(file, each)
            for code, file in found
            for each in without_braces(pattern)
        )
    ] == []


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("a/**", ["a/**"]),
        ("a/{b,c/d}.py", ["a/b.py", "a/c/d.py"]),
        ("{a,b}/{c,d}", ["a/c", "a/d", "b/c", "b/d"]),
    ],
)
def test_braces_stand_for_several_patterns(pattern: str, expected: list[str]) -> None:
    assert without_braces(pattern) == expected


# --- what checks a commit ---------------------------------------------------------------------


def test_hooks_of_a_commit_are_commands_of_this_environment_and_those_of_make_fix() -> None:
    pytest.importorskip("pre_commit", reason="this environment is without the group lint")
    yaml = pytest.importorskip("yaml")

    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    assert [each["repo"] for each in config["repos"]] == ["local"], "nothing but PyPI is needed"
    hooks = config["repos"][0]["hooks"]
    assert {each["language"] for each in hooks} == {"system"}
    for hook in hooks:
        folder, slash, command = hook["entry"].partition("/bin/")
        assert (folder, slash) == (".venv", "/bin/")
        assert (Path(sys.executable).parent / command.split()[0]).exists(), command
        for file in re.findall(r"\S+\.py", command):
            assert (ROOT / file).exists()
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    fix = re.search(r"^fix: .*\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    assert fix is not None
    assert fix[1].replace("\t$(BIN)", ".venv/bin").splitlines() == [
        each["entry"] for each in hooks if "ruff" in each["entry"]
    ]


def test_pre_commit_understands_its_hooks() -> None:
    pre_commit = Path(sys.executable).parent / "pre-commit"
    if not pre_commit.exists():
        pytest.skip("this environment is without the group lint")
    subprocess.run([pre_commit, "validate-config"], cwd=ROOT, check=True, capture_output=True)
