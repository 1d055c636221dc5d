"""What all tests share.

How long property tests look: shortly by default, `HYPOTHESIS_PROFILE=deep` for `make deep`, "brief"
where another interpreter runs again what this one has run. How failures in shared helpers are
shown. And what `--without-lanes`, with which no test may fail, and `--again` leave out."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from anylane import ServerConfig

# What these assert is shown as that of tests is: with both sides, not as a bare AssertionError.
pytest.register_assert_rewrite("tests.conversations", "tests.twins")

settings.register_profile("quick", deadline=None)
settings.register_profile(
    "deep",
    max_examples=5000,
    deadline=None,
    # Long conversations are what it is for.
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.register_profile("brief", max_examples=10, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--without-lanes",
        action="store_true",
        help="every configuration that does not say otherwise has express=False, eager=False",
    )
    parser.addoption(
        "--again",
        action="store_true",
        help="all of it was run with another Python: leave out what would tell nothing new",
    )


OF_SOURCES = (
    *("test_benchmark_targets.py", "test_check.py", "test_extras.py", "test_framework_names.py"),
    *("test_layers.py", "test_public_names.py", "test_purity.py"),
    *("test_reproducible.py", "test_supported_versions.py", "type_checkers"),
)
"""Tests of the sources and tools."""

OF_COMMANDS = (
    *("systems", "proxies", "test_cli_new.py", "bridges/test_workers.py"),
    *("workers/test_files.py", "workers/test_interpreter_workers.py", "workers/test_losses.py"),
    *("workers/test_one_app.py", "workers/test_privileges.py", "workers/test_recycling.py"),
    *("workers/test_shortage.py", "workers/test_signals.py", "workers/test_spread.py"),
    *("workers/test_starts.py", "workers/test_successor.py"),
)
"""Tests of servers that are processes of their own."""

UNAFFECTED = (*OF_SOURCES, *OF_COMMANDS)
"""What `--without-lanes` leaves out, because it could not change it: no ServerConfig is built in
this process."""

ONCE = (*OF_SOURCES, "test_docs.py", "proxies", "test_vanishing.py", "bridges/test_workers.py")
"""What `--again` leaves out. It is about the sources, or about what a proxy, a broker or a client
does, and long: one Python is enough for it."""


def is_one_of(item: pytest.Item, names: tuple[str, ...]) -> bool:
    """Whether the test is in one of these files or folders, which are the ends of paths."""
    path = item.path.relative_to(Path(__file__).parent)
    wholes = ("", *map(str, path.parents), str(path))
    return any(f"/{each}".endswith(f"/{name}") for each in wholes for name in names)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Hold UNAFFECTED to what it says."""
    if not is_one_of(item, UNAFFECTED):
        return (yield)

    def refuse(_: object) -> None:
        pytest.fail("this test builds a ServerConfig; take its file out of UNAFFECTED")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ServerConfig, "__post_init__", refuse)
        return (yield)


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--without-lanes"):
        defaults = ServerConfig.__init__.__kwdefaults__
        assert defaults is not None
        assert defaults["express"] and defaults["eager"]
        defaults["express"] = defaults["eager"] = False


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    left_out: set[pytest.Item] = set()
    if config.getoption("--without-lanes"):
        left_out |= {
            each
            for each in items
            if each.get_closest_marker("lanes") or is_one_of(each, UNAFFECTED)
        }
    if config.getoption("--again"):
        left_out |= {each for each in items if is_one_of(each, ONCE)}
    if left_out:
        config.hook.pytest_deselected(items=[*left_out])
        items[:] = [each for each in items if each not in left_out]
