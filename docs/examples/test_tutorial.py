"""The tutorial's app does what its page says, typed by curl; tests/test_docs.py runs its Python."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from anylane import App, Server, ServerConfig

PAGE = Path(__file__).parents[1] / "tutorial.md"
ADDRESS = "http://127.0.0.1:8000"
BLOCK = re.compile(r"^```(python|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def since(heading: str, end: str) -> str:
    """Return the page from one heading up to another one."""
    text = PAGE.read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2]
    found, there, _ = text.partition(f"\n## {end}\n")
    assert there
    return found


def code_and_commands(page: str) -> tuple[list[str], list[tuple[str, str]]]:
    """Return the blocks of Python of a part of the page; each command with what it prints."""
    code: list[str] = []
    commands: list[tuple[str, str]] = []
    for kind, text in BLOCK.findall(page):
        if kind == "python":
            code.append(text)
        elif ADDRESS in text and "$ curl" in text:
            for command in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
                typed, _, printed = command.partition("\n")
                commands.append((typed, printed.rstrip("\n")))
    return code, commands


def type_them(app: App, backend: str, commands: list[tuple[str, str]], folder: Path) -> None:
    """Run commands against a server of the app; raise AssertionError for other output."""
    server = Server(app, ServerConfig(port=0), backend).start().wait_ready()
    try:
        for typed, expected in commands:
            command = typed.replace(ADDRESS, f"http://127.0.0.1:{server.addresses[0][1]}")
            done = subprocess.run(
                ["sh", "-c", command.replace("curl ", "curl -q -sS --max-time 10 ", 1)],
                cwd=folder,
                capture_output=True,
                text=True,
                check=False,
            )
            assert (typed, (done.stdout + done.stderr).rstrip("\n")) == (typed, expected)
    finally:
        server.shutdown(grace=1)
        assert server.wait(10)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("backend", ["asyncio", "trio", "curio", "threads"])
def test_what_the_tutorial_types_prints_what_it_shows(backend: str, tmp_path: Path) -> None:
    code, commands = code_and_commands(PAGE.read_text("utf-8").partition("\n## Tests\n")[0])
    assert len(commands) > 15
    names: dict[str, Any] = {}
    for block in code:
        exec(compile(block, str(PAGE), "exec", dont_inherit=True), names)
    type_them(names["app"], backend, commands, tmp_path)


def board(blocks: list[str], folder: Path) -> App:
    """Save blocks as board.py, as a reader does, and return the app of that module."""
    file = folder / "board.py"
    file.write_text("\n".join(blocks), encoding="utf-8")
    spec = importlib.util.spec_from_file_location("board", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    app = module.app
    assert isinstance(app, App)
    return app


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize(
    "end", ["Errors", "A dependency", "A database", "Tests"], ids=lambda end: f"before {end}"
)
def test_board_py_works_as_saved_up_to_a_heading(end: str, tmp_path: Path) -> None:
    code, commands = code_and_commands(since("Path and query", end))
    assert len(commands) >= 4
    type_them(board(code, tmp_path), "asyncio", commands, tmp_path)
