"""Applications of real frameworks give in an App, on every lane, the answers that they give under
a server of their own."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import cache
from typing import Any

import pytest

from anylane import App
from tests.neighbours import applications
from tests.neighbours.requests import answers, conversations
from tests.neighbours.servers import anylane_serves, uvicorn_serves, wsgiref_serves

LANES = ("asyncio", "uvloop", "anyio", "trio", "curio", "threads")
FRAMEWORKS: dict[str, Callable[[], Any]] = {
    "starlette": applications.starlette_app,
    "fastapi": applications.fastapi_app,
    "django": applications.django_app,
}


@contextmanager
def mounted(prefix: str, application: Any, lane: str, **how: Any) -> Generator[int]:
    app = App()
    app.mount(prefix or "/", application, **how)
    with anylane_serves(app, lane) as port:
        yield port


@cache
def under_uvicorn(framework: str, prefix: str) -> tuple[Any, Any]:
    with uvicorn_serves(FRAMEWORKS[framework](), prefix) as port:
        return answers(port), conversations(port)


@cache
def under_wsgiref() -> Any:
    with wsgiref_serves(applications.flask_app()) as port:
        return answers(port)


@pytest.mark.parametrize("lane", LANES)
@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("prefix", ["", "/inner"])
def test_asgi_applications_answer_as_under_uvicorn(prefix: str, framework: str, lane: str) -> None:
    expected, talked = under_uvicorn(framework, prefix)
    # Django knows asyncio only.
    portal = framework == "django" and lane == "trio"
    with mounted(prefix, FRAMEWORKS[framework](), lane, portal=portal) as port:
        assert _unframed(answers(port, prefix)) == _unframed(expected)
        assert conversations(port, prefix) == talked


@pytest.mark.parametrize("lane", LANES)
def test_wsgi_applications_answer_as_under_wsgiref(lane: str) -> None:
    with mounted("", applications.flask_app(), lane, wsgi=True) as port:
        assert _unframed(answers(port)) == _unframed(under_wsgiref())


def _unframed(found: Any) -> Any:
    """Without how the body ends, where the application has left that to its server. To HEAD the
    length is then that of a body which only the server knows."""
    return {
        name: (status, [each for each in fields if not _is_framing(each, name, body)], body)
        for name, (status, fields, body) in found.items()
    }


def _is_framing(each: tuple[str, str], name: str, body: bytes) -> bool:
    if name == "head" and each[0] == "content-length":
        return True
    return each in (("transfer-encoding", "chunked"), ("content-length", str(len(body))))
