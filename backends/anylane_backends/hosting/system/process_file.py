"""ProcessFile: a file with the number of this process in it, which appears and goes as a whole."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


class ProcessFile:
    """Such a file at a path, which other programs look at. It may have been written by another
    process: that one's is replaced, and is never removed."""

    def __init__(self, path: str) -> None:
        self.path: Path = Path(path).absolute()  # The app may change its folder before the end.

    def write(self) -> None:
        """Put it there, in the place of another one. Raise OSError if that cannot be done."""
        made = self._make()
        try:
            made.replace(self.path)
        except OSError:
            made.unlink()
            raise

    def remove(self) -> None:
        """Remove it, if it still is this process's. Where that is not allowed it stays."""
        if self.named() == os.getpid():
            with suppress(OSError):
                self.path.unlink()

    def named(self) -> int | None:
        """Return the process that it names, None if it is not there or names none."""
        try:
            text = self.path.read_text(encoding="ascii").strip()
        except (OSError, ValueError):
            return None
        return int(text) if text.isdecimal() else None

    def _make(self) -> Path:
        """Write it beside its place, so that no reader finds half of it."""
        made = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        try:
            made.write_text(f"{os.getpid()}\n", encoding="ascii")
        except OSError:
            with suppress(OSError):
                made.unlink()
            raise
        return made
