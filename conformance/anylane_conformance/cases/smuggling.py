"""Requests that two parsers could read in two ways: each is refused, or read in the one safe way.

The kinds are those of the published request smuggling work: lengths that conflict or repeat,
variants of Transfer-Encoding, white space, line ends, chunk tricks, folding, versions, targets.
"""

from __future__ import annotations

from anylane_conformance.cases import case
from anylane_conformance.lanes import Talk

CHAPTER = "11 smuggling"
HOST = b"Host: a\r\n"
CHUNKED = b"POST /length HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
SECRET = b"GET /users/666 HTTP/1.1\r\nHost: a\r\n\r\n"
"""What an attacker would like to have answered; it never is."""


def _post(*fields: bytes, body: bytes = b"") -> bytes:
    lines = b"".join(field + b"\r\n" for field in fields)
    return b"POST /length HTTP/1.1\r\n" + HOST + lines + b"\r\n" + body


def _get(line: bytes, *fields: bytes) -> bytes:
    return line + b"\r\n" + b"".join(field + b"\r\n" for field in fields) + b"\r\n"


LENGTHS = {
    "both": _post(b"Content-Length: 5", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
    "both, reversed": _post(b"Transfer-Encoding: chunked", b"Content-Length: 5"),
    "two different": _post(b"Content-Length: 5", b"Content-Length: 6", body=b"hello"),
    "two equal": _post(b"Content-Length: 5", b"Content-Length: 5", body=b"hello"),
    "a list": _post(b"Content-Length: 5, 5", body=b"hello"),
    "plus": _post(b"Content-Length: +5", body=b"hello"),
    "minus": _post(b"Content-Length: -5", body=b"hello"),
    "hex": _post(b"Content-Length: 0x5", body=b"hello"),
    "underscore": _post(b"Content-Length: 0_5", body=b"hello"),
    "space inside": _post(b"Content-Length: 1 0", body=b"hello"),
    "empty": _post(b"Content-Length: ", body=b"hello"),
    "fraction": _post(b"Content-Length: 5.0", body=b"hello"),
    "other digits": _post("Content-Length: ٥".encode(), body=b"hello"),
    "name with a space": _post(b"Content-Length : 5", body=b"hello"),
    "name with a tab": _post(b"Content-Length\t: 5", body=b"hello"),
    "name with NUL": _post(b"Content-Length\0: 5", body=b"hello"),
    "vertical tab": _post(b"Content-Length:\x0b5", body=b"hello"),
}

CODINGS = {
    "identity": _post(b"Transfer-Encoding: identity"),
    "unknown": _post(b"Transfer-Encoding: xchunked"),
    "gzip first": _post(b"Transfer-Encoding: gzip, chunked"),
    "chunked twice": _post(b"Transfer-Encoding: chunked, chunked"),
    "chunked, identity": _post(b"Transfer-Encoding: chunked, identity"),
    "two headers": _post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity"),
    "two chunked": _post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
    "leading comma": _post(b"Transfer-Encoding: ,chunked"),
    "quoted": _post(b'Transfer-Encoding: "chunked"'),
    "parameter": _post(b"Transfer-Encoding: chunked;x=y"),
    "empty": _post(b"Transfer-Encoding: "),
    "control byte": _post(b"Transfer-Encoding: \x01chunked"),
    "vertical tab": _post(b"Transfer-Encoding:\x0bchunked"),
    "space before the colon": _post(b"Transfer-Encoding : chunked"),
    "folded": _post(b"Transfer-Encoding:\r\n chunked"),
    "HTTP/1.0": b"POST /length HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
}

LINES = {
    "bare LF": b"GET / HTTP/1.1\nHost: a\n\n",
    "bare LF in one line": b"GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n",
    "bare LF at the end": b"GET / HTTP/1.1\r\nHost: a\r\n\n\r\n\r\n",
    "bare CR": b"GET / HTTP/1.1\r\nHost: a\rX: y\r\n\r\n",
    "CR in a value": b"GET / HTTP/1.1\r\nHost: a\r\nX: y\rz\r\n\r\n",
    "NUL in a value": b"GET / HTTP/1.1\r\nHost: a\r\nX: y\0z\r\n\r\n",
    "folded": b"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\n\r\n",
    "folded first": b"GET / HTTP/1.1\r\n X: y\r\nHost: a\r\n\r\n",
    "no colon": b"GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n",
    "empty name": b"GET / HTTP/1.1\r\nHost: a\r\n: y\r\n\r\n",
    "space in a name": b"GET / HTTP/1.1\r\nHost: a\r\nX Y: z\r\n\r\n",
    "two spaces": b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
    "tab": b"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "space at the end": b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n",
    "space in the target": b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
    "leading space": b" GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "two empty lines": b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "HTTP/0.9": b"GET /\r\n\r\n",
}

TARGETS = {
    "no Host": _get(b"GET / HTTP/1.1"),
    "two Hosts": _get(b"GET / HTTP/1.1", b"Host: a", b"Host: a"),
    "empty Host": _get(b"GET / HTTP/1.1", b"Host: "),
    "userinfo in Host": _get(b"GET / HTTP/1.1", b"Host: user@a"),
    "path in Host": _get(b"GET / HTTP/1.1", b"Host: a/b"),
    "list in Host": _get(b"GET / HTTP/1.1", b"Host: a, b"),
    "bad port": _get(b"GET / HTTP/1.1", b"Host: a:b"),
    "absolute against Host": _get(b"GET http://b/ HTTP/1.1", b"Host: a"),
    "userinfo in the target": _get(b"GET http://x@a/ HTTP/1.1", b"Host: a"),
    "fragment": _get(b"GET /#x HTTP/1.1", b"Host: a"),
    "relative": _get(b"GET x HTTP/1.1", b"Host: a"),
    "asterisk": _get(b"GET * HTTP/1.1", b"Host: a"),
    "authority": _get(b"GET a:80 HTTP/1.1", b"Host: a"),
    "control byte": _get(b"GET /\x01 HTTP/1.1", b"Host: a"),
    "raw UTF-8": _get("GET /é HTTP/1.1".encode(), b"Host: a"),
}

VERSIONS = {
    "HTTP/1.2": _get(b"GET / HTTP/1.2", b"Host: a"),
    "HTTP/2.0": _get(b"GET / HTTP/2.0", b"Host: a"),
    "HTTP/9.9": _get(b"GET / HTTP/9.9", b"Host: a"),
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
}

CHUNKS = {
    "space before the size": b" 5\r\nhello\r\n0\r\n\r\n",
    "space behind the size": b"5 \r\nhello\r\n0\r\n\r\n",
    "tab behind the size": b"5\t\r\nhello\r\n0\r\n\r\n",
    "0x": b"0x5\r\nhello\r\n0\r\n\r\n",
    "plus": b"+5\r\nhello\r\n0\r\n\r\n",
    "minus": b"-5\r\nhello\r\n0\r\n\r\n",
    "empty size": b"\r\nhello\r\n0\r\n\r\n",
    "not hex": b"5g\r\nhello\r\n0\r\n\r\n",
    "overflow": b"10000000000000005\r\nhello\r\n0\r\n\r\n",
    "bare LF behind the size": b"5\nhello\r\n0\r\n\r\n",
    "bare LF behind the data": b"5\r\nhello\n0\r\n\r\n",
    "data too long": b"5\r\nhello!\r\n0\r\n\r\n",
    "data too short": b"5\r\nhell\r\n0\r\n\r\n",
    "LF in an extension": b"5;a\nb\r\nhello\r\n0\r\n\r\n",
    "CR in an extension": b"5;a\rb\r\nhello\r\n0\r\n\r\n",
    "space in an extension": b"5; a\r\nhello\r\n0\r\n\r\n",
    "open quote in an extension": b'5;a="b\r\nhello\r\n0\r\n\r\n',
    "bare LF at the end": b"5\r\nhello\r\n0\n\n",
    "Content-Length as a trailer": b"5\r\nhello\r\n0\r\nContent-Length: 3\r\n\r\n",
    "Host as a trailer": b"5\r\nhello\r\n0\r\nHost: b\r\n\r\n",
    "folded trailer": b"5\r\nhello\r\n0\r\nX: y\r\n z\r\n\r\n",
}


def _refused(talk: Talk, requests: dict[str, bytes], *statuses: int) -> None:
    """Each gets exactly one answer, of one of these statuses, and then the end."""
    for name, request in requests.items():
        peer = talk.connect()
        peer.send(request + SECRET)
        answer = peer.answer()
        assert answer.status in statuses, f"{name}: {answer}"
        assert answer.headers.get("connection") == "close", f"{name}: {answer}"
        peer.closed()


@case(CHAPTER, cuts=False)
def lengths_are_refused(talk: Talk) -> None:
    """Content-Length: two, conflicting, or anything but digits (RFC 9112 §6.3)."""
    _refused(talk, LENGTHS, 400)


@case(CHAPTER, cuts=False)
def codings_are_refused(talk: Talk) -> None:
    """Transfer-Encoding: anything but one plain `chunked` (RFC 9112 §6.1)."""
    _refused(talk, CODINGS, 400, 501)


@case(CHAPTER, cuts=False)
def lines_are_refused(talk: Talk) -> None:
    """Line ends, folding, control bytes and white space (RFC 9112 §2.2, §5)."""
    _refused(talk, LINES, 400)


@case(CHAPTER, cuts=False)
def targets_are_refused(talk: Talk) -> None:
    """Host and target name one authority, in one form (RFC 9112 §3.2)."""
    _refused(talk, TARGETS, 400)


@case(CHAPTER, cuts=False)
def versions_are_refused(talk: Talk) -> None:
    """What is neither HTTP/1.0 nor HTTP/1.1 (RFC 9110 §15.6.6)."""
    _refused(talk, VERSIONS, 505)


@case(CHAPTER, cuts=False)
def chunks_are_refused(talk: Talk) -> None:
    """Chunk sizes, extensions, ends and trailers, strictly (RFC 9112 §7.1)."""
    _refused(talk, {name: CHUNKED + body for name, body in CHUNKS.items()}, 400)


@case(CHAPTER)
def what_is_allowed_is_read_in_one_way(talk: Talk) -> None:
    """The odd but plain: one empty line first, case, white space around values, extensions."""
    peer = talk.connect()
    peer.send(b"\r\nGET / HTTP/1.1\r\nhOsT:a\r\nX:\t y \t\r\n\r\n")
    assert peer.answer().status == 200
    peer.send(b"GET http://A:80/users/1 HTTP/1.1\r\nHost: a:80\r\n\r\n")
    assert peer.answer().body == b'{"id":1}'
    peer.send(
        b"POST /length HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n"
        b'00005;a;b=c;d="e;f"\r\nhello\r\n0\r\nX-Trailer: yes\r\n\r\n'
    )
    assert peer.answer().body == b'{"length":5}'
    peer.send(_post(b"Content-Length: 00005", body=b"hello"))
    assert peer.answer().body == b'{"length":5}'
