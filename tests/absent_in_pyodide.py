"""What a test may need that Pyodide has not. Such a test is left out, and told with its reason.

A plugin of pytest, which tools/pyodide.py loads. It looks at why a test has failed, so no list of
tests has to follow their names; a test that fails for any other reason fails. Whatever is left out
here runs on the other Pythons.
"""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest

AT_LEAST = "PYODIDE_PASSES"
"""The variable with how many tests have to pass, so that not all of them are left out one day."""

THREADS = "no threads in WebAssembly"
PROCESSES = "no processes in WebAssembly"
SOCKETS = "no sockets in WebAssembly, and so no lane of servers"

LIBRARY = "a library that is not installed for Pyodide"

LIBRARIES = (
    *("annotated_types", "anyio", "brotli", "crc32c", "cryptography", "httpx", "httpx2"),
    *("itsdangerous", "jinja2", "jsonschema", "jwt", "msgspec", "offapi", "openapi_spec_validator"),
    *("opentelemetry", "orjson", "prometheus_client", "proxyprotocol", "psutil", "pydantic"),
    *("starlette", "structlog", "trio", "trustme", "websockets"),
)
"""What tests import beyond the core's own needs. Some have no wheel for WebAssembly."""

REASONS: dict[str, str] = {
    "can't start new thread": THREADS,
    "does not support processes": PROCESSES,
    "there is no backend ": SOCKETS,
    "module 'signal' has no attribute": "no timers that signal in WebAssembly",
    "module 'os' has no attribute 'mkfifo'": "no named pipes in WebAssembly",
    ", which is not installed: ": LIBRARY,
    **{f"No module named '{name}": LIBRARY for name in LIBRARIES},
}
"""What the exception of a test says, or one that it came of -> what is missing."""

INDIRECT: dict[str, str] = {
    "test_a_signal_ends_what_runs_a_server_in_its_own_loop_of_asyncio": SOCKETS,
    "test_a_thread_of_your_own_takes_it_along": THREADS,
    "test_every_callable_that_gives_a_coroutine_is_an_asgi_application": THREADS,
    "test_asgi_and_wsgi_applications_are_asked": THREADS,
    "test_a_decimal_number_of_a_body_is_finite[1e999999999]": "a Decimal is smaller in 32 bits",
    "test_equal_bodies_become_equal_bytes": LIBRARY,
    "test_what_is_streamed_is_read_back_wherever_the_bytes_are_cut": LIBRARY,
    "test_within_it_all_is_well_and_beyond_it_this_happens[max_threads-": THREADS,
}
"""Tests that do not say what they lack -> what that is. They are not begun."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for name, reason in INDIRECT.items():
            if item.name.startswith(name):
                item.add_marker(pytest.mark.skip(reason=reason))


def missing(error: BaseException | None) -> str | None:
    """Return what an exception says is missing, or one that it came of. Return None for none."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        for words, reason in REASONS.items():
            if words in str(error):
                return reason
        error = error.__cause__ or error.__context__
    return None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    reason = missing(call.excinfo.value) if call.excinfo is not None else None
    if report.failed and reason is not None:
        report.outcome = "skipped"
        report.longrepr = (str(item.path), item.location[1] or 0, f"Skipped: {reason}")
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    told = str(report.longrepr)
    if report.failed and any(f"No module named '{name}" in told for name in LIBRARIES):
        report.outcome = "skipped"
        report.longrepr = (str(collector.path), 0, f"Skipped: {LIBRARY}")
        report.result = []
    return report


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run in which too few tests have passed."""
    wanted = int(os.environ.get(AT_LEAST, "0"))
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    assert reporter is not None
    passed = len(reporter.stats.get("passed", ()))
    if passed < wanted:
        reporter.write_line(f"\n{passed} tests have passed, and not {wanted} or more", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
