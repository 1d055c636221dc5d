"""Build the distributions twice in different surroundings, and compare them byte by byte.

`python -m tools.reproducible` copies the files of this checkout to two places. They differ in what
must not matter: path, order and times of the files, umask, time zone, hash seed, locale. Both have
to give the same sdist and wheel, and the sdist the same wheel as the tree. Needs PyPI: builds are
isolated.

`python -m tools.reproducible FILE ...` also compares published files with them. The wheel among the
files says which version of hatchling has made it, and the same one is used.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from tools.stages import ROOT


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What a build must not depend on."""

    folder: str
    umask: int
    age: float
    """Seconds since the files were written."""
    variables: Mapping[str, str]


BOTH = (
    Surroundings(
        folder="a",
        umask=0o022,
        age=0,
        variables={"TZ": "UTC", "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "1"},
    ),
    Surroundings(
        folder="somewhere/else entirely",
        umask=0o077,
        age=400 * 86_400,
        variables={"TZ": "Pacific/Kiritimati", "LC_ALL": "C", "PYTHONHASHSEED": "2"},
    ),
)


def files() -> list[Path]:
    """Return the files of the checkout that git does not ignore, from its root."""
    git = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    done = subprocess.run(git, capture_output=True, text=True, check=True)
    found = sorted({Path(name) for name in done.stdout.split("\0") if name})
    return [each for each in found if (ROOT / each).is_file()]


def copy(names: Sequence[Path], target: Path, of: Surroundings) -> None:
    """Write the files anew, in an order of their own, so that the folders list them in another."""
    shuffled = [*names]
    random.Random(of.folder).shuffle(shuffled)
    before = os.umask(of.umask)
    try:
        for name in shuffled:
            place = target / name
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, place)
            if os.access(ROOT / name, os.X_OK):
                place.chmod(0o777 & ~of.umask)
            written = time.time() - of.age
            os.utime(place, (written, written))
    finally:
        os.umask(before)


def build(source: Path, out: Path, kind: str, of: Surroundings, constraints: Path) -> Path:
    """Build "sdist" or "wheel" from a tree or an sdist; return the file."""
    out.mkdir(parents=True)
    uv = [sys.executable, "-m", "uv", "build", "--quiet", "--no-create-gitignore"]
    environment = {k: v for k, v in os.environ.items() if k != "SOURCE_DATE_EPOCH"}
    subprocess.run(
        [*uv, f"--{kind}", "--build-constraints", constraints, "--out-dir", out, source],
        env={**environment, **of.variables},
        umask=of.umask,
        check=True,
    )
    [made] = [each for each in out.iterdir() if each.suffix in (".whl", ".gz")]
    return made


def generator(wheel: Path) -> str:
    """Return the requirement of the hatchling that has made a wheel (its WHEEL file says so)."""
    with zipfile.ZipFile(wheel) as archive:
        [name] = [each for each in archive.namelist() if each.endswith(".dist-info/WHEEL")]
        text = archive.read(name).decode("utf-8")
    found = re.search(r"^Generator: hatchling (\S+)$", text, re.MULTILINE)
    if found is None:
        raise ValueError(f"{wheel} was not made by hatchling: {text}")
    return f"hatchling=={found[1]}"


def differences(one: Path, other: Path) -> Iterator[str]:
    """Yield how two files differ; nothing if they are the same."""
    if one.name != other.name:
        yield f"names: {one.name} and {other.name}"
    digests = [sha256(each.read_bytes()).hexdigest() for each in (one, other)]
    if digests[0] != digests[1]:
        yield f"{one.name}: {digests[0]} {one}\n{' ' * len(one.name)}  {digests[1]} {other}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0 if all that is built, and all that is given, is the same; else 1."""
    parser = argparse.ArgumentParser(prog="python -m tools.reproducible", description=__doc__)
    parser.add_argument("published", nargs="*", type=Path, metavar="FILE")
    given = parser.parse_args(arguments)
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        constraints = folder / "constraints.txt"
        pins = [generator(each) for each in given.published if each.suffix == ".whl"]
        constraints.write_text("".join(f"{pin}\n" for pin in pins), encoding="utf-8")
        names = files()
        made: list[tuple[Path, Path]] = []
        for of in BOTH:
            tree, out = folder / of.folder / "tree", folder / of.folder / "out"
            copy(names, tree, of)
            sdist = build(tree, out / "sdist", "sdist", of, constraints)
            wheel = build(tree, out / "wheel", "wheel", of, constraints)
            again = build(sdist, out / "from sdist", "wheel", of, constraints)
            wrong += differences(wheel, again)
            made.append((sdist, wheel))
        for one, other in zip(*made, strict=True):
            wrong += differences(one, other)
        for each in given.published:
            twin = made[0][each.suffix == ".whl"]
            wrong += differences(twin, each)
        for each in made[0]:
            print(f"{sha256(each.read_bytes()).hexdigest()}  {each.name}")
    print("\n".join(wrong) or "the same bytes each time")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
