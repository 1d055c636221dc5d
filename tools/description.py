"""Hold the OpenAPI description of the bookshop to what it does, with schemathesis.

`python -m tools.description` serves tests/openapi/bookshop.py on each lane, has schemathesis make
requests of the description, right ones and wrong ones, and fails if an answer is one that the
description does not have. schemathesis is installed into an environment of its own, because it is
a plugin of pytest too. Needs PyPI, the first time.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import venv
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tools.stages import ROOT

FOLDER = ROOT / "tests/openapi"
ENVIRONMENT = Path(sys.prefix) / "schemathesis"
LANES = ("asyncio", "uvloop", "anyio", "trio", "curio", "threads")


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
def bookshop(lane: str) -> Generator[str]:
    """Serve the bookshop on a lane, and give its URL."""
    command = [sys.executable, "-m", "anylane", "run", "--app-dir", str(FOLDER), "bookshop:app"]
    with subprocess.Popen(
        [*command, "--backend", lane, "--port", "0"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            found = re.search(r"http://\S+", process.stdout.readline())
            if found is None:
                raise SystemExit(f"the bookshop does not start on {lane}")
            yield found[0]
        finally:
            process.terminate()


def tried(lane: str, examples: int, seed: int) -> bool:
    """Try one lane; return whether nothing was found."""
    with bookshop(lane) as url:
        done = subprocess.run(
            [
                *(schemathesis(), "--config-file", FOLDER / "schemathesis.toml"),
                *("run", f"{url}/openapi.json", "--exclude-path-regex", "^/chat/"),
                *("--max-examples", str(examples), "--seed", str(seed), "--no-color"),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        print(done.stdout[-20_000:] + done.stderr)
        return False
    cases = re.search(r"[\d,]+ generated", done.stdout)
    operations = re.search(r"Tested: (\d+)", done.stdout)
    if cases is None or operations is None:
        print(done.stdout[-20_000:])
        return False
    print(f"{lane}: {operations[1]} operations, {cases[0]} requests, nothing found", flush=True)
    return True


def main(arguments: Sequence[str] | None = None) -> int:
    """Try the lanes that are named; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.description", description=__doc__)
    parser.add_argument("--backend", default="asyncio", help=f"one of {', '.join(LANES)}, or all")
    parser.add_argument("--max-examples", type=int, default=30, help="requests of a kind")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    lanes = LANES if given.backend == "all" else [given.backend]
    results = [tried(lane, given.max_examples, given.seed) for lane in lanes]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
