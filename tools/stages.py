"""Commands that are run as the stages of one check, several at a time, and what became of them.

All stages are run, even after one has failed: a long line must not hide a broken lane. What each
prints is shown whole and in the order of the list, however they end. Nothing here knows which
stages there are.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, NoReturn
from xml.etree import ElementTree as ET

ROOT = Path(__file__).resolve().parents[1]

GRACE = 15.0
"""Seconds that interrupted stages have to end what they started, before they are killed."""

TOLD = 5.0
"""Seconds of them in which a stage is not told a second time, after a SIGINT that a terminal has
sent to all: a second one would interrupt pytest while it ends the servers of its tests."""


NO_COMMAND = 127
"""The status of a stage whose command cannot be started, as shells have it."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One command of the check."""

    name: str
    command: Sequence[str | Path]
    counted: bool = False
    """Whether it is a run of pytest, whose tests count in the last line."""
    after: str | None = None
    """The stage without which this one cannot run. It stands earlier in the list."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What became of a stage."""

    stage: Stage
    status: int | None
    """The exit status, negative for a signal; None if it was not run."""
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether it was run and ended with 0."""
        return self.status == 0


@dataclass
class Stages:
    """Runs stages, up to `jobs` at a time, begun in the order of the list.

    folder: for what they print, and for the reports of runs of pytest.
    """

    stages: Sequence[Stage]
    folder: Path
    jobs: int
    _running: set[subprocess.Popen[bytes]] = field(default_factory=set, init=False)
    _futures: dict[str, Future[Result]] = field(default_factory=dict, init=False)

    def run(self) -> list[Result]:
        """Run all of them, show what each prints, and return what became of them.

        An interruption ends those that run, and is raised again.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        for stage in self.stages:
            self.log_of(stage).write_bytes(b"")
            self.report_of(stage).unlink(missing_ok=True)
        with ThreadPoolExecutor(self.jobs) as pool:
            try:
                for stage in self.stages:
                    self._futures[stage.name] = pool.submit(self._run, stage)
                return [self._show(stage) for stage in self.stages]
            except BaseException as exc:
                pool.shutdown(wait=False, cancel_futures=True)
                told = isinstance(exc, SystemExit) and exc.code == 128 + signal.SIGINT
                self._end(time.monotonic() + (TOLD if told else 0.0))
                raise

    def log_of(self, stage: Stage) -> Path:
        """Return the file that holds what a stage prints."""
        return self.folder / f"{_file_name(stage)}.log"

    def report_of(self, stage: Stage) -> Path:
        """Return the file for the JUnit report of a run of pytest."""
        return self.folder / f"{_file_name(stage)}.xml"

    def _run(self, stage: Stage) -> Result:
        # A stage waits here for an earlier one, which has been begun: the pool is first in, first
        # out. So it cannot wait for one that waits for its place.
        if stage.after is not None and not self._futures[stage.after].result().passed:
            return Result(stage=stage, status=None, seconds=0.0)
        began = time.monotonic()
        with self.log_of(stage).open("wb") as log:
            try:
                process = subprocess.Popen(
                    [str(each) for each in stage.command],
                    cwd=ROOT,
                    env=self._environment(stage),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
            except OSError as exc:
                log.write(f"{exc}\n".encode())
                return Result(stage=stage, status=NO_COMMAND, seconds=0.0)
            self._running.add(process)
            status = process.wait()
            self._running.discard(process)
        return Result(stage=stage, status=status, seconds=time.monotonic() - began)

    def _environment(self, stage: Stage) -> Mapping[str, str]:
        if not stage.counted:
            return os.environ
        given = os.environ.get("PYTEST_ADDOPTS", "")
        report = shlex.quote(f"--junit-xml={self.report_of(stage)}")
        return {**os.environ, "PYTEST_ADDOPTS": f"{given} {report}".strip()}

    def _show(self, stage: Stage) -> Result:
        """Copy what a stage prints to our output, while it runs if it still does."""
        title(stage.name)
        future = self._futures[stage.name]
        with self.log_of(stage).open("rb") as log:
            while not future.done():
                _copy(log)
                wait([future], timeout=0.2)
            _copy(log)
        result = future.result()
        print(f"\n-------- {stage.name}: {_outcome(result)}", flush=True)
        return result

    def _end(self, when: float) -> None:
        # SIGINT lets pytest end its fixtures, and the servers that its tests have started.
        end = time.monotonic() + GRACE
        interrupted: set[subprocess.Popen[bytes]] = set()
        while not all(each.done() for each in self._futures.values()):
            now = time.monotonic()
            for process in self._running.copy():
                if now >= end:
                    process.kill()
                elif now >= when and process not in interrupted:
                    interrupted.add(process)
                    process.send_signal(signal.SIGINT)
            time.sleep(0.05)


def title(text: str) -> None:
    """Print a line that begins a part of the output."""
    print(f"\n######## {text}", flush=True)


def run(stages: Sequence[Stage], *, folder: Path, jobs: int, notes: Iterable[str] = ()) -> int:
    """Run the stages, print the result of each and the sum of the tests; return the exit status.

    folder, jobs: as for Stages. notes: lines for the result, about what was not run.
    """
    began = time.monotonic()
    runner = Stages(stages, folder, jobs)
    results = runner.run()
    title("result")
    for each in results:
        print(f"  {_outcome(each):<22} {each.stage.name}")
    for note in notes:
        print(f"  {note}")
    counted = [runner.report_of(each.stage) for each in results if each.stage.counted]
    line, good = closing_line(counted, time.monotonic() - began)
    print(line, flush=True)
    return 0 if good and all(each.passed for each in results) else 1


def end_with_stages() -> None:
    """Make SIGINT, SIGTERM and SIGHUP end this program, with its stages, by SystemExit.

    Call it before stages are run. It also decides what these signals do to the stages: a signal
    that is ignored is ignored by every program that is started, and one with a handler is reset.
    A shell ignores SIGINT for what it runs in the background, and nohup ignores SIGHUP; with that
    inherited, tests of what a server does at such a signal fail.
    """

    def end(number: int, _frame: Any) -> NoReturn:
        sys.exit(128 + number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)


def closing_line(reports: Sequence[Path], seconds: float) -> tuple[str, bool]:
    """Return the sum of runs of pytest, as pytest writes it, and whether all is well.

    reports: their JUnit files; a missing one is an error, because its run broke before its end.
    seconds: how long all of it took, which is less than the sum where runs stood side by side.
    """
    total = dict.fromkeys(("failed", "passed", "skipped", "xfailed", "errors"), 0)
    for report in reports:
        if not report.exists():
            total["errors"] += 1
            continue
        for suite in ET.parse(report).iter("testsuite"):
            names = ("tests", "failures", "errors", "skipped")
            count = {name: int(suite.get(name, 0)) for name in names}
            # JUnit knows no xfail: pytest writes it as a skip of its own type.
            xfailed = sum(each.get("type") == "pytest.xfail" for each in suite.iter("skipped"))
            total["failed"] += count["failures"]
            total["errors"] += count["errors"]
            total["xfailed"] += xfailed
            total["skipped"] += count["skipped"] - xfailed
            total["passed"] += count["tests"] - sum(count[name] for name in names[1:])
    # A run that finds no tests is broken; where there was to be none, all is well.
    good = bool(total["passed"] or not reports) and not (total["failed"] or total["errors"])
    texts = [f"{count} {_plural(what, count)}" for what, count in total.items() if count]
    text = ", ".join(texts) or "no tests ran"
    return f" {text} in {seconds:.2f}s ".center(80, "="), good


def _plural(what: str, count: int) -> str:
    return "error" if what == "errors" and count == 1 else what


def _outcome(result: Result) -> str:
    match result.status:
        case None:
            return "not run"
        case 0:
            return f"passed in {result.seconds:.1f} s"
        case status:
            how = f" by signal {-status}" if status < 0 else ""
            return f"failed{how} in {result.seconds:.1f} s"


def _file_name(stage: Stage) -> str:
    return re.sub(r"[^\w.]+", "-", stage.name).strip("-")


def _copy(log: IO[bytes]) -> None:
    data = log.read()
    if data:
        sys.stdout.buffer.write(data)
        sys.stdout.flush()
