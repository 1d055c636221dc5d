"""A pytest fixture for your app's tests: `client`.

In the top conftest.py:

    from myapp import app

    pytest_plugins = ["anylane_conformance.fixtures"]

    @pytest.fixture
    def anylane_app():
        return app

It is not registered for everyone, because others have a `client` too.
"""

from __future__ import annotations

from collections.abc import Generator

import pytest

from anylane import App
from anylane.testing import TestClient


@pytest.fixture
def anylane_app() -> App:
    """The app under test: override it."""
    raise pytest.UsageError(
        "the fixture `client` needs an app: in conftest.py define a fixture `anylane_app` "
        "that returns it"
    )


@pytest.fixture
def anylane_backend() -> str | None:
    """Where it runs: None is in memory. Override it, or parametrise it to run on several lanes."""
    return None


@pytest.fixture
def client(anylane_app: App, anylane_backend: str | None) -> Generator[TestClient]:
    """A TestClient of the app; started before the test and closed after it."""
    with TestClient(anylane_app, backend=anylane_backend) as opened:
        yield opened
