"""What all tests share.

How long property tests look: shortly by default, `HYPOTHESIS_PROFILE=deep` for `make deep`, "brief"
where another interpreter runs again what this one has run. How failures in shared helpers are
shown. And `--without-lanes`, with which no test may fail."""

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


UNAFFECTED = (
    *("test_benchmark_targets.py", "test_check.py", "test_extras.py", "test_framework_names.py"),
    *("test_layers.py", "test_public_names.py", "test_purity.py"),
    *("test_reproducible.py", "test_supported_versions.py", "type_checkers", "systems"),
)
"""Tests of the sources and tools. `--without-lanes` leaves them out, because it could not change
them: they build no ServerConfig in this process."""


def is_unaffected(item: pytest.Item) -> bool:
    return not {*item.path.relative_to(Path(__file__).parent).parts}.isdisjoint(UNAFFECTED)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Hold UNAFFECTED to what it says."""
    if not is_unaffected(item):
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
    if config.getoption("--without-lanes"):
        left_out = [
            item for item in items if item.get_closest_marker("lanes") or is_unaffected(item)
        ]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in {*left_out}]
