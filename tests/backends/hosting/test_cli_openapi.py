"""`anylane openapi`: the description printed, written, and held against a file."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from openapi_spec_validator import validate

from tests.backends.hosting.invoked import invoked

APP = """
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated
from anylane import App, Query

@dataclass
class Book:
    title: str

def make():
    app = App()
    app.openapi(title="Bücher", version="1", docs=None)
    @app.post("/z", status=201)
    async def last(new: Book) -> Book:
        return new
    @app.get("/a")
    async def first(price: Annotated[Decimal, Query(ge=Decimal("0.5"))]) -> None: ...
    return app

app = make()
plain = App()
odd = App()
odd.openapi(title="odd", version="1", docs=None)
@odd.get("/", operation_id="same")
async def one() -> None: ...
@odd.get("/two", operation_id="same")
async def two() -> None: ...
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "books.py").write_text(APP, encoding="utf-8")
    monkeypatch.delitem(sys.modules, "books", raising=False)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def openapi(*arguments: str) -> Result:
    return invoked("openapi", *arguments)


def test_it_is_printed_in_order_of_registration() -> None:
    result = openapi("books:app")
    assert (result.exit_code, result.stderr) == (0, "")
    document: dict[str, Any] = json.loads(result.stdout)
    validate(document)
    assert result.stdout == json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    assert list(document["paths"]) == ["/z", "/a"]
    assert "Bücher" in result.stdout
    assert openapi("books:make", "--factory").stdout == result.stdout


def test_it_is_written_and_then_current(folder: Path) -> None:
    result = openapi("books:app", "--output", "api.json")
    assert (result.exit_code, result.output) == (0, "")
    assert (folder / "api.json").read_bytes() == openapi("books:app").stdout.encode()
    result = openapi("books:app", "--check", "api.json")
    assert (result.exit_code, result.output) == (0, "")


def test_a_file_that_is_not_current_is_told_with_the_lines_and_the_command(folder: Path) -> None:
    text = openapi("books:app").stdout
    (folder / "api.json").write_text(text.replace('"1"', '"0"'), encoding="utf-8")
    result = openapi("books:app", "--check", "api.json")
    assert (result.exit_code, result.stdout) == (1, "")
    lines = result.stderr.splitlines()
    assert lines[:2] == ["--- api.json as it is", "+++ the app"]
    assert '-    "version": "0"' in lines
    assert '+    "version": "1"' in lines
    assert lines[-1] == "api.json is not current: run `anylane openapi books:app --output api.json`"
    assert (folder / "api.json").read_text(encoding="utf-8") != text


def test_a_long_difference_is_cut(folder: Path) -> None:
    (folder / "api.json").write_text("{}\n", encoding="utf-8")
    lines = openapi("books:app", "--check", "api.json").stderr.splitlines()
    assert len(lines) == 22
    assert lines[20].startswith("... and ")


@pytest.mark.parametrize("ending", ["", "\n\n", "\r\n"])
def test_only_the_end_of_the_file_may_differ_in_how_lines_end(folder: Path, ending: str) -> None:
    text = openapi("books:app").stdout
    (folder / "api.json").write_bytes(
        text.rstrip("\n").replace("\n", "\r\n").encode() + ending.encode()
    )
    result = openapi("books:app", "--check", "api.json")
    assert result.exit_code == (0 if ending == "\r\n" else 1)
    assert ending == "\r\n" or "is not current" in result.stderr


def test_the_command_to_run_has_what_was_given(folder: Path) -> None:
    (folder / "a b.env").write_text("X=1\n", encoding="utf-8")
    arguments = ["--factory", "--app-dir", str(folder), "--env-file", "a b.env"]
    result = openapi("books:make", *arguments, "--check", "none.json")
    assert result.exit_code == 1
    given = f"--app-dir {folder} --factory --env-file 'a b.env'"
    assert result.stderr.splitlines() == [
        "there is no file none.json",
        f"none.json is not current: run `anylane openapi books:make {given} --output none.json`",
    ]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            ["books:plain"],
            "books:plain has no description; write app.openapi(title='...', version='1') into",
        ),
        (["books:odd"], "books:odd cannot be described: "),
        (["books:none"], "module 'books' has no 'none'"),
        (["none:app"], "there is no module 'none'"),
        (["books:app", "--output", "no/such.json"], "no/such.json cannot be written: No such file"),
        (["books:app", "--check", "."], ". cannot be read: Is a directory"),
        (["books:app", "--env-file", "none.env"], "--env-file none.env: No such file"),
    ],
)
def test_what_cannot_be_described_is_one_line_and_exit_code_3(
    arguments: list[str], expected: str
) -> None:
    result = openapi(*arguments)
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr.startswith(f"anylane: {expected}")
    assert result.stderr.count("\n") == 1


def test_to_write_and_to_check_are_two_things() -> None:
    result = openapi("books:app", "--output", "a.json", "--check", "a.json")
    assert result.exit_code == 2
    assert "--output writes the file, --check only looks at it: give one" in result.stderr
