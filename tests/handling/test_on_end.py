"""The end of an exchange, as `ctx.on_end` tells of it."""

from __future__ import annotations

from typing import Any

import pytest

from anylane import STOP, App, Context
from tests.handling.test_gate import FORMS, every_form, play, request


class Ends:
    """A part that notes the end of each exchange."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, int, int]] = []

    def request(self, ctx: Context) -> None:
        ctx.on_end(self.ended)

    def ended(self, ctx: Context) -> None:
        assert ctx.exchange.finished
        self.seen.append((ctx.exchange.status, ctx.exchange.received, ctx.exchange.sent))


@pytest.mark.parametrize("form", FORMS)
def test_a_part_is_told_once_of_the_end_of_every_form_of_answer(form: str) -> None:
    said, status = FORMS[form]
    app, part = every_form(), Ends()
    app.use(part)
    answer, wire = play(app, said)
    if status == 101 or said[0].startswith(b"CONNECT"):  # type: ignore[union-attr]
        wire.lose()
    ((seen, _, sent),) = part.seen
    assert seen == status
    body = answer.partition("\r\n\r\n")[2]
    assert sent <= len(body) and (status == 101 or bool(sent) == bool(body))


def test_it_knows_what_came_and_what_was_sent() -> None:
    app, part = every_form(), Ends()
    app.use(part)
    chunked = request("/body", "Transfer-Encoding: chunked", method="POST")
    play(app, [request("/body", "Content-Length: 3", method="POST") + b"abc"])
    play(app, [request("/body", "Content-Length: 3", method="POST"), b"ab", b"c"])
    play(app, [chunked, b"3\r\nabc\r\n", b"2\r\nde\r\n0\r\n\r\n"])
    play(app, [request("/value")])
    assert part.seen == [(200, 3, 3), (200, 3, 3), (200, 5, 5), (200, 0, 5)]


def test_messages_of_a_websocket_and_bytes_of_a_raw_stream_count() -> None:
    app, part = App(), Ends()
    app.use(part)

    @app.websocket("/echo")
    async def echo(ctx: Context) -> None:
        ws = await ctx.accept()
        async for message in ws:
            await ws.send(message)

    @app.get("/raw")
    async def raw(ctx: Context) -> None:
        stream = await ctx.take_over()
        while await stream.read():
            pass

    upgrade = request(
        "/echo", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    )  # fmt: skip
    _, wire = play(app, [upgrade, b"\x81\x82\0\0\0\0hi", b"\x81\x83\0\0\0\0you"])
    wire.lose()
    _, wire = play(app, [request("/raw", "Connection: Upgrade", "Upgrade: x"), b"12345"])
    wire.eof()
    wire.lose()
    # What is sent in a WebSocket has its frames' heads.
    assert part.seen == [(101, 5, 9), (101, 5, 0)]


def test_a_client_that_leaves_before_an_answer_has_none() -> None:
    app, part = every_form(), Ends()
    app.use(part)
    _, wire = play(app, [request("/late")])
    assert part.seen == []
    wire.lose()
    assert part.seen == [(0, 0, 0)]


def test_all_are_told_although_one_fails_or_another_has_answered() -> None:
    class Fails:
        def request(self, ctx: Context) -> Any:
            ctx.on_end(self.fails)
            ctx.response.set_text("mine")
            return STOP

        def fails(self, ctx: Context) -> None:
            raise ValueError("oops")

    app, part = every_form(), Ends()
    app.use(part)
    app.use(Fails())
    answer, wire = play(app, [request("/value")])
    assert answer.endswith("mine")
    assert part.seen == [(200, 0, 4)]
    (line,) = [each.message for each in wire.log]
    assert "Fails.fails" in line and "oops" in line
