"""What handlers return, and what was sent before they did."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from anylane import App, Context, Response
from anylane.testing import Lockstep

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


@dataclass
class Point:
    x: int
    y: int


def answer_to(value: Any, data: bytes = GET) -> tuple[str, Lockstep]:
    app = App()

    @app.get("/", inline=True)
    def handler(ctx: Context) -> Any:
        return value

    wire = Lockstep(app)
    wire.receive(data)
    return wire.sent.decode(), wire


@pytest.mark.parametrize(
    ("value", "status", "content_type", "body"),
    [
        ("hä", 200, "text/plain; charset=utf-8", "hä"),
        (b"hi", 200, "application/octet-stream", "hi"),
        ({"a": [1, None]}, 200, "application/json", '{"a":[1,null]}'),
        ([Point(1, 2)], 200, "application/json", '[{"x":1,"y":2}]'),
        (Point(1, 2), 200, "application/json", '{"x":1,"y":2}'),
        (7, 200, "application/json", "7"),
        (0.5, 200, "application/json", "0.5"),
        (False, 200, "application/json", "false"),
        (None, 204, None, ""),
        (Response("made", 201), 201, "text/plain; charset=utf-8", "made"),
    ],
)
def test_each_kind_of_value(value: Any, status: int, content_type: str | None, body: str) -> None:
    answer, _ = answer_to(value)
    assert answer.startswith(f"HTTP/1.1 {status} ")
    assert answer.endswith("\r\n\r\n" + body)
    assert (f"content-type: {content_type}\r\n" in answer) is (content_type is not None)


@pytest.mark.parametrize(
    ("set_it", "content_type", "body"),
    [
        (lambda r: r.set_text("ä"), "text/plain; charset=utf-8", "ä"),
        (lambda r: r.set_html("<p>ä"), "text/html; charset=utf-8", "<p>ä"),
        (lambda r: r.set_json({"a": "ä"}), "application/json", '{"a":"ä"}'),
        (lambda r: r.set_body(b"a"), "application/octet-stream", "a"),
        (lambda r: r.set_body(b"a", "image/png"), "image/png", "a"),
        (lambda r: r.set_header("content-type", "x/y").set_html("a"), "x/y", "a"),
    ],
)
def test_each_setter_names_its_content_type(set_it: Any, content_type: str, body: str) -> None:
    answer, _ = answer_to(set_it(Response()))
    assert answer.startswith("HTTP/1.1 200 ")
    assert answer.endswith("\r\n\r\n" + body)
    assert answer.count(f"content-type: {content_type}\r\n") == 1


def test_iterators_are_streamed_one_item_one_chunk() -> None:
    answer, _ = answer_to(iter(["a", b"bc"]))
    assert answer.endswith("\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n")


def test_head_takes_no_item_of_an_endless_iterator_but_the_first() -> None:
    def endless() -> Iterator[str]:
        while True:
            yield "x"

    answer, _ = answer_to(endless(), GET.replace(b"GET", b"HEAD"))
    assert answer.endswith("transfer-encoding: chunked\r\n\r\n")


@pytest.mark.parametrize("value", [(200, "no"), {1, 2}, object, Point, ...])
def test_anything_else_is_a_500_that_names_handler_and_value(value: Any) -> None:
    answer, wire = answer_to(value)
    assert answer.startswith("HTTP/1.1 500 ")
    (record,) = wire.log
    assert "handler" in record.message
    assert type(value).__name__ in record.message
    assert repr(value) in record.message


def test_status_headers_and_content_type_already_set_stay() -> None:
    app = App()

    @app.get("/")
    async def handler(ctx: Context) -> str:
        ctx.response.set_status(203).set_header("content-type", "text/x").add_header("x", "y")
        return "body"

    wire = Lockstep(app)
    wire.receive(GET)
    assert wire.sent.startswith(b"HTTP/1.1 203 ")
    assert b"content-type: text/x\r\nx: y\r\n" in wire.sent


def test_a_value_after_the_response_was_sent_is_a_logged_error_and_no_more() -> None:
    app = App()

    @app.get("/")
    async def handler(ctx: Context) -> str:
        ctx.response.set_text("sent")
        await ctx.send()
        await ctx.sleep(1)
        return "too late"

    wire = Lockstep(app)
    wire.receive(GET)
    assert wire.sent.endswith(b"sent")  # Before the handler has ended.
    wire.advance(1)
    (record,) = wire.log
    assert "'too late' after the response was sent" in record.message
    wire.receive(GET)
    wire.advance(1)
    assert wire.sent.count(b"sent") == 2


def test_a_query_with_too_many_fields_is_the_clients_fault() -> None:
    app = App()

    @app.get("/")
    async def handler(ctx: Context) -> list[str]:
        return ctx.request.query.get_all("a")

    wire = Lockstep(app)
    wire.receive(b"GET /?a=1&b=2&a=3&a= HTTP/1.1\r\nHost: a\r\n\r\n")
    assert wire.take().endswith(b'["1","3",""]')
    wire.receive(b"GET /?" + b"&".join([b"a=1"] * 1001) + b" HTTP/1.1\r\nHost: a\r\n\r\n")
    assert wire.take().startswith(b"HTTP/1.1 400 ")


def test_a_coroutine_that_was_not_awaited_is_named():
    app = App()

    @app.get("/")
    async def handler(ctx: Context):
        return ctx.request.json()

    wire = Lockstep(app)
    wire.receive(GET)
    assert wire.sent.startswith(b"HTTP/1.1 500 ")
    assert "returned Request.json() without awaiting it" in wire.world.log[-1].message
