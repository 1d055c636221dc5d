"""TokenLead: which of the workers of one process runs the jobs that run in one worker only."""

from __future__ import annotations

import os


def make_token() -> tuple[int, int]:
    """Return the descriptors of a new pipe that holds one byte: the token."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.write(writer, b"t")
    return reader, writer


class TokenLead:
    """A `Lead`: the worker that has taken the token out of a pipe.

    Locks on files belong to a process, so they cannot tell its interpreters apart
    (`supervision.lead`). A worker has to `release` once its threads have ended, however it ends;
    only the whole process can end without that.

    token: as `make_token` returns it. All workers share the two descriptors.
    """

    def __init__(self, token: tuple[int, int]) -> None:
        self._reader, self._writer = token
        self._has = False

    def take(self) -> bool:
        """Return whether this worker has the token, which it takes if it is there."""
        if not self._has:
            try:
                self._has = bool(os.read(self._reader, 1))
            except BlockingIOError:
                pass
        return self._has

    def release(self) -> None:
        """Give the token back, if this worker has it."""
        if self._has:
            self._has = False
            os.write(self._writer, b"t")
