"""The app of docs/hosts.md in interpreters: the column that needs Python 3.12."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[4] / "docs" / "examples"))

hosts: Any = import_module("test_one_app")
what_holds: Any = import_module("what_holds")

pytestmark = pytest.mark.skipif(
    sys.version_info < (3, 12), reason="isolated subinterpreters have threads since 3.12"
)


@pytest.fixture(scope="module")
def host() -> Iterator[Any]:
    with hosts.interpreters() as host:
        yield host


@pytest.mark.parametrize("row", what_holds.ROWS)
def test_what_holds_in_interpreters(host: Any, row: str) -> None:
    hosts.hold(host, "interpreters", row)
