"""SharedLead: which of the workers of one supervisor runs the jobs that run in one worker only.

It is the one that holds a lock. The kernel gives the lock up with its holder, however that ends, so
the supervisor has nothing to do with it.
"""

from __future__ import annotations

import fcntl

from anylane_backends.hosting.system.anonymous_file import anonymous_file


class SharedLead:
    """A lock on a file without a name, as a `Lead`. Make it before fork().

    The lock belongs to the process that took it (`fcntl.lockf`, POSIX record locks) and not to the
    descriptor, which all workers share.

    descriptor: of such a file, from the process whose place this one takes.
    """

    def __init__(self, descriptor: int = -1) -> None:
        self.descriptor: int = descriptor if descriptor >= 0 else anonymous_file("anylane-lead")

    def take(self) -> bool:
        """Return whether this process has the lock, which it takes if it is free."""
        try:
            fcntl.lockf(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):  # POSIX allows EAGAIN and EACCES.
            return False
        return True

    def release(self) -> None:
        """Give the lock up, if this process has it."""
        fcntl.lockf(self.descriptor, fcntl.LOCK_UN)
