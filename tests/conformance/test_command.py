"""What the commands of the conformance suite say to who has mistyped, or installed too little."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


class Undeclared:
    """A backend that its author has not finished."""

    name = "undeclared"

    def run(self, server: object) -> None: ...


def run(code: str) -> tuple[int, str]:
    done = subprocess.run(  # ourselves
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    return done.returncode, done.stderr.strip()


@pytest.mark.parametrize(
    ("module", "backend", "message"),
    [
        ("__main__", "trioo", "there is no backend 'trioo'; did you mean trio? installed are "),
        ("__main__", "asyncio+ssl", "no lane asyncio+ssl; expected asyncio or asyncio+tls"),
        ("__main__", "nobody:Class", "'nobody:Class' needs nobody: install it, or check the name"),
        (
            "__main__",
            "tests.conformance.test_command:Undeclared",
            "does not say whether it has concurrent_input; write `concurrent_input = True` or ",
        ),
        ("autobahn", "trioo", "there is no backend 'trioo'; did you mean trio? installed are "),
    ],
)
def test_a_wrong_backend_is_one_line(module: str, backend: str, message: str) -> None:
    code, said = run(
        f"import sys; from anylane_conformance.{module} import main; "
        f"sys.exit(main(['--backend', {backend!r}]))"
    )
    assert code not in (0, 1)
    assert message in said.splitlines()[-1]
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("module", "missing", "extra"),
    [("__main__", "pytest", "conformance"), ("autobahn", "kosoku", "autobahn")],
)
def test_a_missing_library_is_one_line(module: str, missing: str, extra: str) -> None:
    code, said = run(
        f"import sys; sys.modules[{missing!r}] = None\n"
        f"from anylane_conformance.{module} import main; main([])"
    )
    assert code == 2
    assert said.splitlines()[-1].endswith(f"{missing}: pip install 'anylane[{extra}]'")
    assert "Traceback" not in said
