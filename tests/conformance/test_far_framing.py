"""What is left of an answer without its framing is the same, however a server has framed it."""

from __future__ import annotations

import pytest

from anylane_conformance.harness.far_framing import Answer, messages
from anylane_conformance.harness.transcripts import Transcript, unframed

HEAD = b"HTTP/1.1 200 OK\r\nx-a: 1\r\n"
PLAIN = Answer(200, (("x-a", "1"),), b"hello")


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        (
            HEAD + b"content-length: 5\r\n\r\nhello",
            [Answer(200, (("x-a", "1"), ("content-length", "5")), b"hello")],
        ),
        (HEAD + b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", [PLAIN]),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;x=y\r\nh\r\n4\r\nello\r\n0\r\n\r\n", [PLAIN]),
        (HEAD + b"Date: now\r\nServer: x\r\nConnection: close\r\n\r\nhello", [PLAIN]),
        (
            HEAD + b"transfer-encoding: chunked\r\n\r\n0\r\nx-sum: 3\r\n\r\n" + HEAD + b"\r\nhello",
            [Answer(200, (("x-a", "1"),), b"", (("x-sum", "3"),)), PLAIN],
        ),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + HEAD + b"\r\nhello", [PLAIN]),
        (
            b"HTTP/1.1 103 \r\nlink: a\r\n\r\nHTTP/1.1 204 Nothing\r\n\r\n" + HEAD + b"\r\nhello",
            [Answer(103, (("link", "a"),)), Answer(204), PLAIN],
        ),
        (
            b"HTTP/1.1 304 \r\ncontent-length: 9\r\n\r\n" + HEAD + b"\r\nhello",
            [Answer(304, (("content-length", "9"),)), PLAIN],
        ),
        (
            (b"HTTP/1.1 101 X\r\nupgrade: websocket\r\nx-b: 2\r\nsec-websocket-accept: y\r\n"
            b"a: 1\r\n\r\n"),
            [Answer(101, (("a", "1"), ("x-b", "2")))],
        ),
    ],
    ids=[
        "of a length", "in a chunk", "in chunks", "to the end", "with trailers", "100",
        "without a body", "304", "101",
    ],
)  # fmt: skip
def test_answers_are_taken_out_of_their_framing(data, wanted):
    assert messages(data, ()) == wanted


def test_answers_to_head_have_no_body():
    first = HEAD + b"content-length: 5\r\n\r\n"
    head, plain = messages(first + first + b"hello", {0})
    assert (head.body, plain.body) == (b"", b"hello")


@pytest.mark.parametrize(
    "framed",
    [
        HEAD + b"content-length: 5\r\n\r\nhel",
        HEAD + b"transfer-encoding: chunked\r\n\r\n3\r\nhel",
        HEAD + b"transfer-encoding: chunked\r\n\r\n5\r\nhel",
        HEAD + b"transfer-encoding: chunked\r\n\r\n3\r\nhel\r\n2",
        HEAD + b"transfer-encoding: chunked\r\n\r\n3\r\nhel\r\n0\r\nx: ",
    ],
)
def test_what_has_come_of_an_answer_is_kept(framed):
    (answer,) = messages(framed, ())
    assert (answer.body, answer.whole) == (b"hel", False)


def test_what_is_no_answer_is_kept():
    assert messages(b"HTTP/1.1 2", ()) == [Answer(0, whole=False, rest=b"HTTP/1.1 2")]
    assert messages(b"HTTP/1.1 2", ()) != messages(b"HTTP/1.1 4", ())


def test_all_else_of_a_transcript_is_compared():
    one = Transcript(HEAD + b"date: a\r\n\r\nhello", set(), ["text"], [("pong", b"x")], (1000, ""))
    assert unframed(one) == unframed(
        Transcript(HEAD + b"date: b\r\n\r\nhello", set(), ["text"], [("pong", b"x")], (1000, ""))
    )
    for other in (
        Transcript(HEAD + b"\r\nhallo", set(), ["text"], [("pong", b"x")], (1000, "")),
        Transcript(HEAD + b"\r\nhello", set(), ["test"], [("pong", b"x")], (1000, "")),
        Transcript(HEAD + b"\r\nhello", set(), ["text"], [], (1000, "")),
        Transcript(HEAD + b"\r\nhello", set(), ["text"], [("pong", b"x")], (1001, "")),
        Transcript(HEAD + b"\r\nhello", set(), ["text"], [("pong", b"x")], (1000, ""), "eof"),
    ):
        assert unframed(one) != unframed(other)
