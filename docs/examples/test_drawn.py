"""What the docs draw from the backends, all of which it takes to draw it, is current."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CAPABILITIES = Path(__file__).parents[1] / "tools" / "capabilities.py"


def test_the_table_of_capabilities_is_current() -> None:
    command = [sys.executable, str(CAPABILITIES), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
