"""A file without a name, for what several workers share."""

from __future__ import annotations

import os
import tempfile


def anonymous_file(name: str) -> int:
    """Return the descriptor of a new file that no path leads to.

    name: what the system may show for it. Raise OSError if there is no room for it.
    """
    if hasattr(os, "memfd_create"):
        return os.memfd_create(name)
    with tempfile.TemporaryFile() as file:  # macOS
        return os.dup(file.fileno())
