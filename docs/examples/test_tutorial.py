"""The tutorial's app does what its page says, typed by curl; tests/test_docs.py runs its Python."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from anylane import Server, ServerConfig

PAGE = Path(__file__).parents[1] / "tutorial.md"
ADDRESS = "http://127.0.0.1:8000"
BLOCK = re.compile(r"^```(python|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def app_and_commands() -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """What the page defines before it comes to its tests; each command with what it prints."""
    names: dict[str, Any] = {}
    commands: list[tuple[str, str]] = []
    for kind, text in BLOCK.findall(PAGE.read_text(encoding="utf-8").partition("\n## Tests\n")[0]):
        if kind == "python":
            exec(compile(text, str(PAGE), "exec", dont_inherit=True), names)
        elif ADDRESS in text and "$ curl" in text:
            for command in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
                typed, _, printed = command.partition("\n")
                commands.append((typed, printed.rstrip("\n")))
    return names, commands


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("backend", ["asyncio", "trio", "curio", "threads"])
def test_what_the_tutorial_types_prints_what_it_shows(backend: str, tmp_path: Path) -> None:
    names, commands = app_and_commands()
    assert len(commands) > 15
    server = Server(names["app"], ServerConfig(port=0), backend).start().wait_ready()
    try:
        for typed, expected in commands:
            command = typed.replace(ADDRESS, f"http://127.0.0.1:{server.addresses[0][1]}")
            done = subprocess.run(
                ["sh", "-c", command.replace("curl ", "curl -q -sS --max-time 10 ", 1)],
                cwd=tmp_path,
                capture_output=True,
                text=True,
                check=False,
            )
            assert (typed, (done.stdout + done.stderr).rstrip("\n")) == (typed, expected)
    finally:
        server.shutdown(grace=1)
        assert server.wait(10)
