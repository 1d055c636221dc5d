"""What cannot be assigned says what to do instead, and reading it costs what it always did."""

from __future__ import annotations

from typing import Any

import pytest

from anylane import App, Context, Request, Response, UsageError, WebSocket
from anylane.read_only import explain
from anylane.testing import TestClient

CLASSES: tuple[type, ...] = (Response, Request, Context, WebSocket)

PROPERTIES = [
    (each, name)
    for each in CLASSES
    for owner in each.__mro__
    for name, found in vars(owner).items()
    if isinstance(found, property) and not name.startswith("_")
]

SETTABLE = {"user", "session", "response", "place"}


def raised(value: Any, name: str) -> AttributeError:
    with pytest.raises(AttributeError) as caught:
        setattr(value, name, 404)
    return caught.value


@pytest.mark.parametrize(
    ("owner", "name"), [pair for pair in PROPERTIES if pair[1] not in SETTABLE]
)
def test_every_read_only_attribute_gives_advice(owner: Any, name: str) -> None:
    error = raised(owner.__new__(owner), name)
    assert str(error).startswith(f"{name} of a {owner.__name__} cannot be assigned: ")
    assert len(str(error)) < 160
    assert error.name == name


def test_the_status_of_an_answer() -> None:
    response = Response("text")
    assert str(raised(response, "status")) == (
        "status of a Response cannot be assigned: call ctx.response.set_status(404), or return "
        "Response(..., status=404)"
    )
    assert response.status is None


def test_they_stay_plain_properties() -> None:
    """CPython reads a property itself faster than one of a subclass."""
    for owner, name in PROPERTIES:
        assert type(getattr(owner, name)) is property


def test_a_property_keeps_its_docstring() -> None:
    assert (Response.status.__doc__ or "").startswith("The status as an int")


def test_only_a_property_can_be_explained() -> None:
    with pytest.raises(KeyError, match="nothing"):
        explain(Response, {"nothing": "there is no such attribute"})


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("ctx.response.headers['a'] = 'b'", "ctx.response.set_header(name, value)"),
        ("ctx.request.headers['a'] = 'b'", "ctx.response.set_header(name, value)"),
        ("del ctx.response.headers['a']", "ctx.response.remove_header(name)"),
        ("ctx.response = 404", "expected a Response"),
        ("ctx.response = 'text'", "expected a Response"),
        ("ctx.state = {}", "ctx.state.name = value"),
    ],
)
def test_what_other_frameworks_allow(line: str, message: str) -> None:
    app, seen = App(), []

    @app.get("/")
    async def home(ctx: Context) -> str:
        try:
            exec(line, {"ctx": ctx})
        except (AttributeError, TypeError, UsageError) as exc:
            seen.append(str(exc))
        return "still answered"

    with TestClient(app) as client:
        assert client.get("/").text == "still answered"
    assert [message in each for each in seen] == [True]
