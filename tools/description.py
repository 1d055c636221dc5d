"""Hold the OpenAPI descriptions of two apps to what they do, with schemathesis.

`python -m tools.description` serves tests/openapi/bookshop.py and the notes of docs/examples on a
lane, has schemathesis make requests of the description, right ones and wrong ones, and fails if an
answer is one that the description does not have. schemathesis is installed into an environment of
its own, because it is a plugin of pytest too. Needs PyPI, the first time.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import venv
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tools.stages import ROOT

FOLDER = ROOT / "tests/openapi"
ENVIRONMENT = Path(sys.prefix) / "schemathesis"
LANES = ("asyncio", "uvloop", "anyio", "trio", "curio", "threads")
SECRET = "a-secret-of-the-tests-which-everybody-may-know"
"""Signs the token in notes.toml."""


@dataclass(frozen=True)
class Tried:
    """An app and how it is tried."""

    module: str
    """In FOLDER."""
    settings: str
    """Of schemathesis, a file in FOLDER."""
    leaves_out: str = "^$"
    """Paths that are not tried, as an expression."""


APPS = {
    "bookshop": Tried("bookshop", "schemathesis.toml", "^/chat/"),
    "notes": Tried("notes_tried", "notes.toml"),
}


def schemathesis() -> Path:
    """Return the command, installed if it is not there yet."""
    command = ENVIRONMENT / "bin/schemathesis"
    if not command.exists():
        print("installing schemathesis: once, and it may take a minute", flush=True)
        venv.create(ENVIRONMENT, clear=True, with_pip=True)
        pip: list[str | Path] = [
            ENVIRONMENT / "bin/python",
            "-m",
            "pip",
            "--quiet",
            "--disable-pip-version-check",
        ]
        subprocess.run([*pip, "install", "schemathesis>=4.32,<5"], check=True)
    return command


@contextmanager
def served(app: Tried, lane: str, folder: str) -> Generator[str]:
    """Serve an app on a lane, and give its URL. folder: for what it keeps."""
    command = [sys.executable, "-m", "anylane", "run", "--app-dir", str(FOLDER)]
    environment = {
        "NOTES_FILE": f"{folder}/notes.sqlite3",
        "NOTES_SECRET": SECRET,
        "PYTHONPATH": str(ROOT / "docs/examples"),
    }
    with subprocess.Popen(
        [
            *(*command, f"{app.module}:app", "--backend", lane),
            *("--port", "0", "--log-level", "warning"),
        ],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | environment,
    ) as process:
        assert process.stdout is not None
        try:
            found = re.search(r"http://\S+", process.stdout.readline())
            if found is None:
                raise SystemExit(f"{app.module} does not start on {lane}")
            yield found[0]
        finally:
            process.terminate()


def tried(name: str, lane: str, examples: int, seed: int) -> bool:
    """Try an app on a lane; return whether nothing was found."""
    app = APPS[name]
    with tempfile.TemporaryDirectory() as folder, served(app, lane, folder) as url:
        done = subprocess.run(
            [
                *(schemathesis(), "--config-file", FOLDER / app.settings),
                *("run", f"{url}/openapi.json", "--exclude-path-regex", app.leaves_out),
                *("--max-examples", str(examples), "--seed", str(seed), "--no-color"),
            ],
            capture_output=True,
            text=True,
            check=False,
            cwd=folder,  # where it keeps what it remembers
        )
    if done.returncode:
        print(done.stdout[-20_000:] + done.stderr)
        return False
    cases = re.search(r"[\d,]+ generated", done.stdout)
    operations = re.search(r"Tested: (\d+)", done.stdout)
    if cases is None or operations is None:
        print(done.stdout[-20_000:])
        return False
    print(
        f"{name} on {lane}: {operations[1]} operations, {cases[0]} requests, nothing found",
        flush=True,
    )
    return True


def main(arguments: Sequence[str] | None = None) -> int:
    """Try the apps and lanes that are named; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.description", description=__doc__)
    parser.add_argument("--backend", default="asyncio", help=f"one of {', '.join(LANES)}, or all")
    parser.add_argument("--app", default="all", help=f"one of {', '.join(APPS)}, or all")
    parser.add_argument("--max-examples", type=int, default=30, help="requests of a kind")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    lanes = LANES if given.backend == "all" else [given.backend]
    names = APPS if given.app == "all" else [given.app]
    results = [
        tried(name, lane, given.max_examples, given.seed) for name in names for lane in lanes
    ]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
