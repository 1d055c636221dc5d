"""A pytest fixture for your app's tests: `client`.

In the top conftest.py:

    from myapp import app

    pytest_plugins = ["anylane_conformance.fixtures"]

    @pytest.fixture
    def anylane_app():
        return app

It has to be asked for, because other plugins have a `client` too.
"""

from __future__ import annotations

from collections.abc import Generator

import pytest

from anylane import App
from anylane.testing import TestClient


@pytest.fixture
def anylane_app() -> App:
    """Return the app under test. Override it; it raises UsageError otherwise."""
    raise pytest.UsageError(
        "the fixture `client` needs an app: in conftest.py define a fixture `anylane_app` "
        "that returns it"
    )


@pytest.fixture
def anylane_backend() -> str | None:
    """Return the backend to run on, None for in memory. Override or parametrise it for others."""
    return None


@pytest.fixture
def client(anylane_app: App, anylane_backend: str | None) -> Generator[TestClient]:
    """Yield a TestClient of the app, which is started before the test and closed after it."""
    with TestClient(anylane_app, backend=anylane_backend) as opened:
        yield opened
