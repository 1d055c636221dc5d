"""Compression of bodies: who gets it, what is left alone, and what becomes of tags."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from importlib import import_module
from types import ModuleType

from anylane.middleware.compression.codings import LIBRARIES
from anylane_conformance.cases import case
from anylane_conformance.contract.parts import compressed
from anylane_conformance.contract.parts.compressed import LARGE, PIECES, TEXT
from anylane_conformance.harness.conversation import Conversation
from anylane_conformance.harness.peer import Answer, Peer

CHAPTER = "18 parts"


def unzip() -> Callable[[bytes], bytes]:
    """Return what reads a body in gzip, piece by piece."""
    return zlib.decompressobj(16 + zlib.MAX_WBITS).decompress


def unbrotli() -> Callable[[bytes], bytes]:
    """Return what reads a body in br, piece by piece."""
    process = import_module("brotli").Decompressor().process

    def read(data: bytes) -> bytes:
        piece, found = process(data), b""
        while piece:  # It gives as much at a time as its buffer holds.
            found += piece
            piece = process(b"")
        return found

    return read


def unzstd() -> Callable[[bytes], bytes]:
    """Return what reads a body in zstd, piece by piece."""
    return zstd().ZstdDecompressor().decompress  # type: ignore[no-any-return]


def zstd() -> ModuleType:
    """Return the library for zstd."""
    try:
        return import_module("compression.zstd")
    except ImportError:  # Before Python 3.14.
        return import_module("backports.zstd")


def whole(coding: str, body: bytes) -> bytes:
    """Return a whole body as it was before. Raise whatever the library does if its end is missing
    or something is behind it."""
    if coding == "gzip":
        return gzip.decompress(body)
    library = zstd() if coding == "zstd" else import_module("brotli")
    return library.decompress(body)  # type: ignore[no-any-return]


READERS = {"gzip": unzip, "br": unbrotli, "zstd": unzstd}


def ask(peer: Peer, path: str, *headers: str, method: str = "GET") -> Answer:
    """Send a request and return its answer as it came."""
    peer.get(path, *headers, method=method)
    return peer.answer(to_head=method == "HEAD")


def read(answer: Answer) -> bytes:
    """Return the body of an answer in the coding that it names."""
    coding = answer.headers.get("content-encoding")
    return answer.body if coding is None else whole(coding, answer.body)


def unlike(answer: Answer) -> bool:
    """Return whether an answer says nothing of a coding, not even that there could be one."""
    return "content-encoding" not in answer.headers and "vary" not in answer.headers


@case(CHAPTER, extra=compressed.build, cuts=False)
def bodies_go_out_in_the_coding_that_the_client_likes_best(conversation: Conversation) -> None:
    """A body is compressed in the coding with the highest weight in Accept-Encoding, zstd before
    br before gzip where it is the same, and not at all where no coding has a higher one. The answer
    says that it depends on Accept-Encoding in either case (RFC 9110 §12.5.3)."""
    peer = conversation.helper()
    for accepted, coding in {
        "gzip": "gzip",
        "br": "br",
        "zstd": "zstd",
        "gzip, deflate, br, zstd": "zstd",
        "gzip, br": "br",
        "GZIP;Q=0.5, br;q=0.4": "gzip",
        "x-gzip": "gzip",
        "*": "zstd",
        "*;q=0.1, zstd;q=0": "br",
        "identity;q=0, gzip": "gzip",
        "gzip;q=0": None,
        "*;q=0": None,
        "identity": None,
        "identity;q=0.6, gzip;q=0.5": None,
        "deflate, compress": None,
        "gzip;q=high": None,
        "": None,
    }.items():
        answer = ask(peer, "/packed/text", f"Accept-Encoding: {accepted}")
        assert answer.headers.get("content-encoding") == coding, accepted
        assert read(answer) == TEXT.encode()
        assert answer.headers["vary"] == "Accept-Encoding"
        assert int(answer.headers["content-length"]) == len(answer.body)
    answer = ask(peer, "/packed/text")
    assert answer.body == TEXT.encode()
    assert answer.headers["vary"] == "Accept-Encoding"


@case(CHAPTER, extra=compressed.build, cuts=False)
def answers_of_every_form_are_compressed(conversation: Conversation) -> None:
    """A returned value, ctx.send in a def handler, an error, a large body, iterators of both kinds
    and large pieces go out in each coding, and are read back as they were. HEAD gets the fields of
    GET."""
    peer = conversation.helper()
    forms = {
        "/packed/text": TEXT.encode(),
        "/packed/sent": TEXT.encode(),
        "/packed/status/404": TEXT.encode(),
        "/packed/status/500": TEXT.encode(),
        "/packed/large": LARGE,
        "/packed/items": "".join(PIECES).encode(),
        "/packed/lines": "".join(PIECES).encode(),
        "/packed/lots": LARGE * 3,
    }
    for coding in LIBRARIES:
        for path, body in forms.items():
            answer = ask(peer, path, f"Accept-Encoding: {coding}")
            assert answer.headers["content-encoding"] == coding, path
            assert answer.headers["vary"] == "Accept-Encoding"
            assert read(answer) == body, path
            head = ask(peer, path, f"Accept-Encoding: {coding}", method="HEAD")
            # RFC 9110 §9.3.2: HEAD may leave out what only its body would show.
            theirs = {"date": "", "transfer-encoding": ""}
            assert head.headers | theirs == answer.headers | theirs


@case(CHAPTER, "own_wire", extra=compressed.build)
def compressed_streams_can_be_read_piece_by_piece(conversation: Conversation) -> None:
    """A client can read each piece of a compressed stream as soon as it was written, and trailers
    come behind it. To an HTTP/1.0 client the stream ends with the connection."""
    for coding in LIBRARIES:
        peer = conversation.helper()
        peer.get("/packed/pieces", f"Accept-Encoding: {coding}")
        head = peer.until(b"\r\n\r\n")
        assert b"\r\ncontent-encoding: %b\r\n" % coding.encode() in head
        assert b"\r\ntransfer-encoding: chunked\r\n" in head
        reader = READERS[coding]()
        for piece in PIECES:
            assert reader(chunk(peer)) == piece.encode()
            conversation.stage.room.send("go on")
        while data := chunk(peer):
            assert reader(data) == b""
        assert peer.until(b"\r\n\r\n") == b"x-end: yes\r\n\r\n"
    old = conversation.helper()
    old.send(b"GET /packed/items HTTP/1.0\r\nAccept-Encoding: gzip\r\n\r\n")
    assert read(old.answer()) == "".join(PIECES).encode()


def chunk(peer: Peer) -> bytes:
    """Return the next chunk of a chunked body, b"" for the last."""
    size = int(peer.until(b"\r\n"), 16)
    data = peer.exactly(size)
    assert not size or peer.exactly(2) == b"\r\n"
    return data


@case(CHAPTER, extra=compressed.build, cuts=False)
def what_would_not_gain_or_must_not_change_is_not_compressed(conversation: Conversation) -> None:
    """Short bodies, media and packed types, event streams, answers with a coding, a range or a
    digest, and those that say no-transform go out as they are. WebSockets are opened as ever."""
    peer = conversation.connect()
    wanting = "Accept-Encoding: gzip, br, zstd"
    for path in (
        "of/499",
        "nothing",
        "status/204",
        "status/205",
        *(f"typed/{kind}" for kind in PACKED),
        "with/content-encoding/gzip",
        "with/content-range/bytes 0-9%2F10",
        "with/content-digest/sha-256=:AAAA:",
        "with/repr-digest/sha-256=:AAAA:",
        "with/digest/sha-256=AAAA",
        "with/cache-control/public, No-Transform",
    ):
        target = f"/packed/{path}".replace(" ", "%20")
        answer = ask(peer, target, wanting)
        assert answer.headers.get("content-encoding") in (None, "gzip"), path
        assert "vary" not in answer.headers, path
        assert len(answer.body) in (0, 499, len(TEXT)), path
    assert ask(peer, "/packed/of/500", wanting, method="HEAD").headers["vary"] == "Accept-Encoding"
    answer = ask(peer, "/packed/text", wanting, "Cache-Control: no-transform")
    assert answer.body == TEXT.encode()
    assert answer.headers["vary"] == "Accept-Encoding"
    answer = ask(peer, "/packed/events", wanting)
    assert unlike(answer)
    assert answer.body.startswith(b"data: It is")
    ws = conversation.websocket("/packed/socket", wanting)
    assert ws.receive() == TEXT
    assert ws.closed()[0] == 1000


PACKED = (
    "image/png",
    "image/jpeg",
    "video/mp4",
    "audio/ogg",
    "font/woff2",
    "application/zip",
    "application/gzip",
    "application/pdf",
    "Application/ZIP; x=y",
    "text/event-stream",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
)


@case(CHAPTER, extra=compressed.build_orders, cuts=False)
def compressed_bodies_have_tags_of_their_own(conversation: Conversation) -> None:
    """A strong tag gets the name of the coding behind it, and the part takes it off again before
    ETags and the handler compare it, on whichever side of ETags it is. A 304 has the tag and the
    Vary of the 200; a coding that the client does not take is not validated."""
    peer = conversation.helper()
    for path in ("/outer/kept", "/inner/kept", "/outer/plain", "/inner/plain"):
        bare = ask(peer, path).headers["etag"]
        assert bare == ask(peer, path, "Accept-Encoding: identity").headers["etag"]
        for coding in ("gzip", "br", "zstd"):
            wanting = f"Accept-Encoding: {coding}"
            answer = ask(peer, path, wanting)
            tag = answer.headers["etag"]
            assert tag == f'{bare[:-1]}-{coding}"'
            assert read(answer) == TEXT.encode()
            for tags in (tag, f'"other", {tag}', f"{tag}, {bare}"):
                for method in ("GET", "HEAD"):
                    kept = ask(peer, path, wanting, f"If-None-Match: {tags}", method=method)
                    assert (kept.status, kept.headers["etag"]) == (304, tag)
                    assert kept.headers["vary"] == "Accept-Encoding"
                    assert "content-encoding" not in kept.headers
            assert ask(peer, path, f"If-None-Match: {tag}").status == 304
            other = ask(peer, path, "Accept-Encoding: identity", f"If-None-Match: {tag}")
            assert (other.status, other.body) == (200, TEXT.encode())
        kept = ask(peer, path, "Accept-Encoding: gzip", f"If-None-Match: {bare}")
        assert (kept.status, kept.headers["etag"]) == (304, bare)


@case(CHAPTER, extra=compressed.build_orders, cuts=False)
def a_tag_of_a_compressed_body_is_good_for_changing_it(conversation: Conversation) -> None:
    """If-Match with the tag that a client got with a compressed body holds, and with another one
    the handler changes nothing (412)."""
    peer = conversation.connect()
    for prefix in ("/outer", "/inner"):
        for tag, status in {
            '"v1-gzip"': 200,
            '"v0", "v1-br"': 200,
            '"v1"': 200,
            'W/"v1-gzip"': 412,
            '"v0-gzip"': 412,
            '"v1-deflate"': 412,
        }.items():
            conversation.stage.said.clear()
            answer = ask(peer, f"{prefix}/kept", f"If-Match: {tag}", method="PUT")
            assert answer.status == status, tag
            assert conversation.stage.said == ["changed"] * (status == 200)
        assert ask(peer, f"{prefix}/kept", method="PUT").status == 428


@case(CHAPTER, extra=compressed.build_orders, cuts=False)
def ranges_are_of_the_body_as_it_is(conversation: Conversation) -> None:
    """A 206 is never compressed and keeps its tag, and says that the whole answer depends on
    Accept-Encoding. A client that has a piece of a compressed body gets all of it anew, because
    a piece of the other does not fit behind it (RFC 9110 §13.1.5)."""
    peer = conversation.helper()
    ranged = ("Accept-Encoding: gzip", "Range: bytes=0-599")
    for prefix in ("/outer", "/inner"):
        for condition in ((), ('If-Range: "v1"',)):
            part = ask(peer, f"{prefix}/kept", *ranged, *condition)
            assert (part.status, part.body) == (206, TEXT[:600].encode())
            assert (part.headers["etag"], part.headers["vary"]) == ('"v1"', "Accept-Encoding")
            assert "content-encoding" not in part.headers
        whole = ask(peer, f"{prefix}/kept", *ranged, 'If-Range: "v1-gzip"')
        assert (whole.status, whole.headers["etag"]) == (200, '"v1-gzip"')
        assert (whole.headers["x-range"], whole.headers["x-if-range"]) == ("none", '"v1"')
        assert read(whole) == TEXT.encode()


@case(CHAPTER, extra=compressed.build_broken)
def a_part_that_fails_at_the_body_is_a_500(conversation: Conversation) -> None:
    """A part whose `body` raises costs its request a 500 and a line in the log that names the part,
    also where the answer to its failure passes it again. The connection goes on."""
    peer = conversation.connect()
    for path in ("text", "stream", "text"):
        answer = ask(peer, f"/broken/{path}")
        assert (answer.status, answer.body) == (500, b"")
    errors = [message for level, message in conversation.log if level == "error"]
    assert len(errors) >= 3
    assert all("Broken.body" in message for message in errors)
