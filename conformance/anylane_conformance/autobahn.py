"""The 517 cases of the Autobahn test suite: `python -m anylane_conformance.autobahn`.

kosoku drives them from Python 3 against an echo app on a real socket; with --classic it is
the original, autobahntestsuite 0.8.2 under Python 2.7. Nothing but OK and INFORMATIONAL passes:
NON-STRICT and UNIMPLEMENTED fail too.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from anylane import App, Context, Deflate, Limits, ServerConfig
from anylane_backends.hosting.loading import BackendError, installed, load_backend
from anylane_backends.hosting.server import Server

PASSED = frozenset({"OK", "INFORMATIONAL"})
BASIC = ("1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "10.*")
"""The 247 of the protocol itself: a few seconds."""
LONG = tuple(f"{section}.*.{size}" for section in (12, 13) for size in range(6, 19))
"""The 156 that send 1000 compressed messages of 8 KiB and more: minutes. The rest is quick."""
PARALLEL = 4
"""Quick cases that run at a time, because some only wait for a second. The long ones run one by
one: kosoku gives each of them 20 seconds at most."""
FRAGMENTS = 4 * 1024 * 1024 // 64
"""Fragments of the message that has most (9.3.1, 9.4.1)."""
LARGEST = 16 * 1024 * 1024
"""Bytes of the largest message (9.1.6)."""


@dataclass(frozen=True)
class Result:
    """The result of one case.

    text: what the suite says of it, and of how the connection was closed.
    """

    case: str
    behavior: str
    close: str
    text: str = ""

    @property
    def passed(self) -> bool:
        """Whether the case and its closing handshake were judged OK or INFORMATIONAL."""
        return {self.behavior, self.close} <= PASSED


app: App = App()


@app.websocket("/")
async def echo(ctx: Context) -> None:
    """Send back what comes."""
    ws = await ctx.accept()
    async for message in ws:
        await ws.send(message)


def config(port: int = 0) -> ServerConfig:
    """Return the defaults, but for the size of a message, the number of its fragments (9.3.1 sends
    4 MiB by 64 bytes) and the threshold of compression.

    The cases about compression want to see it, and kosoku 0.1.0 stumbles over short texts that come
    back uncompressed (12.1.1).
    """
    return ServerConfig(
        port=port, limits=Limits(message=LARGEST, fragments=FRAGMENTS), deflate=Deflate(threshold=1)
    )


def serve(backend: str, port: int) -> None:
    """Serve until the standard input ends, as it does when the process behind it ends."""
    server = Server(app, config(port), backend)
    server.start().wait_ready()
    print(server.addresses[0][1], flush=True)
    sys.stdin.read()
    server.shutdown(grace=1)
    server.wait(10)


@contextmanager
def serving(backend: str, port: int = 0) -> Generator[int]:
    """Serve the echo app in a process of its own; the block gets its port."""
    command = [sys.executable, "-m", __spec__.name, "--serve", backend, "--port", str(port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:  # noqa: S603  # ourselves
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.stdin.close()


def drive(port: int, cases: Sequence[str], left_out: Sequence[str]) -> list[Result]:
    """Run cases by kosoku; without any named, all but those that are left out."""
    if cases:
        return _drive(port, cases, (), PARALLEL if cases is BASIC else 1)
    # First those that look at when the server answers: the large ones would disturb them.
    found = _drive(port, BASIC, (), PARALLEL) + _drive(port, (), (*BASIC, *LONG), PARALLEL)
    if left_out:
        return found
    found += _drive(port, LONG, (), 1)
    # On a busy machine 20 seconds are short: a case that was only late gets another turn.
    late = [each.case for each in found if each.text.startswith("Case did not finish")]
    again = {each.case: each for each in _drive(port, late, (), 1)} if late else {}
    return [again.get(each.case, each) for each in found]


def _drive(port: int, cases: Sequence[str], left_out: Sequence[str], parallel: int) -> list[Result]:
    from kosoku import FailureError, run_fuzzingclient

    async def run() -> list[Any]:
        try:
            return await run_fuzzingclient(
                f"ws://127.0.0.1:{port}", cases or None, left_out or None, parallel
            )
        except FailureError as exc:
            return exc.results

    return [
        Result(
            each.case_id,
            each.behavior.value,
            each.behavior_close.value,
            f"{each.result} {each.result_close}",
        )
        for each in asyncio.run(run())
    ]


def drive_classic(
    place: tuple[str, str], port: int, cases: Sequence[str], left_out: Sequence[str]
) -> list[Result]:
    """Run cases by the original suite. place: a Python 2.7, and the folder where the suite is."""
    python, suite = place
    with tempfile.TemporaryDirectory() as folder:
        spec = Path(folder, "spec.json")
        spec.write_text(
            json.dumps(
                {
                    "outdir": folder,
                    "servers": [{"agent": "anylane", "url": f"ws://127.0.0.1:{port}"}],
                    "cases": list(cases) or ["*"],
                    "exclude-cases": list(left_out),
                    "exclude-agent-cases": {},
                }
            )
        )
        # addsitedir, because a part of it is a namespace package that only a .pth file joins.
        run = (
            "import site, sys; site.addsitedir(sys.argv.pop(1)); "
            "from autobahntestsuite.wstest import run; run()"
        )
        command = [
            python,
            "-W",
            "ignore",
            "-c",
            run,
            suite,
            "--mode",
            "fuzzingclient",
            "--spec",
            str(spec),
        ]
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)  # noqa: S603  # chosen by the user
        found = json.loads(Path(folder, "index.json").read_text())["anylane"]
    return [Result(case, each["behavior"], each["behaviorClose"]) for case, each in found.items()]


def report(backend: str, results: Sequence[Result], seconds: float) -> bool:
    """Print a line of totals and one for each case that did not pass; return whether all passed."""
    totals = Counter(each.behavior for each in results)
    shown = ", ".join(f"{count} {verdict}" for verdict, count in totals.most_common())
    print(f"{backend:8} {len(results)} cases: {shown} ({seconds:.0f} s)", flush=True)
    bad = [each for each in results if not each.passed]
    for each in bad:
        print(f"  {each.case}: {each.behavior}, close {each.close} {each.text}".rstrip())
    return bool(results) and not bad


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit status."""
    parser = argparse.ArgumentParser(prog="anylane_conformance.autobahn", description=__doc__)
    parser.add_argument(
        "--backend",
        action="append",
        default=[],
        metavar="NAME",
        help="a name, package.module:Class, or all; repeatable. Without it: asyncio",
    )
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="361 cases, in half a minute")
    size.add_argument("--basic", action="store_true", help="247 cases, in some seconds")
    parser.add_argument(
        "--classic",
        nargs=2,
        metavar=("PYTHON2", "FOLDER"),
        help="a Python 2.7, and where `pip install --target` has put autobahntestsuite",
    )
    parser.add_argument("--serve", metavar="NAME", help="only serve the echo app")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("cases", nargs="*", help="such as 1.* or 9.1.6; without any: all")
    chosen = parser.parse_args(arguments)
    if chosen.serve:
        serve(chosen.serve, chosen.port)
        return 0
    names: list[str] = []
    for name in chosen.backend or ["asyncio"]:
        names += installed() if name == "all" else [name]
    for name in names:
        try:
            load_backend(name)
        except BackendError as exc:
            parser.error(str(exc))
    if not chosen.classic and find_spec("kosoku") is None:
        parser.error("the cases need kosoku: pip install 'anylane[autobahn]'")
    passed = True
    for name in names:
        with serving(name) as port:
            start = time.monotonic()
            cases = chosen.cases or (BASIC if chosen.basic else ())
            left_out = LONG if chosen.quick else ()
            if chosen.classic:
                results = drive_classic(chosen.classic, port, cases, left_out)
            else:
                results = drive(port, cases, left_out)
            passed = report(name, results, time.monotonic() - start) and passed
    return 0 if passed else 1


if __name__ == "__main__":
    _code = main()
    sys.stdout.flush()
    # Not sys.exit: now and then kosoku 0.1.0 aborts while the interpreter is taken down.
    os._exit(_code)
