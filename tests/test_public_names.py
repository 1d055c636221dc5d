"""`anylane` gives its names when they are asked for, and type checkers know them all the same."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import anylane
import anylane.contrib
import anylane.lane
import anylane.middleware
import anylane.protocol
import anylane.testing

PUBLIC = [
    anylane,
    anylane.contrib,
    anylane.lane,
    anylane.middleware,
    anylane.protocol,
    anylane.testing,
]


def typed_names() -> Iterator[tuple[str, str]]:
    """Yield (name, module) of every import of `anylane` that only type checkers see."""
    tree = ast.parse(Path(anylane.__file__).read_text(encoding="utf-8"))
    for block in tree.body:
        match block:
            case ast.If(test=ast.Name(id="TYPE_CHECKING"), body=body):
                for each in body:
                    assert isinstance(each, ast.ImportFrom) and each.module is not None
                    yield from ((alias.name, each.module) for alias in each.names)
            case _:
                pass


def printed(code: str) -> str:
    """Return what *code* prints in a fresh interpreter."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_table_and_the_type_checkers_know_the_same_names() -> None:
    packages = {(name, "anylane") for name in anylane._PACKAGES}
    assert {*typed_names()} == {*anylane._HOMES.items()} | packages
    assert sorted(anylane.__all__) == sorted(anylane._HOMES)


def test_a_name_is_what_its_module_defines_and_is_kept() -> None:
    for name, home in anylane._HOMES.items():
        value = getattr(anylane, name)
        assert value is getattr(sys.modules[home], name)
        assert vars(anylane)[name] is value


def test_an_import_loads_nothing_and_dir_tells_all() -> None:
    code = """
import sys, anylane
assert not set(anylane.__all__) & set(vars(anylane)), "loaded too early"
assert set(anylane.__all__) <= set(dir(anylane))
print(*(name for name in sys.modules if name.startswith("anylane")))
"""
    assert printed(code) == "anylane"


@pytest.mark.parametrize("module", PUBLIC, ids=lambda module: module.__name__)
def test_every_public_name_is_there_and_listed(module: ModuleType) -> None:
    assert [name for name in module.__all__ if getattr(module, name, None) is None] == []
    assert {*module.__all__} <= {*dir(module)}


@pytest.mark.parametrize("package", [each.__name__ for each in PUBLIC])
def test_a_star_takes_every_public_name(package: str) -> None:
    code = f"from {package} import *; import {package} as p; print({{*p.__all__}} - {{*dir()}})"
    assert printed(code) == "set()"


@pytest.mark.parametrize("module", PUBLIC, ids=lambda module: module.__name__)
def test_a_wrong_name_is_an_attribute_error_that_says_so(module: ModuleType) -> None:
    with pytest.raises(AttributeError, match=f"module '{module.__name__}' has no attribute 'Ap'"):
        _ = module.Ap


def test_a_wrong_name_is_a_type_error_too() -> None:
    # mypy reports an `ignore` that is not needed: these say that it knows all names.
    with pytest.raises(AttributeError):
        _ = anylane.Ap  # type: ignore[attr-defined]
    with pytest.raises(AttributeError):
        _ = anylane.testing.Ap  # type: ignore[attr-defined]


def test_public_packages_need_no_import_of_their_own() -> None:
    code = (
        "import anylane; print([getattr(anylane, n).__name__ for n in sorted(anylane._PACKAGES)])"
    )
    assert printed(code) == str([each.__name__ for each in PUBLIC[1:]])
