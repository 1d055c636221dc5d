"""How tests are run in Pyodide: what is left out, and what is told where there is no node."""

from __future__ import annotations

import pytest

from tests import absent_in_pyodide as absent
from tools import pyodide
from tools.stages import ROOT


def raised(error: Exception, cause: Exception | None = None) -> Exception:
    """Return the exception as one that came of another one."""
    try:
        raise error from cause
    except Exception as exc:  # noqa: BLE001  # it is what is asked for
        return exc


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RuntimeError("can't start new thread"), absent.THREADS),
        (raised(AssertionError(), OSError(138, "emscripten does not support processes.")),
         absent.PROCESSES),
        (ModuleNotFoundError("No module named 'trio'"), absent.LIBRARY),
        (ModuleNotFoundError("No module named 'anylane.app'"), None),
        (AssertionError("1 == 2"), None),
    ],
)  # fmt: skip
def test_what_is_missing_is_told_by_the_exception(error: Exception, reason: str | None) -> None:
    assert absent.missing(error) == reason


def test_without_node_nothing_is_run_unless_it_is_demanded(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(pyodide, "node", lambda: None)
    monkeypatch.delenv(pyodide.DEMANDED, raising=False)
    assert pyodide.main(["--quick"]) == 0
    assert "not tried: there is no node here: pip install 'pyright[nodejs]'" in (
        capsys.readouterr().out
    )
    monkeypatch.setenv(pyodide.DEMANDED, "1")
    assert pyodide.main(["--quick"]) == 1


def test_what_is_run_exists() -> None:
    for name in (*pyodide.QUICK, *pyodide.WHOLE):
        assert (ROOT / name).exists(), name
