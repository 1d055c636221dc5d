"""Annotations that name what only type checkers see: strings below `from __future__ import
annotations`, and looked up when they are asked for since Python 3.14 (PEP 649)."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from anylane import RouteError, UsageError
from anylane.testing import TestClient

FORMS = [
    pytest.param("from __future__ import annotations\n", id="strings"),
    pytest.param(
        "",
        id="looked up later",
        marks=pytest.mark.skipif(sys.version_info < (3, 14), reason="Python 3.14 looks them up"),
    ),
]


def run(source: str) -> dict[str, Any]:
    """Run lines that have no future statement but their own."""
    names: dict[str, Any] = {"__name__": "written"}
    exec(compile(source, "written.py", "exec", dont_inherit=True), names)
    return names


@pytest.mark.parametrize("future", FORMS)
def test_hooks_are_taken(future: str) -> None:
    app = run(future + """
from anylane import App
app = App()

@app.on_startup
def begins() -> Unknown: ...

@app.request_middleware()
async def before(ctx: Unknown) -> Unknown: ...

@app.middleware()
async def around(ctx: Unknown, call_next: Unknown) -> Unknown:
    await call_next()

@app.exception_handler(KeyError)
def of_a_key(ctx: Unknown, exc: Unknown) -> Unknown:
    return "answered"

@app.get("/")
def home(ctx):
    raise KeyError("a")
""")["app"]  # fmt: skip
    with TestClient(app) as client:
        assert client.get("/").text == "answered"


@pytest.mark.parametrize("future", FORMS)
def test_a_wrong_hook_is_refused_by_its_own_words(future: str) -> None:
    with pytest.raises(UsageError, match=r"takes \(app: '?Unknown'?\); write \(\)"):
        run(f"{future}from anylane import App\n"
            "@App().on_startup\n"
            "def begins(app: Unknown): ...\n")  # fmt: skip


@pytest.mark.parametrize("future", FORMS)
def test_a_handler_is_refused_where_its_types_are_not_known(future: str) -> None:
    with pytest.raises(RouteError, match="'Unknown', which does not exist at run time"):
        run(f"{future}from anylane import App\n"
            "@App().get('/')\n"
            "def home(name: Unknown): ...\n")  # fmt: skip
