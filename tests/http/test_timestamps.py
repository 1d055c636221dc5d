"""Dates in header fields: three forms are read, one is written."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anylane.http.semantics.timestamps import format_http_date, parse_http_date

NOW = datetime(2026, 11, 30, tzinfo=UTC).timestamp()
NOVEMBER = 784_111_777


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("Sun, 06 Nov 1994 08:49:37 GMT", NOVEMBER),
        ("Sunday, 06-Nov-94 08:49:37 GMT", NOVEMBER),
        ("Sun Nov  6 08:49:37 1994", NOVEMBER),
        ("Sun Nov 06 08:49:37 1994", NOVEMBER),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("Wed, 31 Dec 1969 23:59:59 GMT", -1),
        ("Thu, 29 Feb 2024 00:00:00 GMT", 1_709_164_800),
        ("Sat, 31 Dec 2016 23:59:60 GMT", 1_483_228_800),  # a leap second
        # A year of two digits is at most 50 years ahead.
        ("Tuesday, 01-Jan-30 00:00:00 GMT", 1_893_456_000),
        ("Wednesday, 01-Jan-75 00:00:00 GMT", None),  # 2075 begins with a Tuesday
        ("Tuesday, 01-Jan-75 00:00:00 GMT", 3_313_526_400),
        ("Friday, 01-Jan-77 00:00:00 GMT", None),
        ("Saturday, 01-Jan-77 00:00:00 GMT", 220_924_800),
    ],
)
def test_the_three_forms_of_a_date_are_read(value: str, seconds: int | None) -> None:
    assert parse_http_date(value, now=NOW) == seconds


@pytest.mark.parametrize(
    "value",
    [
        "",
        "0",
        "784111777",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37 +0000",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 06 nov 1994 08:49:37 GMT",
        "sun, 06 Nov 1994 08:49:37 GMT",
        "Mon, 06 Nov 1994 08:49:37 GMT",  # it was a Sunday
        "Sun, 06 Nov 94 08:49:37 GMT",
        "Sun, 32 Nov 1994 08:49:37 GMT",
        "Wed, 30 Feb 2022 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:60:37 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sat, 01 Jan 0000 00:00:00 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
        " Sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT\n",
        "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov \u0661\u0669\u0669\u0664 08:49:37 GMT",
        "Sunday, 06-Nov-1994 08:49:37 GMT",
        "Sun Nov 6 08:49:37 1994",
        "Sun Nov  6 08:49:37 1994 GMT",
    ],
)
def test_what_is_no_date_is_none(value: str) -> None:
    assert parse_http_date(value, now=NOW) is None


@given(st.text(max_size=40), st.floats(allow_nan=False, allow_infinity=False))
def test_nothing_in_a_field_raises(value: str, now: float) -> None:
    assert parse_http_date(value, now=now) is None


@given(st.integers(-62_135_596_800, 253_402_300_799), st.floats(0, 0.999))
def test_what_is_written_is_read_again(seconds: int, part: float) -> None:
    assert parse_http_date(format_http_date(seconds), now=NOW) == seconds
    if abs(seconds) < 2**40:
        assert parse_http_date(format_http_date(seconds + part), now=NOW) == seconds


@given(st.integers(-(2**31), int(NOW) + 49 * 31_556_952))
def test_the_old_forms_mean_the_same(seconds: int) -> None:
    moment = datetime.fromtimestamp(seconds, UTC)
    asctime = moment.strftime("%a %b ") + f"{moment.day:2}" + moment.strftime(" %H:%M:%S %Y")
    assert parse_http_date(asctime, now=NOW) == seconds
    if seconds > NOW - 49 * 31_556_952:
        old = moment.strftime("%A, %d-%b-%y %H:%M:%S GMT")
        assert parse_http_date(old, now=NOW) == seconds


def test_moments_outside_of_the_calendar_cannot_be_written() -> None:
    with pytest.raises(OverflowError):
        format_http_date(1e18)
