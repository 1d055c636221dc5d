"""Where redirects lead. RFC 3986."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anylane import Response, UsageError
from anylane.http.semantics.location import uri_reference


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("", ""),
        ("/", "/"),
        ("/café", "/caf%C3%A9"),
        ("/日本", "/%E6%97%A5%E6%9C%AC"),
        ("/a b", "/a%20b"),
        ("/a%20b", "/a%20b"),
        ("/100%", "/100%25"),
        ("/%zz%4", "/%25zz%254"),
        ("/a?b=c&d=e f#g h", "/a?b=c&d=e%20f#g%20h"),
        ("/a#b#c", "/a#b%23c"),
        ("/a[0]?b[]=1", "/a%5B0%5D?b%5B%5D=1"),
        ("https://[::1]:8000/[", "https://[::1]:8000/%5B"),
        ("//cdn.example/x", "//cdn.example/x"),
        ("https://bücher.example/é", "https://b%C3%BCcher.example/%C3%A9"),
        ("mailto:a@b.example", "mailto:a@b.example"),
        ('/"<>\\^`{|}', "/%22%3C%3E%5C%5E%60%7B%7C%7D"),
        ("/\\evil.example", "/%5Cevil.example"),
        ("/a\r\nx: y\0", "/a%0D%0Ax:%20y%00"),
        ("/-._~!$&'()*+,;=:@", "/-._~!$&'()*+,;=:@"),
    ],
)
def test_what_is_not_allowed_is_percent_encoded(location: str, expected: str) -> None:
    assert uri_reference(location) == expected
    response = Response().redirect(location)
    assert (response.status, response.headers["location"]) == (303, expected)


_CHAR = r"[A-Za-z0-9\-._~!$&'()*+,;=:@/?]|%[0-9A-Fa-f]{2}"
URI_REFERENCE = re.compile(
    rf"(?:(?:[A-Za-z][A-Za-z0-9+.-]*:)?//(?:{_CHAR}|[\[\]])*)?(?:{_CHAR})*(?:#(?:{_CHAR})*)?"
)


@given(st.text(max_size=30) | st.text(st.sampled_from("%2Fa:/?#[]\\ é\r\n@"), max_size=15))
def test_any_text_becomes_a_reference_and_stays_one(location: str) -> None:
    found = uri_reference(location)
    assert URI_REFERENCE.fullmatch(found)
    assert uri_reference(found) == found


@pytest.mark.parametrize("location", ["/\ud800", None, 5])
def test_what_is_no_text_is_refused(location: str) -> None:
    with pytest.raises(UsageError, match="expected text"):
        Response().redirect(location)
