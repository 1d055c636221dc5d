"""ctx.check_preconditions: its arguments, where it may be called, and its 304."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from anylane import App, Context, HTTPError
from anylane.testing import Lockstep


def play(app: App, *headers: str, method: str = "GET") -> tuple[str, Any]:
    wire = Lockstep(app)
    wire.receive("\r\n".join([f"{method} / HTTP/1.1", "Host: a", *headers, "", ""]).encode())
    return wire.take().decode("latin-1"), wire


def checking(*arguments: Any, **more: Any) -> App:
    app = App()

    @app.route("/", methods=["GET", "PUT"])
    async def home(ctx: Context) -> str:
        ctx.check_preconditions(*arguments, **more)
        return "ran"

    return app


@pytest.mark.parametrize(
    ("arguments", "more", "headers", "status"),
    [
        ((), {}, ["If-Match: *"], 412),
        ((), {}, ["If-None-Match: *"], 200),
        ((), {"exists": True}, ["If-Match: *"], 200),
        ((), {"exists": True}, ["If-None-Match: *"], 412),
        (('"a"',), {}, ['If-Match: "a"'], 200),
        (("a",), {}, ['If-Match: "a"'], 200),
        ((None, 784_111_777), {}, ["If-Match: *"], 200),
        ((None, 784_111_777), {}, ["If-Unmodified-Since: Sun Nov  6 08:49:37 1994"], 200),
        ((None, 784_111_778), {}, ["If-Unmodified-Since: Sun Nov  6 08:49:37 1994"], 412),
        ((None, datetime(1994, 11, 6, 9, tzinfo=UTC)), {},
         ["If-Unmodified-Since: Sunday, 06-Nov-94 08:49:37 GMT"], 412),
        (("a", None, True), {}, [], 428),
        (("a",), {"required": True}, ["If-None-Match: nonsense"], 428),
        (("a",), {"required": True}, ['If-None-Match: "b"'], 200),
        ((None, None, True), {}, ["If-Unmodified-Since: Sun Nov  6 08:49:37 1994"], 428),
        ((), {"required": True}, ["If-Modified-Since: Sun Nov  6 08:49:37 1994"], 428),
    ],
)  # fmt: skip
def test_a_put_is_let_on_or_not(arguments: Any, more: Any, headers: list[str], status: int) -> None:
    answer, wire = play(checking(*arguments, **more), *headers, method="PUT")
    assert answer.startswith(f"HTTP/1.1 {status} ")
    assert ("ran" in answer) is (status == 200)
    assert not wire.log and not wire.closing


def test_a_428_says_what_to_send() -> None:
    answer, _ = play(checking("a", required=True), method="PUT")
    assert answer.endswith("send If-Match and the ETag of what you change\n")
    answer, _ = play(checking(required=True), method="PUT")
    assert answer.endswith("send If-None-Match: *\n")


def test_a_wrong_argument_is_the_handlers_failure() -> None:
    answer, wire = play(checking('"half'))
    assert answer.startswith("HTTP/1.1 500 ")
    assert "expected an entity tag" in wire.log[0].message


def test_a_304_passes_by_the_handlers_of_errors() -> None:
    app = checking("a")
    seen: list[int] = []

    @app.exception_handler(HTTPError)
    def error(ctx: Context, exc: HTTPError) -> dict[str, int]:
        seen.append(exc.status)
        return {"status": exc.status}

    @app.exception_handler(Exception)
    def panic(ctx: Context, exc: Exception) -> str:
        seen.append(0)
        return "panic"

    answer, wire = play(app, 'If-None-Match: "a"')
    head, _, body = answer.partition("\r\n\r\n")
    assert head.startswith("HTTP/1.1 304 ") and "content-" not in head and body == ""
    assert seen == [] and not wire.log
    assert play(app, 'If-Match: "b"')[0].endswith('{"status":412}')
    assert seen == [412]


def test_response_hooks_see_the_304() -> None:
    app = checking("a")
    seen: list[int | None] = []

    @app.response_middleware
    def look(ctx: Context) -> None:
        seen.append(ctx.response.status)
        ctx.response.set_header("x-hook", "yes")

    answer, _ = play(app, "If-None-Match: *")
    assert "\r\nx-hook: yes\r\n" in answer
    assert seen == [304]


def test_a_tag_that_was_set_before_is_in_the_304_once() -> None:
    app = App()

    @app.get("/")
    def home(ctx: Context) -> str:
        ctx.response.set_header("ETag", '"old"').set_header("expires", "0")
        ctx.check_preconditions('"a"')
        return "ran"

    answer, _ = play(app, 'If-None-Match: "a"')
    assert answer.lower().count("etag:") == 1
    assert 'etag: "a"\r\n' in answer and "\r\nexpires: 0\r\n" in answer


def test_the_clock_for_dates_with_two_digits_is_the_cores() -> None:
    # In virtual time it is 1970, so that this is a Saturday of 1921, and not a Friday of 2021.
    date = "Saturday, 01-Jan-21 00:00:00 GMT"
    answer, _ = play(checking(None, 0), f"If-Unmodified-Since: {date}", method="PUT")
    assert answer.startswith("HTTP/1.1 412 ")
