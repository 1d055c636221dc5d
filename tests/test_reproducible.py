"""tools/reproducible.py: what it varies, and that it sees a difference."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from tools import reproducible
from tools.reproducible import BOTH, copy, differences, generator


def test_the_two_trees_have_the_same_bytes_and_nothing_else_in_common(tmp_path: Path) -> None:
    names = [Path("Makefile"), Path("pyproject.toml"), *map(Path, (".ci/run", "docs/index.md"))]
    trees = [tmp_path / of.folder for of in BOTH]
    for tree, of in zip(trees, BOTH, strict=True):
        copy(names, tree, of)
    for name in names:
        one, other = (tree / name for tree in trees)
        assert one.read_bytes() == other.read_bytes()
        assert one.stat().st_mode != other.stat().st_mode
        assert abs(one.stat().st_mtime - other.stat().st_mtime) > 86_400
    first, second = BOTH
    assert first.variables.keys() == second.variables.keys()
    assert not first.variables.items() & second.variables.items()


def test_a_difference_is_told_with_both_digests(tmp_path: Path) -> None:
    one, other = tmp_path / "a" / "x.whl", tmp_path / "b" / "x.whl"
    for place, data in ((one, b"1"), (other, b"2")):
        place.parent.mkdir()
        place.write_bytes(data)
    [told] = differences(one, other)
    assert "6b86b273" in told
    assert "d4735e3a" in told
    other.write_bytes(b"1")
    assert [*differences(one, other)] == []
    renamed = other.rename(tmp_path / "y.whl")
    assert [*differences(one, renamed)] == ["names: x.whl and y.whl"]


def test_the_version_of_hatchling_is_that_of_the_published_wheel(tmp_path: Path) -> None:
    wheel = tmp_path / "x.whl"
    for made_by, requirement in (("hatchling 1.27.0", "hatchling==1.27.0"), ("flit 3", None)):
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr("x-1.dist-info/WHEEL", f"Wheel-Version: 1.0\nGenerator: {made_by}\n")
        if requirement is not None:
            assert generator(wheel) == requirement
            continue
        with pytest.raises(ValueError, match="was not made by hatchling"):
            generator(wheel)


def test_a_published_file_that_differs_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def built(source: Path, out: Path, kind: str, *_: object) -> Path:
        out.mkdir(parents=True)
        made = out / {"sdist": "x-1.tar.gz", "wheel": "x-1-py3-none-any.whl"}[kind]
        made.write_bytes(kind.encode())
        return made

    monkeypatch.setattr(reproducible, "build", built)
    monkeypatch.setattr(reproducible, "files", list)
    published = tmp_path / "x-1.tar.gz"
    published.write_bytes(b"sdist")
    assert reproducible.main([os.fspath(published)]) == 0
    published.write_bytes(b"another")
    assert reproducible.main([os.fspath(published)]) == 1
    assert os.fspath(published) in capsys.readouterr().out
