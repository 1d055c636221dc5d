"""An optional library that is missing is told with what to install."""

from __future__ import annotations

import sys
import types

import pytest

from anylane import UsageError
from anylane.extras import load


def test_a_library_that_is_there_is_returned() -> None:
    assert load("zlib", extra="compression", needed_by="Compression") is sys.modules["zlib"]


def test_a_missing_one_is_told_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(UsageError, match=r"^Templates needs .*jinja2.*anylane\[templates\]"):
        load("jinja2", extra="templates", needed_by="Templates")


def test_another_library_of_that_name_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "multipart", types.ModuleType("multipart"))
    with pytest.raises(UsageError, match=r"anylane\[forms\]"):
        load("multipart", extra="forms", needed_by="request.form()", marker="PushMultipartParser")
