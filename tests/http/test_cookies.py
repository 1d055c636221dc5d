"""Cookies: read leniently, written strictly."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from http.cookies import SimpleCookie
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anylane import App, Context, Response, UsageError
from anylane.http.cookies import parse_cookies
from anylane.testing import Lockstep


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], {}),
        (["a=1; b=2"], {"a": "1", "b": "2"}),
        (["a=1", "b=2"], {"a": "1", "b": "2"}),
        (["a=1;b=2;;  ;c = 3 "], {"a": "1", "b": "2", "c": "3"}),
        # What browsers really send: other applications' junk beside our own.
        (['bad; {"x": 1}; =none; ok=1; b@d=2'], {"ok": "1", "b@d": "2"}),
        (['q="two words"; e="a\\054b\\"c"'], {"q": "two words", "e": 'a,b"c'}),
        (["a=first; a=second"], {"a": "first"}),
        (["a=b=c"], {"a": "b=c"}),
        (["a="], {"a": ""}),
    ],
)
def test_reading_skips_what_is_malformed_and_keeps_the_rest(
    lines: list[str], expected: dict[str, str]
) -> None:
    assert parse_cookies(lines) == expected


@given(st.text(st.sampled_from('"\\0127a '), max_size=30))
def test_quoted_values_are_read_as_the_standard_library_reads_them(value: str) -> None:
    expected = SimpleCookie().value_decode(value.strip())[0]
    assert parse_cookies([f"a={value}"]) == {"a": expected}


@pytest.mark.parametrize("inside", ["\\" * 100_000, '\\"' * 50_000])
def test_a_hostile_value_takes_no_square_of_its_length(inside: str) -> None:
    """CVE-2024-7592: 20 s where this takes some ms. CPU time, so a busy machine does no harm."""
    before = time.process_time()
    parse_cookies([f'a="{inside}"'])
    assert time.process_time() - before < 2


@pytest.mark.parametrize("lines", [[";" * 8192] * 8, ["=;" * 4096] * 8, ["a=1;" * 2048] * 8])
def test_many_cookies_are_looked_at_up_to_a_number(
    lines: list[str],
) -> None:
    class Line(str):
        __slots__ = ()

        def split(self, sep: str | None = None, maxsplit: Any = -1) -> list[str]:
            found = super().split(sep, maxsplit)
            parts.extend(found)
            return found

    parts: list[str] = []
    assert parse_cookies(["first=1", *map(Line, lines), "last=1"]).keys() <= {"first", "a"}
    # The rest of a line and of each line behind it stays one part.
    assert len(parts) <= 1000 + len(lines)


def written(*args: Any, **options: Any) -> set[str]:
    (line,) = Response().set_cookie(*args, **options).headers.get_all("set-cookie")
    return set(line.split("; "))


def test_a_cookie_has_a_path_and_is_lax_unless_told_otherwise() -> None:
    assert written("a", "1") == {"a=1", "Path=/", "SameSite=Lax"}
    assert written("a", "1", path=None, samesite=None) == {"a=1"}


def test_every_attribute() -> None:
    assert written(
        "a",
        "two, words",
        max_age=60,
        expires=datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC),
        path="/x",
        domain="example.com",
        secure=True,
        httponly=True,
        samesite="none",
        partitioned=True,
    ) == {
        'a="two\\054 words"',
        "Max-Age=60",
        "expires=Wed, 02 Jan 2030 03:04:05 GMT",
        "Path=/x",
        "Domain=example.com",
        "Secure",
        "HttpOnly",
        "SameSite=None",
        "Partitioned",
    }


@pytest.mark.parametrize("value", ['a "b"; c\\d', "ä", "", "=", "%3B"])
def test_what_is_written_is_read_again(value: str) -> None:
    line = Response().set_cookie("a", value).headers["set-cookie"]
    assert parse_cookies([line.rpartition("; Path=")[0]]) == {"a": value}


@pytest.mark.parametrize(
    "options",
    [
        {"name": "a b"},
        {"name": "a\r\n"},
        {"path": "/;x"},
        {"domain": "a\r\nb"},
        {"expires": "x;y"},
        {"samesite": "sometimes"},
        {"samesite": "none"},
        {"partitioned": True},
        {"value": "\N{SNOWMAN}"},
    ],
)
def test_what_browsers_would_drop_is_a_usage_error(options: dict[str, Any]) -> None:
    given: dict[str, Any] = {"name": "a", "value": "b", **options}
    with pytest.raises(UsageError):
        Response().set_cookie(**given)


def test_setting_again_replaces_by_name_domain_and_path() -> None:
    response = Response().set_cookie("a", "1").set_cookie("a", "2", path="/x").set_cookie("a", "3")
    values = [line.partition(";")[0] for line in response.headers.get_all("set-cookie")]
    assert values == ["a=2", "a=3"]


def test_deleting_a_cookie_expires_it() -> None:
    (line,) = Response().delete_cookie("a").headers.get_all("set-cookie")
    assert "Max-Age=0" in line and "01 Jan 1970" in line


def test_a_returned_response_keeps_cookies_that_were_set_and_may_be_returned_again() -> None:
    app = App()
    constant = Response("hi", 202, headers={"x-own": "yes"}).set_cookie("b", "own")

    @app.get("/")
    async def handler(ctx: Context) -> Response:
        ctx.response.set_cookie("a", "1").set_cookie("b", "replaced").set_header("x-lost", "yes")
        return constant

    app.response_middleware(lambda ctx: ctx.response.add_header("x-after", "once") and None)
    wire = Lockstep(app)
    for _ in range(2):
        wire.receive(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        answer = wire.take().decode()
        assert answer.startswith("HTTP/1.1 202 ") and answer.endswith("hi")
        assert "set-cookie: a=1" in answer and "set-cookie: b=own" in answer
        assert "replaced" not in answer and "x-lost" not in answer
        assert answer.count("x-after") == 1
