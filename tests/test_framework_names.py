"""What docs/from-other-frameworks.md says of anylane is there: each name, with these arguments."""

from __future__ import annotations

import ast
import builtins
import inspect
import re
import sys
from importlib import import_module
from pathlib import Path
from typing import is_typeddict

import pytest

import anylane
import anylane.contrib
import anylane.middleware
import anylane.testing
from anylane import App, Context, EventStream, Headers, Request, Response, Router, WebSocket
from anylane.http.cookies import Cookies
from anylane.http.multidict import Query
from anylane.testing import ClientResponse, TestClient

PAGE = Path(__file__).parents[1] / "docs" / "from-other-frameworks.md"
CODE = re.compile(r"`([^`]+)`")

PUBLIC = {
    name: getattr(module, name)
    for module in (anylane, anylane.contrib, anylane.middleware, anylane.testing)
    for name in module.__all__
}
NAMED: dict[str, object] = {
    "app": App(),
    "router": Router(),
    "ctx": Context,
    "ws": WebSocket,
    "events": EventStream,
    "templates": anylane.contrib.Templates,
    "client": TestClient,
    "answer": ClientResponse,
}
"""What the tables mean by these names."""

OF_THE_READER = {"session", "fake", "Session", "user", "part", "admin", "secret", "verify", "key",
                 "read", "mail", "path", "data", "value", "name", "User",
                 "current_user"}  # fmt: skip
"""Names in the tables that are the reader's own."""

FOUND_IN: dict[tuple[object, str], object] = {
    (Context, "request"): Request,
    (Context, "response"): Response,
    (Request, "query"): Query,
    (Request, "headers"): Headers,
    (Request, "cookies"): Cookies,
}
"""What an attribute of a class is, where the tables go on from there."""


def rows() -> list[tuple[str, list[str]]]:
    """Return the rows of all tables: what for, and the code of our column."""
    found: list[tuple[str, list[str]]] = []
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if line.startswith("| ") and cells[1] != "anylane":
            found.append((cells[0], CODE.findall(cells[1])))
    return found


def statement(code: str) -> ast.stmt:
    """Return what a piece of code of the page says, be it a decorator or half of a statement."""
    (found,) = ast.parse(code.removeprefix("@").removeprefix("raise ")).body
    return found


def check(code: str) -> None:
    """Raise LookupError or TypeError unless all that a piece of code uses is there."""
    for node in ast.walk(statement(code)):
        if isinstance(node, ast.expr) and not isinstance(getattr(node, "ctx", None), ast.Store):
            found_by(node)


def found_by(node: ast.expr) -> object:
    """Return what an expression of the page names; None where that is the reader's own."""
    match node:
        case ast.Name(id=name):
            if name in PUBLIC:
                return PUBLIC[name]
            if name in NAMED:
                return NAMED[name]
            if name in OF_THE_READER or hasattr(builtins, name) or name == "Annotated":
                return None
            raise LookupError(f"{name} is no public name")
        case ast.Attribute(value=value, attr=attr):
            owner = found_by(value)
            if owner is None:
                return None
            for kind in owner.__mro__ if isinstance(owner, type) else ():
                if (kind, attr) in FOUND_IN:
                    return FOUND_IN[kind, attr]
            if (owner, attr) == (NAMED["app"], "state"):
                return None  # it is there, and outside of a server an error
            if not hasattr(owner, attr) and attr not in fields(owner):
                raise LookupError(f"{owner!r} has no {attr}")
            return getattr(owner, attr, None)
        case ast.Call(func=func):
            called = found_by(func)
            if called is not None:
                check_arguments(called, node)
            return None
        case _:
            return None


def fields(owner: object) -> set[str]:
    kind = owner if isinstance(owner, type) else type(owner)
    return {name for each in kind.__mro__ for name in inspect.get_annotations(each)}


def options(name: str) -> set[str]:
    """Return the keys of a table of keyword arguments, which a module of anylane defines."""
    import_module(
        "anylane.config.server_settings"
    )  # the signature of `app.run` names what is in it
    modules = [module for key, module in sys.modules.items() if key.startswith("anylane.")]
    tables = [table for module in modules if is_typeddict(table := getattr(module, name, None))]
    return {key for table in tables[:1] for key in table.__annotations__}


def check_arguments(called: object, call: ast.Call) -> None:
    """Raise TypeError unless the call fits the signature."""
    assert callable(called)
    signature = inspect.signature(called)
    names = [keyword.arg for keyword in call.keywords if keyword.arg]
    arguments: list[object] = [*call.args]
    if next(iter(signature.parameters), "") == "self":
        arguments.insert(0, None)
    for parameter in signature.parameters.values():
        if taken := re.fullmatch(r"Unpack\[(\w+)\]", str(parameter.annotation)):
            allowed = options(taken[1]) | signature.parameters.keys()
            if not set(names) <= allowed:
                raise TypeError(f"{sorted(set(names) - allowed)} of {ast.unparse(call)}")
    signature.bind(*arguments, **dict.fromkeys(names))


@pytest.mark.parametrize(("wish", "codes"), rows())
def test_what_the_page_sets_beside_other_frameworks_exists(wish: str, codes: list[str]) -> None:
    assert codes, f"{wish}: nothing is named"
    for code in codes:
        if code == "async for" or code.startswith("anylane run "):
            continue
        check(code)


@pytest.mark.parametrize(
    "code",
    ["@app.gett('/')", "ctx.request.size", "Apps()", "ctx.response.set_status()", "app.run(prot=1)",
     "@app.get('/', stat=1)", "ctx.url_for()", "answer.code", "client.get('/', query='x')",
     "a: Annotated[str, Queri()]"],
)  # fmt: skip
def test_what_does_not_exist_is_found(code: str) -> None:
    with pytest.raises((LookupError, TypeError)):
        check(code)


def test_the_page_has_its_rows() -> None:
    assert len(rows()) > 60
