"""What all tests share.

How long property tests look: shortly by default, `HYPOTHESIS_PROFILE=deep` for `make deep`. How
failures in shared helpers are shown. And `--without-lanes`, with which no test may fail."""

from __future__ import annotations

import os

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
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--without-lanes",
        action="store_true",
        help="every configuration that does not say otherwise has express=False, eager=False",
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--without-lanes"):
        defaults = ServerConfig.__init__.__kwdefaults__
        assert defaults is not None
        assert defaults["express"] and defaults["eager"]
        defaults["express"] = defaults["eager"] = False


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--without-lanes"):
        config.hook.pytest_deselected(
            items=[item for item in items if item.get_closest_marker("lanes")]
        )
        items[:] = [item for item in items if not item.get_closest_marker("lanes")]
