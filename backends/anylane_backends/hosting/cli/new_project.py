"""Writing a new project from the templates in the folder `project`.

A template's path is the file's, with PACKAGE for the package's name. Nothing that exists is
overwritten.
"""

from __future__ import annotations

import keyword
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from importlib.machinery import PathFinder
from importlib.metadata import version
from importlib.resources.abc import Traversable
from pathlib import Path, PurePosixPath
from string import Template

BACKENDS = ("asyncio", "uvloop", "anyio", "trio", "curio", "threads")
"""Those that anylane brings."""

_WITHOUT_EXTRA = frozenset({"asyncio", "threads"})

_PARTS = ("docs", "health", "typed")
"""Extras that the app of the templates needs on every backend."""

_NAME = re.compile(r"[A-Za-z](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
"""What is a distribution's name (PyPA's "Names and normalization") and becomes an identifier."""


class CannotCreate(Exception):
    """A project cannot be created. The message is the line that the user sees."""


@dataclass(frozen=True, slots=True)
class ProjectName:
    """The name of a project in its three spellings."""

    given: str
    """As it was written: the folder's, and the title."""
    distribution: str
    """Normalized, with hyphens: pyproject.toml's."""
    package: str
    """The same with underscores, which is what Python imports."""


_NEEDED = ("tests", "pytest", "mypy", "hatchling", "msgspec", "offapi", "jsonschema", "watchfiles")
"""What the project has or needs besides anylane, installed here or not."""


def project_name(text: str) -> ProjectName:
    """Return the spellings of a name.

    Raise CannotCreate for one that cannot be a package's, and for one that is a module's already.
    """
    distribution = re.sub(r"[-_.]+", "-", text).lower()
    package = distribution.replace("-", "_")
    if not _NAME.fullmatch(text):
        raise CannotCreate(
            f"{text!r} cannot be a project's name; expected ASCII letters, digits, '-', '_' and "
            "'.', beginning with a letter and ending with a letter or digit"
        )
    if keyword.iskeyword(package):
        raise CannotCreate(f"{package!r} is a keyword of Python; choose another name")
    if package in {*sys.stdlib_module_names, *_NEEDED} or _is_installed(package):
        raise CannotCreate(
            f"there is a module {package!r} already, which the project would hide; "
            "choose another name"
        )
    return ProjectName(text, distribution, package)


def _is_installed(package: str) -> bool:
    # Not in the working folder, which is on the path of `python -m anylane`. A folder without
    # __init__.py has no origin: any folder of that name would do.
    places = [place for place in sys.path if place and Path(place) != Path.cwd()]
    found = PathFinder.find_spec(package, places)
    return found is not None and found.origin is not None


def create(path: str, backend: str) -> list[Path]:
    """Write a project into a new folder and return its files, sorted.

    path: of the folder; its last part is the project's name. backend: one of BACKENDS. Raise
    CannotCreate if the name is no good, if the path exists, or if it cannot be written.
    """
    folder = Path(path)
    name = project_name(folder.name or path)
    extras = {*_PARTS, *({backend} - _WITHOUT_EXTRA)}
    values = {
        "name": name.given,
        "distribution": name.distribution,
        "package": name.package,
        "backend": backend,
        "flag": "" if backend == "asyncio" else f" --backend {backend}",
        "extras": ",".join(sorted(extras)),
        "version": version("anylane"),
    }
    templates = resources.files("anylane_backends.hosting.cli") / "project"
    texts = {
        folder / str(place).replace("PACKAGE", name.package): Template(text).substitute(values)
        for place, text in _read(templates, PurePosixPath())
    }
    try:
        folder.mkdir()
        for file, text in texts.items():
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("x", encoding="utf-8", newline="\n") as stream:
                stream.write(text)
    except FileExistsError as exc:
        raise CannotCreate(f"{exc.filename} exists already; choose another name") from exc
    except FileNotFoundError as exc:
        raise CannotCreate(f"there is no folder {folder.parent}; create it first") from exc
    except OSError as exc:
        raise CannotCreate(f"{exc.filename} cannot be written: {exc.strerror}") from exc
    return sorted(texts)


def _read(folder: Traversable, place: PurePosixPath) -> Iterator[tuple[PurePosixPath, str]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _read(entry, place / entry.name)
        elif entry.name.endswith(".template"):
            # A .gitignore in our sources would be git's for them.
            name = entry.name.removesuffix(".template")
            name = ".gitignore" if name == "gitignore" else name
            yield place / name, entry.read_text(encoding="utf-8")
