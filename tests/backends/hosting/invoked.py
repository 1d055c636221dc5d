"""The `anylane` command, called in this process: what it returns, prints, and says on stderr."""

from __future__ import annotations

import inspect
from typing import Any

from click.testing import CliRunner, Result

from anylane_backends.hosting.cli import commands

# click before 8.2 mixes the two unless it is told.
_APART: dict[str, Any] = (
    {"mix_stderr": False} if "mix_stderr" in inspect.signature(CliRunner).parameters else {}
)


def invoked(*arguments: str) -> Result:
    """Call the command with these arguments."""
    return CliRunner(**_APART).invoke(commands.command, arguments)
