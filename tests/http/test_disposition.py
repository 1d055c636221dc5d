"""Names of files in Content-Disposition: what RFC 6266 and 8187 say, and what strangers try."""

from __future__ import annotations

import re
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anylane import Response, UsageError
from anylane.http.parameters import split_parameters
from anylane.http.semantics.disposition import content_disposition

NAMES = [
    ("report.pdf", 'filename="report.pdf"'),
    ("a b,c;d='e'.txt", "filename=\"a b,c;d='e'.txt\""),
    ("naïve café.txt", "filename=\"naive cafe.txt\"; filename*=UTF-8''na%C3%AFve%20caf%C3%A9.txt"),
    ("日本.txt", "filename=\"__.txt\"; filename*=UTF-8''%E6%97%A5%E6%9C%AC.txt"),
    ("€ rates.txt", "filename=\"_ rates.txt\"; filename*=UTF-8''%E2%82%AC%20rates.txt"),
    ("😀.png", "filename=\"_.png\"; filename*=UTF-8''%F0%9F%98%80.png"),
    ("100%41.txt", "filename=\"100_41.txt\"; filename*=UTF-8''100%2541.txt"),
    ('say "hi".txt', "filename=\"say _hi_.txt\"; filename*=UTF-8''say%20%22hi%22.txt"),
    ("/srv/files/report.pdf", 'filename="report.pdf"'),
    ("../../etc/passwd", 'filename="passwd"'),
    ("C:\\temp\\..\\evil.exe", 'filename="evil.exe"'),
    ("folder/", 'filename="folder"'),
    ("a\r\nSet-Cookie: x=1", 'filename="a__Set-Cookie: x=1"'),
    ('x"; b=c', "filename=\"x_; b=c\"; filename*=UTF-8''x%22%3B%20b%3Dc"),
    ("nul\0.txt", 'filename="nul_.txt"'),
    ("photo\u202egpj.exe", 'filename="photo_gpj.exe"'),
    ("half\ud800.txt", 'filename="half_.txt"'),
    ("a\uff0fb.txt", "filename=\"a_b.txt\"; filename*=UTF-8''a%EF%BC%8Fb.txt"),
    ("\u2024\u2024", "filename=\"_\"; filename*=UTF-8''%E2%80%A4%E2%80%A4"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "parameters"), NAMES, ids=[ascii(name) for name, _ in NAMES])
def test_a_name_is_written_for_old_clients_and_for_new_ones(name: str, parameters: str) -> None:
    assert content_disposition("attachment", name) == f"attachment; {parameters}"


@pytest.mark.parametrize("name", [None, "", ".", "..", "a/..", "///", "  ", "..\\"])
def test_where_no_name_is_left_the_client_chooses(name: str | None) -> None:
    assert content_disposition("inline", name) == "inline"


def test_a_long_name_keeps_its_ending() -> None:
    value = content_disposition("attachment", "x" * 1000 + ".tar")
    assert value == f'attachment; filename="{"x" * 251}.tar"'
    assert content_disposition("attachment", "x." + "y" * 1000).count("y") == 253


@given(st.text(st.characters()), st.sampled_from(["attachment", "inline"]))
def test_no_name_breaks_out(name: str, kind: str) -> None:
    value = content_disposition(kind, name)
    assert re.fullmatch(r"[\x20-\x7e]*", value)
    found_kind, parameters = split_parameters(value)
    assert found_kind == kind
    assert set(parameters) <= {"filename", "filename*"}
    given = parameters.get("filename*", "")
    shown = unquote(given.removeprefix("UTF-8''")) if given else parameters.get("filename", "x")
    for each in (shown, parameters.get("filename", "x")):
        assert not set(each) & set("/\\\r\n\0")
        assert each.strip(" .")


def test_a_response_is_made_an_attachment_in_a_chain() -> None:
    response = Response("a,b").attachment("ä.csv").set_status(201)
    assert response.headers["content-disposition"] == (
        "attachment; filename=\"a.csv\"; filename*=UTF-8''%C3%A4.csv"
    )
    response.attachment("b.csv", inline=True)
    assert response.headers.get_all("content-disposition") == ['inline; filename="b.csv"']
    assert Response().attachment().headers["content-disposition"] == "attachment"
    with pytest.raises(UsageError, match="the name of a file is 5; expected a str"):
        response.attachment(5)  # type: ignore[arg-type]
