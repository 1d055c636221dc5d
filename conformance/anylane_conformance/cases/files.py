"""Files: StaticFiles and FileResponse, their ranges, conditions and what they never send."""

from __future__ import annotations

import zlib

from anylane_conformance.cases import case
from anylane_conformance.cases.descriptors import all_are_closed, asked
from anylane_conformance.contract.parts.files import (
    LARGE,
    LETTERS,
    SECRET,
    changing_files,
    files_behind_parts,
    serve_files,
)
from anylane_conformance.harness.conversation import Conversation

CHAPTER = "18 parts"

DATE = "Tue, 14 Nov 2023 22:13:20 GMT"


@case(CHAPTER, extra=serve_files, cuts=False)
def file_is_sent_with_its_type_and_validators(conversation: Conversation) -> None:
    """A file has its media type, a strong ETag, Last-Modified and nosniff; HEAD is GET without the
    body; other methods get 405 with Allow."""
    peer = conversation.connect()
    whole = peer.ask("/static/letters.txt")
    assert (whole.status, whole.body) == (200, LETTERS)
    assert whole.headers["content-type"] == "text/plain; charset=utf-8"
    assert whole.headers["x-content-type-options"] == "nosniff"
    assert whole.headers["accept-ranges"] == "bytes"
    assert whole.headers["last-modified"] == DATE
    assert whole.headers["cache-control"] == "no-cache"
    assert whole.headers["etag"].startswith('"')
    head = asked(peer, "/static/letters.txt", method="HEAD")
    assert head.headers == whole.headers
    empty = peer.ask("/static/empty.txt")
    assert (empty.status, empty.headers["content-length"]) == (200, "0")
    post = asked(peer, "/static/letters.txt", "Content-Length: 0", method="POST")
    assert (post.status, post.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    assert asked(peer, "/static/letters.txt", method="OPTIONS").status == 204
    assert peer.ask("/static/a%20b%252e.txt").body == b"odd name"


@case(CHAPTER, extra=serve_files, cuts=False)
def large_file_is_sent_in_pieces_of_known_length(conversation: Conversation) -> None:
    """A file of a megabyte arrives whole with its Content-Length; HEAD tells the same head; so do
    ranges in it, and the connection lives on."""
    peer = conversation.connect()
    whole = peer.ask("/static/large.bin")
    assert whole.headers["content-length"] == str(len(LARGE))
    assert whole.body == LARGE
    assert asked(peer, "/static/large.bin", method="HEAD").headers == whole.headers
    part = peer.ask("/static/large.bin", "Range: bytes=100000-899999")
    assert (part.status, part.body) == (206, LARGE[100_000:900_000])
    assert peer.ask("/static/letters.txt").body == LETTERS


@case(CHAPTER, extra=serve_files)
def one_range_of_a_file(conversation: Conversation) -> None:
    """One range is a 206 with Content-Range; one behind the end is a 416 with the size; what cannot
    be read, or is another unit, is no range (RFC 9110 §14)."""
    peer = conversation.connect()
    for value, expected, shown in (
        ("bytes=0-0", b"a", "bytes 0-0/26"),
        ("bytes=2-4", b"cde", "bytes 2-4/26"),
        ("bytes=20-", b"uvwxyz", "bytes 20-25/26"),
        ("bytes=20-99", b"uvwxyz", "bytes 20-25/26"),
        ("bytes=-3", b"xyz", "bytes 23-25/26"),
        ("bytes=-99", LETTERS, "bytes 0-25/26"),
        ("BYTES=0-1", b"ab", "bytes 0-1/26"),
        ("bytes=0-1,99-", b"ab", "bytes 0-1/26"),
        ("bytes=0-3,2-5", b"abcdef", "bytes 0-5/26"),
    ):
        answer = peer.ask("/static/letters.txt", f"Range: {value}")
        assert (answer.status, answer.body) == (206, expected), value
        assert answer.headers["content-range"] == shown
    for value in ("bytes=26-", "bytes=99-100", "bytes=-0", f"bytes={'9' * 200}-"):
        answer = peer.ask("/static/letters.txt", f"Range: {value}")
        assert (answer.status, answer.headers["content-range"]) == (416, "bytes */26"), value
    for value in ("bytes=4-2", "bytes=a-b", "bytes=", "bytes=-", "lines=0-1", "bytes 0-1", "0-1"):
        answer = peer.ask("/static/letters.txt", f"Range: {value}")
        assert (answer.status, answer.body) == (200, LETTERS), value
    head = asked(peer, "/static/letters.txt", "Range: bytes=0-1", method="HEAD")
    assert (head.status, head.headers["content-length"]) == (200, "26")


@case(CHAPTER, extra=serve_files, cuts=False, compare=False)  # The boundary is random.
def several_ranges_of_a_file(conversation: Conversation) -> None:
    """Several ranges are a multipart/byteranges, in the order in which they were asked for; ranges
    that overlap are sent once; more than sixteen are not looked at."""
    peer = conversation.connect()
    answer = peer.ask("/static/letters.txt", "Range: bytes=24-,0-1,99-")
    assert answer.status == 206
    assert "content-range" not in answer.headers
    kind, _, boundary = answer.headers["content-type"].partition("; boundary=")
    assert kind == "multipart/byteranges"
    mark = b"--" + boundary.encode()
    assert answer.body == (
        mark + b"\r\ncontent-type: text/plain; charset=utf-8\r\n"
        b"content-range: bytes 24-25/26\r\n\r\nyz\r\n"
        + mark
        + b"\r\ncontent-type: text/plain; charset=utf-8\r\n"
        b"content-range: bytes 0-1/26\r\n\r\nab\r\n" + mark + b"--\r\n"
    )
    large = peer.ask("/static/large.bin", "Range: bytes=0-299999,400000-999999")
    parts = large.body.split(b"--" + large.headers["content-type"].rpartition("=")[2].encode())
    contents = [part.partition(b"\r\n\r\n")[2][:-2] for part in parts[1:3]]
    assert contents == [LARGE[:300_000], LARGE[400_000:1_000_000]]
    many = ",".join(f"{at}-{at}" for at in range(0, 5000, 2))[:7000].rpartition(",")[0]
    for value in (many, ",".join(["0-"] * 17), "0-0" + "," * 5000):
        answer = peer.ask("/static/letters.txt", f"Range: bytes={value}")
        assert (answer.status, answer.body) == (200, LETTERS)
    again = peer.ask("/static/letters.txt", "Range: bytes=" + ",".join(["0-"] * 16))
    assert (again.status, again.body) == (206, LETTERS)


@case(CHAPTER, extra=serve_files, cuts=False)
def conditions_of_a_file(conversation: Conversation) -> None:
    """A client that has the file gets 304 and no body; a condition that fails is 412; If-Range
    gives the range only of the file that the client has (RFC 9110 §13)."""
    peer = conversation.connect()
    etag = peer.ask("/static/letters.txt").headers["etag"]
    for status, *headers in (
        (304, f"If-None-Match: {etag}"),
        (304, f"If-None-Match: W/{etag}"),
        (304, f'If-None-Match: "x", {etag}'),
        (304, "If-None-Match: *"),
        (200, 'If-None-Match: "x"'),
        (304, f"If-Modified-Since: {DATE}"),
        (200, "If-Modified-Since: Tue, 14 Nov 2023 22:13:19 GMT"),
        (200, "If-Modified-Since: yesterday"),
        (200, 'If-None-Match: "x"', f"If-Modified-Since: {DATE}"),
        (200, f"If-Match: {etag}"),
        (200, "If-Match: *"),
        (412, 'If-Match: "x"'),
        (412, f"If-Match: W/{etag}"),
        (200, f"If-Unmodified-Since: {DATE}"),
        (412, "If-Unmodified-Since: Tue, 14 Nov 2023 22:13:19 GMT"),
        (304, f"If-Match: {etag}", f"If-None-Match: {etag}"),
        (206, "Range: bytes=0-1", f"If-Range: {etag}"),
        (206, "Range: bytes=0-1", f"If-Range: {DATE}"),
        (200, "Range: bytes=0-1", 'If-Range: "x"'),
        (200, "Range: bytes=0-1", f"If-Range: W/{etag}"),
        (200, "Range: bytes=0-1", "If-Range: Tue, 14 Nov 2023 22:13:21 GMT"),
        (200, "Range: bytes=0-1", "If-Range: nonsense"),
        (200, "Range: bytes=99-", 'If-Range: "x"'),
        (304, "Range: bytes=0-1", f"If-None-Match: {etag}"),
        (412, "Range: bytes=0-1", 'If-Match: "x"'),
    ):
        for method in ("GET", "HEAD"):
            answer = asked(peer, "/static/letters.txt", *headers, method=method)
            expected = 200 if method == "HEAD" and status == 206 else status
            assert answer.status == expected, (method, headers)
            if status == 304:
                assert answer.headers["etag"] == etag
                assert answer.headers["cache-control"] == "no-cache"
                assert "content-type" not in answer.headers


@case(CHAPTER, extra=serve_files, cuts=False)
def file_compressed_in_advance_is_chosen(conversation: Conversation) -> None:
    """Of a file and those that were compressed of it in advance a client gets the best one that it
    accepts, each with its own ETag, and ranges of it; Vary stands wherever there is a choice. A
    412 is no file, and has the coding of none."""
    peer = conversation.connect()
    tags = {}
    for accept, coding, body in (
        ("gzip, br", "br", b"br"),
        ("gzip", "gzip", b"gzipped"),
        ("gzip;q=0.9, br;q=0.5", "gzip", b"gzipped"),
        ("zstd", None, b"plain"),
        ("*", "br", b"br"),
        ("br;q=0, *", "gzip", b"gzipped"),
        ("gzip;q=0.5, identity", None, b"plain"),
        ("gzip;q=0, br;q=0", None, b"plain"),
        ("identity;q=0", None, b"plain"),
        ("nonsense;q=x, gzip;q=7", None, b"plain"),
        ("", None, b"plain"),
    ):
        answer = peer.ask("/static/app.js", f"Accept-Encoding: {accept}")
        assert (answer.status, answer.body) == (200, body), accept
        assert answer.headers.get("content-encoding") == coding
        assert answer.headers["vary"] == "accept-encoding"
        assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
        tags[coding] = answer.headers["etag"]
    assert len({*tags.values()}) == 3
    gzip = "Accept-Encoding: gzip"
    same = peer.ask("/static/app.js", gzip, f"If-None-Match: {tags['gzip']}")
    assert (same.status, same.headers["vary"]) == (304, "accept-encoding")
    assert peer.ask("/static/app.js", gzip, f"If-None-Match: {tags['br']}").status == 200
    part = peer.ask("/static/app.js", gzip, "Range: bytes=2-3", f"If-Range: {tags['gzip']}")
    assert (part.status, part.body) == (206, b"ip")
    assert part.headers["content-encoding"] == "gzip"
    other = peer.ask("/static/app.js", gzip, "Range: bytes=2-3", f"If-Range: {tags[None]}")
    assert (other.status, other.body) == (200, b"gzipped")
    failed = peer.ask("/static/app.js", gzip, 'If-Match: "x"')
    assert (failed.status, failed.headers["etag"]) == (412, tags["gzip"])
    assert "content-encoding" not in failed.headers
    assert "vary" not in peer.ask("/static/letters.txt", gzip).headers
    hashed = peer.ask("/static/app.0a1b2c3d.css")
    assert hashed.headers["cache-control"] == "public, max-age=31536000, immutable"


@case(CHAPTER, extra=files_behind_parts, cuts=False)
def file_behind_compression_and_etags(conversation: Conversation) -> None:
    """Behind Compression and ETags, in either order, a file is compressed under a tag of its own,
    which gives 304; a range is of the file as it is, and is refused to a client that has a piece
    of the other; what was compressed in advance is sent as it is."""
    peer = conversation.helper()  # What zlib makes of a file depends on its version.
    gzip = "Accept-Encoding: gzip"
    for prefix in ("/a", "/b"):
        plain = peer.ask(f"{prefix}/letters.txt")
        packed = peer.ask(f"{prefix}/letters.txt", gzip)
        assert zlib.decompress(packed.body, 31) == LETTERS
        tag, packed_tag = plain.headers["etag"], packed.headers["etag"]
        assert packed_tag == tag[:-1] + '-gzip"'
        assert "accept-encoding" in plain.headers["vary"].lower()
        head = asked(peer, f"{prefix}/letters.txt", gzip, method="HEAD")
        assert head.headers | {"date": ""} == packed.headers | {"date": ""}
        for known, *accept in ((tag,), (packed_tag, gzip)):
            same = peer.ask(f"{prefix}/letters.txt", *accept, f"If-None-Match: {known}")
            assert (same.status, same.headers["etag"]) == (304, known)
        part = peer.ask(f"{prefix}/letters.txt", gzip, "Range: bytes=0-2", f"If-Range: {tag}")
        assert (part.status, part.body, part.headers["etag"]) == (206, b"abc", tag)
        whole = peer.ask(
            f"{prefix}/letters.txt", gzip, "Range: bytes=0-2", f"If-Range: {packed_tag}"
        )
        assert (whole.status, zlib.decompress(whole.body, 31)) == (200, LETTERS)
        assert peer.ask(f"{prefix}/letters.txt", gzip, f"If-Match: {packed_tag}").status == 200
        assert peer.ask(f"{prefix}/letters.txt", 'If-Match: "x-gzip"').status == 412
        ready = peer.ask(f"{prefix}/app.js", gzip)
        assert (ready.headers["content-encoding"], ready.body) == ("gzip", b"gzipped")
        assert ready.headers["vary"] == "accept-encoding"
        known = ready.headers["etag"]
        assert peer.ask(f"{prefix}/app.js", gzip, f"If-None-Match: {known}").status == 304
        large = peer.ask(f"{prefix}/large.bin", gzip)
        assert zlib.decompress(large.body, 31) == LARGE
        assert peer.ask(f"{prefix}/large.bin", gzip, "Range: bytes=-9").body == LARGE[-9:]


@case(CHAPTER, extra=serve_files, cuts=False)
def folder_is_its_index(conversation: Conversation) -> None:
    """A folder is answered with its index; without the slash at its end the client is sent there,
    by a reference that no path can turn into another host; one without an index is not there."""
    peer = conversation.connect()
    for path in ("/static/docs/", "/static/linked/"):
        index = peer.ask(path)
        assert (index.status, index.body) == (200, b"<h1>docs</h1>")
    for path, location in (
        ("/static/docs", "./docs/"),
        ("/static/docs?a=1&b=2", "./docs/?a=1&b=2"),
        ("/static/%64ocs", "./%64ocs/"),
        ("/static/linked", "./linked/"),
    ):
        moved = peer.ask(path)
        assert (moved.status, moved.headers["location"]) == (307, location)
    for path in (
        "/static/bare",
        "/static/bare/",
        "/static",
        "/static/",
        "/static/docs/index.html/",
    ):
        assert peer.ask(path).status == 404, path


NOWHERE = (
    "/static/missing.txt",
    "/static/../secret.txt",
    "/static/%2e%2e/secret.txt",
    "/static/%2E%2E%2Fsecret.txt",
    "/static/..%2fsecret.txt",
    "/static/docs/../../secret.txt",
    "/static/docs/%2e%2e/letters.txt",
    "/static/docs/..%2f..%2fsecret.txt",
    "/static/..%5csecret.txt",
    "/static/..\\secret.txt",
    "/static/%5c..%5csecret.txt",
    "/static/%c0%ae%c0%ae/secret.txt",
    "/static/%c0%ae%c0%ae%c0%afsecret.txt",
    "/static/%252e%252e/secret.txt",
    "/static/%u002e%u002e/secret.txt",
    "/static//etc/passwd",
    "/static/%2fetc/passwd",
    "/static//letters.txt",
    "/static/docs//page.html",
    "/static/./letters.txt",
    "/static/%2e/letters.txt",
    "/static/c:/windows/win.ini",
    "/static/c:%5cwindows",
    "/static/letters.txt%00",
    "/static/letters.txt%00.html",
    "/static/%00",
    "/static/letters.txt/",
    "/static/letters.txt/x",
    "/static/letters.txt%2f",
    "/static/.hidden",
    "/static/%2ehidden",
    "/static/.git/config",
    "/static/up/secret.txt",
    "/static/up/public/letters.txt",
    "/static/outside.txt",
    "/static/sideways.txt",
    "/static/round",
    "/static/dangling",
    "/static/fifo",
    "/static/socket",
    "/static/~root",
    "/static/letters.txt::$DATA",
    "/static/LETTERS.TXT",
    "/static/" + "x" * 300,
    "/static/" + "x/" * 1000,
    "/static/" + "%2e%2e%2f" * 20 + "etc/passwd",
    "/static/%ff%fe",
    "/static/%ed%a0%80",
)


@case(CHAPTER, extra=serve_files, cuts=False)
def no_path_leads_out_of_the_directory(conversation: Conversation) -> None:
    """Nothing but regular files of the directory is sent, however the path is written; links that
    stay inside are followed. What is not sent is 404, and no file stays open."""
    peer = conversation.connect()
    for path in NOWHERE:
        answer = peer.ask(path)
        assert (answer.status, answer.body) == (404, b"404 Not Found\n"), path
        assert SECRET not in answer.body
    assert peer.ask("/static/inside.txt").body == LETTERS
    assert peer.ask("/static/absolute.txt").body == LETTERS
    assert peer.ask("/static/linked/page.html").body == b"<h1>page</h1>"
    assert peer.ask("/static/.well-known/security.txt").body == b"well known"
    assert all_are_closed(conversation)
    assert conversation.log == []


@case(CHAPTER, extra=serve_files, cuts=False)
def file_that_a_handler_returns(conversation: Conversation) -> None:
    """A FileResponse of an `async def` or a `def` is the file, with what the handler has set
    beside; with another status, and to other methods than GET and HEAD, it has no ranges and no
    conditions. A file that is not there is 404."""
    peer = conversation.connect()
    plain = peer.ask("/file/async")
    assert (plain.status, plain.body) == (200, LETTERS)
    assert plain.headers["x-own"] == "kept"
    assert plain.headers["set-cookie"].startswith("seen=yes")
    same = peer.ask("/file/async", f"If-None-Match: {plain.headers['etag']}")
    assert (same.status, same.headers["x-own"]) == (304, "kept")
    assert peer.ask("/file/async", "Range: bytes=0-2").body == b"abc"
    saved = peer.ask("/file/def")
    assert saved.body == LARGE
    disposition = saved.headers["content-disposition"]
    assert disposition.startswith("attachment; filename=")
    assert disposition.endswith("filename*=UTF-8''Zahlen%20f%C3%BCr%205%25.bin")
    assert peer.ask("/file/def", "Range: bytes=-5").body == LARGE[-5:]
    assert peer.ask("/file/missing").status == 404
    page = peer.ask("/file/status", "Range: bytes=0-1", "If-None-Match: *")
    assert (page.status, page.body) == (404, b"<h1>page</h1>")
    assert page.headers["content-type"] == "text/x-own"
    assert "etag" not in page.headers
    peer.post("/file/made", b"", "Range: bytes=0-1", "If-None-Match: *")
    made = peer.answer()
    assert (made.status, made.body) == (200, LETTERS)
    assert made.headers["content-type"] == "text/csv"


@case(CHAPTER, extra=changing_files, cuts=False)
def file_that_changes_while_it_is_sent(conversation: Conversation) -> None:
    """Of a file that has become longer what was announced is sent. Where it has become shorter the
    connection ends early, so that no client takes it for whole, and a line in the log says why."""
    peer = conversation.connect()
    assert peer.ask(f"/changing/{2 * len(LARGE)}").body == LARGE
    peer.get("/changing/300000")
    head = peer.until(b"\r\n\r\n")
    assert b"content-length: %d\r\n" % len(LARGE) in head
    assert peer.rest() == LARGE[:300_000]
    (line,) = conversation.log
    assert line[0] == "error"
    assert "FileChanged" in line[1]
    assert all_are_closed(conversation)
