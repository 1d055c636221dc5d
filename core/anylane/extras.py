"""Extras: the optional libraries, imported when something that needs one is made."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from anylane.errors import UsageError


def load(module: str, *, extra: str, needed_by: str, marker: str | None = None) -> Any:
    """Import and return an optional library.

    module: its dotted name. extra: the extra of anylane that installs it. needed_by: what cannot
    work without it, for the message. marker: a name that the module must have, where another
    library has the same import name.

    Raise UsageError if it is not installed. The message says what to install.
    """
    library: Any = None
    failure: ImportError | None = None
    try:
        library = import_module(module)
    except ImportError as exc:
        failure = exc
    if library is None or (marker is not None and not hasattr(library, marker)):
        raise UsageError(
            f"{needed_by} needs the package {module.partition('.')[0]}, which is not installed: "
            f"pip install 'anylane[{extra}]'"
        ) from failure
    return library
