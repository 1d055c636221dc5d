"""The pytest plugin: `--anylane-backend`, and the table of backends and chapters at the end.

It registers no bare `--backend`, and loads no backend until the suite itself is collected.
"""

from __future__ import annotations

import pytest

from anylane_conformance.harness.bounds import BOUND
from anylane_conformance.harness.report import Report

REPORT = pytest.StashKey[Report]()
"""Where the run keeps its report."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Register the options."""
    group = parser.getgroup("anylane", "anylane conformance suite")
    group.addoption(
        "--anylane-backend",
        action="append",
        default=[],
        metavar="NAME",
        help="run the suite against this backend: a name, package.module:Class, or all",
    )
    group.addoption(
        "--anylane-report",
        metavar="FILE",
        help="write the results to FILE: Markdown, or JSON where it ends in .json",
    )
    group.addoption(
        "--anylane-in-turn",
        action="store_true",
        help="hold each case on one of the backends only: the first, the second, and so on",
    )
    group.addoption(
        "--anylane-theirs",
        action="store_true",
        help="under another server, try the cases that are declared to be its own, too",
    )
    group.addoption(
        "--anylane-bound",
        type=float,
        default=BOUND,
        metavar="SECONDS",
        help="seconds after which a case is left behind as failed (%(default)s)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Raise UsageError for a wrong name: one line, where collecting would show a traceback."""
    names = [name for name in config.getoption("--anylane-backend") or () if name != "all"]
    if not names:
        return
    from anylane_backends.hosting.loading import BackendError
    from anylane_conformance.harness.lanes import server_lane

    try:
        for name in names:
            server_lane(name)
    except BackendError as exc:
        raise pytest.UsageError(str(exc)) from None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table."""
    report = terminalreporter.config.stash.get(REPORT, None)
    if report is not None:
        terminalreporter.section("conformance")
        terminalreporter.write_line(report.markdown())


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the table to the file that was asked for."""
    report = session.config.stash.get(REPORT, None)
    path = session.config.getoption("--anylane-report")
    if report is not None and path:
        report.write(path)
