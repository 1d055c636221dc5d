"""How long property tests look: shortly by default, `HYPOTHESIS_PROFILE=deep` for `make deep`."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

settings.register_profile("quick", deadline=None)
settings.register_profile(
    "deep",
    max_examples=5000,
    deadline=None,
    # Long conversations are what it is for.
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))
