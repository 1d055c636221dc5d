"""A server as the `anylane` command starts it, and the file that a measurement of it saves."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


class CommandServer:
    """`anylane run main:app` in a folder, from the line that says where it is until `end`."""

    def __init__(self, folder: str, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "anylane", "run", "main:app", "--port", "0", *arguments],
            cwd=folder, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        found = re.search(r"//([\d.]+):(\d+)", self.process.stdout.readline())
        assert found is not None, "it did not start"
        self.host, self.port = found[1], int(found[2])

    def end(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


def save(file: str, rows: Sequence[object], **head: object) -> None:
    """Write the rows as JSON, with this Python and machine behind what else is the head."""
    machine = {"python": sys.version.split()[0], "cpus": os.cpu_count()}
    text = json.dumps({**head, **machine, "rows": rows}, indent=2) + "\n"
    Path(file).write_text(text, encoding="utf-8")
