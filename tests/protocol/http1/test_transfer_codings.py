"""Transfer-Encoding of requests: RFC 9112 §6.1, §6.3 and §7."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anylane.errors import Refused
from anylane.protocol.http1.transfer_codings import check_codings


def status_of(*values: bytes, has_length: bool = False, version: bytes = b"1.1") -> int | None:
    try:
        check_codings(list(values), has_length=has_length, version=version)
    except Refused as exc:
        return exc.status
    return None


@pytest.mark.parametrize("values", [(), (b"chunked",), (b"Chunked",), (b"CHUNKED",)])
def test_one_plain_chunked_is_read(values):
    assert status_of(*values) is None


@pytest.mark.parametrize(
    "values",
    [
        # Not last, not once, not plain (RFC 9112 §6.1, §6.3, §7).
        (b"gzip",),
        (b"identity",),
        (b"chunked, gzip",),
        (b"chunked", b"gzip"),
        (b"chunked, chunked",),
        (b"chunked", b"chunked"),
        (b"gzip, chunked, chunked",),
        (b"chunked;a=b, gzip, chunked",),
        (b"chunked;a=b",),
        (b"chunked ; a = b",),
        (b"gzip, chunked;a=b",),
        # Empty elements (RFC 9110 §5.6.1.2), refused by choice.
        (b"",),
        (b" ",),
        (b",",),
        (b", chunked",),
        (b"chunked,",),
        (b"chunked, ",),
        (b"gzip,, chunked",),
        (b"", b"chunked"),
        (b"chunked", b""),
        # Malformed.
        (b'"chunked"',),
        (b"chunked chunked",),
        (b"chunked;",),
        (b"chunked;a",),
        (b"gzip;a=, chunked",),
        (b'gzip;a="b, chunked',),
        (b"gzip\xa0, chunked",),
    ],
)
def test_a_body_without_a_certain_end_is_400(values):
    assert status_of(*values) == 400


@pytest.mark.parametrize(
    "values",
    [
        (b"gzip, chunked",),
        (b"gzip,chunked",),
        (b"gzip", b"chunked"),
        (b"identity, Chunked",),
        (b"gzip;level=9, chunked",),
        (b'gzip;a="b, \\"c", chunked',),
        (b"deflate, gzip", b"chunked"),
    ],
)
def test_an_unknown_coding_in_front_of_a_last_chunked_is_501(values):
    assert status_of(*values) == 501
    assert status_of(*values, has_length=True) == 400
    assert status_of(*values, version=b"1.0") == 400


@given(st.lists(st.text(' \t,;="\\achunkedgzip\xa0').map(lambda text: text.encode("latin-1"))))
def test_nothing_but_one_plain_chunked_passes(values):
    status = status_of(*values)
    plain = not values or (len(values) == 1 and values[0].strip(b" \t").lower() == b"chunked")
    assert (status is None) is plain
    assert status in (None, 400, 501)
