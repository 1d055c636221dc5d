"""Check that type checkers know every public name of the packages, as a wheel installs them.

`python tools/verify_types.py` builds the wheel, installs it into an environment of its own and asks
pyright. The sources in the tree would not do: there pyright reads pyproject.toml and the folders
beside the packages, and a file that the wheel leaves out would not be missed. Needs PyPI, for the
wheel is built in isolation.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("anylane", "anylane_backends", "anylane_conformance")
"""pyright looks at all of their modules, so at `anylane.testing`, `.protocol` and `.lane` too."""


def installed(folder: Path, *, libraries: bool = True) -> Path:
    """Install the wheel into a new environment; return the folder of its commands.

    libraries: whether it finds those of the environment that this runs in.
    """
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    wheels, environment = folder / "wheels", folder / "environment"
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", wheels, ROOT], check=True)
    venv.create(environment, with_pip=False)
    paths = sysconfig.get_paths(vars={"base": str(environment), "platbase": str(environment)})
    python = Path(paths["scripts"], "python")
    wheel = next(wheels.glob("*.whl"))
    subprocess.run([*pip, "--python", python, "install", "--no-deps", wheel], check=True)
    if libraries:
        # The .pth files there are not read, so the sources that an editable install names stay out.
        Path(paths["purelib"], "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python.parent


def verify(package: str, commands: Path) -> bool:
    """Print what pyright does not know of a package; return whether it knows all."""
    pyright = Path(sysconfig.get_path("scripts"), "pyright")
    # pyright takes the interpreter from PATH here; it ignores --pythonpath.
    done = subprocess.run(
        [pyright, "--verifytypes", package, "--ignoreexternal"],
        env={**os.environ, "PATH": f"{commands}{os.pathsep}{os.environ.get('PATH', '')}"},
        cwd=commands,  # where no configuration is found
        capture_output=True,
        text=True,
        check=False,
    )
    _, _, unknown = done.stdout.partition("Symbols used in public interface:")
    complete = "Type completeness score: 100%" in unknown and done.returncode == 0
    print(f"{package}: {'complete' if complete else unknown.strip() or done.stdout + done.stderr}")
    return complete


def main() -> int:
    """Return 0 if every public name of every package has a type that is known, else 1."""
    with tempfile.TemporaryDirectory() as folder:
        commands = installed(Path(folder))
        complete = {package: verify(package, commands) for package in PACKAGES}
    return 0 if all(complete.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
