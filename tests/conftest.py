"""How long property tests look (shortly by default, `HYPOTHESIS_PROFILE=deep` for `make deep`), and
how failures of what tests share are shown."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

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
