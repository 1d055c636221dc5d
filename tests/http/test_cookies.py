"""Cookies: read leniently, written strictly."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from http.cookies import SimpleCookie
from typing import Any

import pytest
from hypothesis import example, given
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
        # Only spaces and tabs are taken away: 0x85 and 0xA0 are white space to Python alone.
        (["a=\xc3\xa0"], {"a": "à"}),
        (["a=\xc3\x85\t ; b=1"], {"a": "Å", "b": "1"}),
        (["\xa0__Host-x=1"], {"\xa0__Host-x": "1"}),
        (["\x85a=1; a\xa0=2"], {"\x85a": "1", "a\xa0": "2"}),
        # Percent-encoded UTF-8, as browsers' scripts write it; anything else stays as it is.
        (
            ["a=caf%C3%A9%20%25; b=50%; c=%zz; d=%FF; e=a+b"],
            {"a": "café %", "b": "50%", "c": "%zz", "d": "%FF", "e": "a+b"},
        ),
        (["a=\xe9; b=\xff%41; c=%C3\xa9"], {"a": "é", "b": "\xff%41", "c": "é"}),
    ],
)
def test_reading_skips_what_is_malformed_and_keeps_the_rest(
    lines: list[str], expected: dict[str, str]
) -> None:
    assert parse_cookies(lines) == expected


@given(st.text(st.sampled_from('"\\0127a '), max_size=30).map(lambda value: value.strip(" ")))
def test_quoted_values_are_read_as_the_standard_library_reads_them(value: str) -> None:
    expected = SimpleCookie().value_decode(value)[0]
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
        "a=two%2C%20words",
        "Max-Age=60",
        "Expires=Wed, 02 Jan 2030 03:04:05 GMT",
        "Path=/x",
        "Domain=example.com",
        "Secure",
        "HttpOnly",
        "SameSite=None",
        "Partitioned",
    }


COOKIE_OCTETS = re.compile(r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*")
"""RFC 6265 §4.1.1."""


@given(st.text(max_size=60) | st.text(st.sampled_from('%2C"\\;, =+é\n\x85\xa0🐢'), max_size=20))
@example('a "b"; c\\d')
@example('"quoted"')
@example("%3B")
@example("%")
def test_what_is_written_is_read_again(value: str) -> None:
    """Any text comes back, and what is on the wire is what a cookie may hold."""
    (line,) = Response().set_cookie("a", value).headers.get_all("set-cookie")
    pair = line.partition("; ")[0]
    assert COOKIE_OCTETS.fullmatch(pair.removeprefix("a="))
    assert parse_cookies([f"before=1; {pair}; after=2"]) == {
        "before": "1",
        "a": value,
        "after": "2",
    }


@pytest.mark.parametrize(
    ("value", "wire"),
    [
        ("two, words", "two%2C%20words"),
        ("à", "%C3%A0"),
        ("50%", "50%25"),
        ('a"b\\c;d', "a%22b%5Cc%3Bd"),
        ("!#$&'()*+-./:<=>?@[]^_`{|}~", "!#$&'()*+-./:<=>?@[]^_`{|}~"),
    ],
)
def test_what_a_cookie_cannot_hold_is_percent_encoded(value: str, wire: str) -> None:
    """As `encodeURIComponent` does it, where it has to."""
    (line,) = Response().set_cookie("a", value).headers.get_all("set-cookie")
    assert line.partition("; ")[0] == f"a={wire}"


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("__Secure-a", {"secure": True, "path": "/x", "domain": "example.com"}),
        ("__Host-a", {"secure": True}),
        ("__Http-a", {"secure": True, "httponly": True, "domain": ".example.com"}),
        ("__Host-Http-a", {"secure": True, "httponly": True}),
        ("__Hosta", {}),
        ("a", {"value": "x" * 4095}),
        ("a", {"path": "/" + "x" * 1023}),
    ],
)
def test_a_cookie_that_keeps_its_promises_is_written(name: str, options: dict[str, Any]) -> None:
    """RFC 6265bis §4.1.3, §5.6, §5.7."""
    given: dict[str, Any] = {"value": "1", **options}
    assert written(name, **given)


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
        {"name": ""},
        {"name": "a:b"},
        {"name": "ä"},
        {"value": "\ud800"},
        {"value": 5},
        # RFC 6265bis §5.6 and §5.7: too large.
        {"value": "x" * 4096},
        {"value": "à" * 1000},
        {"path": "/" + "x" * 1024},
        {"domain": "example.com:80"},
        {"domain": "bücher.example"},
        # RFC 6265bis §4.1.3: names that promise something, in any case.
        {"name": "__Secure-a"},
        {"name": "__secure-a"},
        {"name": "__Host-a"},
        {"name": "__Host-a", "secure": True, "path": "/x"},
        {"name": "__Host-a", "secure": True, "path": None},
        {"name": "__HOST-a", "secure": True, "domain": "example.com"},
        {"name": "__Http-a", "secure": True},
        {"name": "__Host-Http-a", "secure": True},
        {"name": "__Host-Http-a", "secure": True, "httponly": True, "domain": "a.example"},
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
        ctx.response.set_cookie("a", "1").set_cookie("b", "replaced").set_header("x-kept", "yes")
        return constant

    app.response_middleware(lambda ctx: ctx.response.add_header("x-after", "once") and None)
    wire = Lockstep(app)
    for _ in range(2):
        wire.receive(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        answer = wire.take().decode()
        assert answer.startswith("HTTP/1.1 202 ") and answer.endswith("hi")
        assert "set-cookie: a=1" in answer and "set-cookie: b=own" in answer
        assert "replaced" not in answer and "x-kept: yes" in answer
        assert answer.count("x-after") == 1
