"""PidFile: the file by which tools find the process to send signals to, and by which a second
server of the same kind is noticed."""

from __future__ import annotations

import os
import platform

from anylane.errors import AnylaneError
from anylane_backends.hosting.system.process_file import ProcessFile


class PidFileError(AnylaneError):
    """The pid file cannot be had; the message says why and what to do."""


class PidFile(ProcessFile):
    """The pid file of this process, the one that supervises where there are workers.

    predecessor: the process whose place this one takes, and its file too. Raise PidFileError where
    a process cannot be asked whether it runs.
    """

    def __init__(self, path: str, predecessor: int | None = None) -> None:
        if os.name != "posix":  # On Windows os.kill(pid, 0) sends Ctrl-C.
            raise PidFileError(
                f"pid files are for signals, which {platform.system()} does not have; leave "
                "--pidfile out, or take --ready-file"
            )
        super().__init__(path)
        self._predecessor = predecessor

    def check(self) -> None:
        """Raise PidFileError if it names a process that lives, or cannot be written."""
        pid = self.named()
        if pid not in (None, os.getpid(), self._predecessor) and _lives(pid):
            raise PidFileError(
                f"pidfile {self.path} names process {pid}, which runs; stop that, or choose "
                "another file (--pidfile)"
            )
        if self.path.exists() and not self.path.is_file():
            raise PidFileError(f"pidfile {self.path} is no file; choose another path (--pidfile)")

    def take(self) -> None:
        """Write it. Raise PidFileError as `check` does."""
        try:
            self._take()
        except OSError as exc:
            raise PidFileError(
                f"cannot write pidfile {self.path}: {exc.strerror}; choose a path in a folder that "
                "this user may write (--pidfile)"
            ) from None

    def _take(self) -> None:
        made = self._make()
        try:
            # A link is made only where there is no file, so of two that start at once one has it.
            while True:
                try:
                    self.path.hardlink_to(made)
                except FileExistsError:
                    self.check()
                    self.path.unlink(missing_ok=True)
                else:
                    return
        finally:
            made.unlink()


def _lives(pid: int | None) -> bool:
    if not pid:
        return False
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True  # It is another user's.
    except (ProcessLookupError, OverflowError):
        return False
    return True
