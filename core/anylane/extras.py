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

    Raise UsageError if it is not installed, with what to install, and if it cannot be imported.
    """
    library: Any = None
    failure: ImportError | None = None
    try:
        library = import_module(module)
    except ImportError as exc:
        failure = exc
    if library is None or (marker is not None and not hasattr(library, marker)):
        package = module.partition(".")[0]
        if failure is not None and not isinstance(failure, ModuleNotFoundError):
            raise UsageError(
                f"{needed_by} needs the package {package}, which cannot be imported here: {failure}"
            ) from failure
        raise _missing(package, extra, needed_by) from failure
    return library


def read_data(package: str, name: str, *, extra: str, needed_by: str) -> bytes:
    """Return a file that a package brings, without an import of the package.

    name: of the file, in its folder. extra, needed_by: as of `load`.

    Raise UsageError if the package is not installed, or has no such file in this version.
    """
    # Not at module level: on some versions of Python they load threading.
    from importlib.util import find_spec
    from pathlib import PurePath

    spec = find_spec(package)
    folders = None if spec is None else spec.submodule_search_locations
    if spec is None or not folders:
        raise _missing(package, extra, needed_by)
    loader: Any = spec.loader
    try:
        data: bytes = loader.get_data(str(PurePath(folders[0], name)))
    except OSError as exc:
        raise UsageError(
            f"{needed_by} needs {name} of the package {package}, which has none in the version "
            f"that is installed: pip install -U 'anylane[{extra}]'"
        ) from exc
    return data


def _missing(package: str, extra: str, needed_by: str) -> UsageError:
    return UsageError(
        f"{needed_by} needs the package {package}, which is not installed: "
        f"pip install 'anylane[{extra}]'"
    )
