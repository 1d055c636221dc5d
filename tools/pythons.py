"""The other Pythons: the unit tests and one lane's conformance on each that is supported and found.

`make test` uses one Python for everything. This looks for the others that pyproject.toml claims, on
PATH and among pyenv's versions, and gives each an environment of its own (.venv-3.12). One that is
not installed is a line of the result and no failure.

The first of them has the lowest supported version of every library, the others have the newest. So
each library is tried at both ends, and no run is added.

`python -m tools.pythons PYTHON FOLDER [RESOLUTION]` makes the environment for one Python.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.stages import ROOT, Stage

LANE = "threads"
"""The lane whose conformance is run: it is the one that uses most of what Python itself brings, and
needs no other library to support this Python."""

CASES = ("-k", "not cut_at_every_byte and not lockstep and not no-loan")
"""The cases that are run, on that lane alone: what runs in memory, the tests run too."""

LANE_OF_LIBRARIES = "trio"
"""The lane whose conformance is run too where the libraries are the oldest: two of them are below
it."""

LOWEST, HIGHEST = "lowest-direct", "highest"
"""The resolutions of uv. The lower one is that of what pyproject.toml names; what these need
themselves is the newest, as pip would take it."""

EXTRAS = ".[all,conformance]"
GROUP = "test"


@dataclass(frozen=True, kw_only=True)
class Python:
    """An interpreter that was found."""

    version: str
    """As "3.12"."""
    full: str
    """As "3.12.1"."""
    path: Path


def claimed(project: Path = ROOT / "pyproject.toml") -> list[str]:
    """Return the versions that the classifiers in pyproject.toml name, as "3.12"."""
    found = tomllib.loads(project.read_text(encoding="utf-8"))["project"]["classifiers"]
    return [match[1] for each in found if (match := re.search(r":: Python :: (3\.\d+)$", each))]


def find(version: str, environ: Mapping[str, str] = os.environ) -> Python | None:
    """Return an interpreter of that version, the one on PATH first; None if there is none.

    It must have venv and ensurepip, which some distributions ship apart. pyenv's shims are on PATH
    for versions that are not chosen too, and then only print an error: so each is tried.
    """
    for path in _candidates(version, environ):
        code = "import ensurepip, platform, venv; print(platform.python_version())"
        try:
            done = subprocess.run(
                [path, "-c", code], capture_output=True, text=True, check=True, timeout=60
            )
        except (OSError, subprocess.SubprocessError):
            continue
        full = done.stdout.strip()
        if full.startswith(f"{version}."):
            return Python(version=version, full=full, path=path)
    return None


def _candidates(version: str, environ: Mapping[str, str]) -> Iterator[Path]:
    on_path = shutil.which(f"python{version}", path=environ.get("PATH"))
    if on_path is not None:
        yield Path(on_path)
    root = _pyenv_root(environ)
    if root is None:
        return
    found = [each for each in root.glob(f"versions/{version}*") if each.name[-1].isdecimal()]
    for folder in sorted(found, key=_numbers, reverse=True):
        yield folder / "bin" / f"python{version}"


def _numbers(folder: Path) -> list[int]:
    return [int(each) for each in re.findall(r"\d+", folder.name)]


def _pyenv_root(environ: Mapping[str, str]) -> Path | None:
    if given := environ.get("PYENV_ROOT"):
        return Path(given)
    pyenv = shutil.which("pyenv", path=environ.get("PATH"))
    if pyenv is None:
        return None
    done = subprocess.run([pyenv, "root"], capture_output=True, text=True, check=False)
    return Path(done.stdout.strip()) if done.returncode == 0 else None


def others(
    versions: Sequence[str], own: str, environ: Mapping[str, str] = os.environ
) -> tuple[list[Python], list[str]]:
    """Return the Pythons that were found, but for our own, and a line for each that was not."""
    found: list[Python] = []
    missing: list[str] = []
    for version in versions:
        if version == own:
            continue
        python = find(version, environ)
        if python is None:
            # Aligned with the outcomes of stages, between which it is shown.
            missing.append(f"{'not installed':<22} Python {version}")
        else:
            found.append(python)
    return found, missing


def stages(pythons: Sequence[Python]) -> list[Stage]:
    """Return what is run on each Python: its environment first, without which nothing is."""
    found: list[Stage] = []
    for index, python in enumerate(pythons):
        folder = environment_of(python)
        is_lowest = index == 0
        name = f"Python {python.full}" + (", lowest versions" if is_lowest else "")
        lanes = (LANE, LANE_OF_LIBRARIES) if is_lowest else (LANE,)
        resolution = LOWEST if is_lowest else HIGHEST
        found += [
            Stage(
                name=f"{name}, environment",
                command=[sys.executable, "-m", "tools.pythons", python.path, folder, resolution],
            ),
            Stage(
                name=f"{name}, tests",
                command=[folder / "bin" / "pytest", "tests", "-q", "--again"],
                counted=True,
                after=f"{name}, environment",
            ),
            Stage(
                name=f"{name}, conformance of {' and '.join(lanes)}",
                command=[
                    folder / "bin" / "anylane-conformance",
                    *(word for lane in lanes for word in ("--backend", lane)),
                    *("-q", *CASES),
                ],
                counted=True,
                after=f"{name}, environment",
            ),
        ]
    return found


def environment_of(python: Python) -> Path:
    """Return the folder of a Python's environment. It need not be there yet."""
    return ROOT / f".venv-{python.version}"


def make_environment(python: Path, folder: Path, resolution: str = HIGHEST) -> None:
    """Make the environment, unless it is there and was made from the same.

    resolution: which versions it has. Raises subprocess.CalledProcessError if it cannot be made;
    the next call begins anew then.
    """
    ready = folder / ".ready"
    digest = hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()
    made_from = f"{python} {digest} {resolution}"
    if ready.exists() and ready.read_text(encoding="utf-8") == made_from:
        print(f"{folder} is there already")
        return
    pip: list[str | Path] = [folder / "bin" / "python", "-m", "pip", "--disable-pip-version-check"]
    subprocess.run([python, "-m", "venv", "--clear", folder], check=True)
    # The project's own Makefile asks for this pip too: older ones know no dependency groups.
    subprocess.run([*pip, "install", "--quiet", "--upgrade", "pip>=25.1"], check=True)
    # pip knows no other resolution than the highest.
    uv = [sys.executable, "-m", "uv", "pip", "install", "--resolution", resolution, "--python"]
    installer = [*pip, "install"] if resolution == HIGHEST else [*uv, folder / "bin" / "python"]
    install = ["--quiet", "--editable", EXTRAS, "--group", GROUP]
    subprocess.run([*installer, *install], check=True, cwd=ROOT)
    ready.write_text(made_from, encoding="utf-8")
    print(f"made {folder}")


if __name__ == "__main__":
    make_environment(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
