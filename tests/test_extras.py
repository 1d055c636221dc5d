"""An optional library that is missing is told with what to install."""

from __future__ import annotations

import re
import sys
import types

import pytest

import anylane.contrib
import anylane.middleware
import tools.extras
from anylane import UsageError
from anylane.extras import load
from tools.floors import PROJECT
from tools.stages import ROOT


def test_a_library_that_is_there_is_returned() -> None:
    assert load("zlib", extra="compression", needed_by="Compression") is sys.modules["zlib"]


def test_a_missing_one_is_told_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(UsageError, match=r"^Templates needs .*jinja2.*anylane\[templates\]"):
        load("jinja2", extra="templates", needed_by="Templates")


def test_one_that_is_there_and_fails_is_not_called_missing(tmp_path, monkeypatch) -> None:
    why = "module fastjson._core does not support loading in subinterpreters"
    (tmp_path / "fastjson.py").write_text(f"raise ImportError({why!r})", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    expected = f"^JWTAuth needs the package fastjson, which cannot be imported here: {why}$"
    with pytest.raises(UsageError, match=expected):
        load("fastjson", extra="jwt", needed_by="JWTAuth")


def test_another_library_of_that_name_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "multipart", types.ModuleType("multipart"))
    with pytest.raises(UsageError, match=r"anylane\[forms\]"):
        load("multipart", extra="forms", needed_by="request.form()", marker="PushMultipartParser")


PROGRAMS = tools.extras.PROGRAMS


def test_every_extra_is_tried_alone() -> None:
    assert PROGRAMS.keys() | {"all"} == PROJECT["project"]["optional-dependencies"].keys()


def test_every_extra_that_is_named_exists() -> None:
    folders = ("core/anylane", "backends/anylane_backends/bridges")
    files = [file for folder in folders for file in ROOT.glob(f"{folder}/**/*.py")]
    sources = [file.read_text(encoding="utf-8") for file in files]
    named = {name for source in sources for name in re.findall(r'extra="(\w+)"', source)}
    assert named
    assert named <= PROGRAMS.keys()


@pytest.mark.parametrize("name", [*anylane.contrib.__all__, *anylane.middleware.__all__])
def test_every_ready_made_part_is_tried(name: str) -> None:
    assert any(name in program for program in (tools.extras.ALONE, *PROGRAMS.values()))
