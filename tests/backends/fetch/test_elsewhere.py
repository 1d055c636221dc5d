"""Where there is no JavaScript, FetchHandler says what to do instead."""

from __future__ import annotations

import sys

import pytest

from anylane import App, UsageError
from anylane_backends.fetch import FetchHandler


@pytest.mark.skipif(sys.platform == "emscripten", reason="here is JavaScript")
def test_outside_of_pyodide_it_names_what_serves_the_app() -> None:
    with pytest.raises(UsageError, match=r"runs in Pyodide\. To serve the app .* `anylane run`"):
        FetchHandler(App())
