"""Request heads: the strict rules that stand in front of h11.

h11 parses; this file only refuses. It must never let through what two parsers could read in two
ways, because that is how requests are smuggled. Each rule names its section.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import h11

from anylane.config.limits import Limits
from anylane.errors import Refused
from anylane.protocol.http1.transfer_codings import check_codings
from anylane.protocol.request_head import Fields, RequestHead

if TYPE_CHECKING:
    from anylane.protocol.request_head import RawHeaders


_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_REQUEST_LINE = re.compile(rb"(%s) ([\x21-\x7e]+) HTTP/([0-9])\.([0-9])" % _TOKEN)

_FIELD_LINE = re.compile(rb"%s:[ \t]*[\x21-\x7e\x80-\xff \t]*" % _TOKEN)
"""RFC 9110 §5.5: VCHAR, obs-text, SP and HTAB, and no other control byte. The name must touch the
colon (RFC 9112 §5.1), and a line that begins with white space is obs-fold (§5.2)."""

HOST = (
    rb"(?:[A-Za-z0-9\-._~!$&'()*+;=]|%[0-9A-Fa-f]{2})+(?::[0-9]{0,5})?"
    rb"|\[[0-9A-Fa-f:.]+\](?::[0-9]{0,5})?"
)
"""RFC 3986 §3.2.2 host and port, without userinfo and without a comma (a list of two hosts). The
port may be empty (§3.2.3)."""

_HOST = re.compile(HOST)
_BARE_LF = re.compile(rb"(?<!\r)\n")
_ABSOLUTE = re.compile(rb"[A-Za-z][A-Za-z0-9+\-.]*://([^/?]*)")
_DIGITS = re.compile(rb"[0-9]{1,18}")

KEEP_ALIVE = frozenset((b"keep-alive",))
"""The options in the Connection header of most clients."""

CLOSE = frozenset((b"close",))
"""The options in the Connection header of a client that sends one request."""


def check_incomplete(data: bytearray, scanned: int, limits: Limits) -> None:
    """Raise Refused for an incomplete head that no further byte can make right.

    That is one that is too large, or has a bare LF.

    scanned: the bytes that earlier calls have seen, so that a drip does not cost its square.
    """
    _check_line_ends(data, scanned)
    line_end = data.find(b"\r\n")
    if (line_end if line_end >= 0 else len(data)) > limits.target + 128:
        _refuse_long_line(bytes(data[: limits.target + 256]))
    if len(data) > limits.target + 128 + limits.header_section:
        raise _section_too_big(limits)


def parse_head(block: bytes, limits: Limits) -> RequestHead:
    """Return the head in a complete block, its blank line included. Raises Refused."""
    _check_line_ends(block)
    line, *fields = block[:-4].split(b"\r\n")
    if len(line) > limits.target + 128:
        _refuse_long_line(line)
    match = _REQUEST_LINE.fullmatch(line)
    if match is None:
        raise Refused(400, "malformed request line; expected METHOD target HTTP/1.1", line)
    method, target, major, minor = match.groups()
    if len(target) > limits.target:
        raise Refused(414, f"target is {len(target)} bytes; at most {limits.target}", target)
    if major != b"1" or minor not in (b"0", b"1"):
        # RFC 9110 §15.6.6.
        raise Refused(505, "only HTTP/1.0 and HTTP/1.1 are spoken here", line[-8:])
    _check_fields(fields, limits)
    _check_framing(fields, b"%s.%s" % (major, minor))
    return _interpret(_authority(block))


def _check_line_ends(data: bytes | bytearray, start: int = 0) -> None:
    # RFC 9112 §2.2 allows a recipient to accept a bare LF. That makes two parsers disagree.
    bare = _BARE_LF.search(data, start)
    if bare is not None:
        start = max(0, bare.start() - 32)
        raise Refused(400, "bare LF as line end", bytes(data[start : bare.end()]))


def _refuse_long_line(line: bytes) -> None:
    """Raise Refused for a request line that is too long: 414 if its target is, else 400."""
    method, _, rest = line.partition(b" ")
    if rest and len(method) <= 32:
        raise Refused(414, "request target is too long", rest)
    raise Refused(400, "request line is too long", line)


def _check_fields(lines: list[bytes], limits: Limits) -> None:
    if len(lines) > limits.header_count:
        raise Refused(431, f"{len(lines)} header lines; at most {limits.header_count}")
    size = 0
    for line in lines:
        size += len(line) + 2
        if len(line) > limits.header_field:
            raise Refused(431, f"header line of {len(line)} bytes; at most {limits.header_field}")
        if _FIELD_LINE.fullmatch(line) is None:
            if line[:1] in (b" ", b"\t"):
                raise Refused(400, "folded header line (obs-fold)", line)
            raise Refused(400, "malformed header line; expected name: value", line)
    if size > limits.header_section:
        raise _section_too_big(limits)


def _check_framing(lines: list[bytes], version: bytes) -> None:
    lengths = [line for line in lines if line[:15].lower() == b"content-length:"]
    # RFC 9112 §6.3 allows equal repetitions, and h11 folds them into one. No peer is known that
    # needs them.
    if len(lengths) > 1 or (lengths and b"," in lengths[0]):
        raise Refused(400, "repeated Content-Length", b", ".join(lengths))
    codings = [
        line[18:].strip(b" \t") for line in lines if line[:18].lower() == b"transfer-encoding:"
    ]
    check_codings(codings, has_length=bool(lengths), version=version)


def _section_too_big(limits: Limits) -> Refused:
    return Refused(431, f"header section is over {limits.header_section} bytes")


def _authority(block: bytes) -> h11.Request:
    """Return what h11 makes of the block. Raise Refused if it refuses.

    h11 has the last word on everything that our rules did not refuse.
    """
    parser = h11.Connection(h11.SERVER, max_incomplete_event_size=len(block) + 1)
    try:
        parser.receive_data(block)
        event = parser.next_event()
    except h11.RemoteProtocolError as exc:
        raise Refused(_hint(exc), str(exc), block) from None
    if not isinstance(event, h11.Request):
        raise Refused(400, "malformed request head", block)
    return event


def _hint(exc: h11.RemoteProtocolError) -> int:
    return exc.error_status_hint if exc.error_status_hint in (400, 431) else 400


def _interpret(request: h11.Request) -> RequestHead:
    headers: RawHeaders = list(request.headers)
    version = request.http_version
    hosts: list[bytes] = []
    lengths: list[bytes] = []
    codings: list[bytes] = []
    options: list[bytes] = []
    expects: list[bytes] = []
    kinds = {
        b"host": hosts,
        b"content-length": lengths,
        b"transfer-encoding": codings,
        b"connection": options,
        b"expect": expects,
    }
    for name, value in headers:
        kind = kinds.get(name)
        if kind is not None:
            kind.append(value)
    _check_host(hosts, request.target, version)
    _check_target(request.method, request.target)
    chunked, length = _framing(lengths, chunked=bool(codings))
    return RequestHead(
        method=request.method,
        target=request.target,
        version=version,
        fields=Fields(b"", headers),
        content_length=length,
        chunked=chunked,
        expects_continue=_expects(expects, version) and (chunked or bool(length)),
        connection=frozenset(
            option.strip().lower() for value in options for option in value.split(b",")
        ),
    )


def _check_host(hosts: list[bytes], target: bytes, version: bytes) -> None:
    # RFC 9112 §3.2: 400 for a missing, repeated or invalid Host.
    if len(hosts) > 1:
        raise Refused(400, "more than one Host header", b", ".join(hosts))
    absolute = _ABSOLUTE.match(target)
    if absolute is not None and _HOST.fullmatch(absolute[1]) is None:
        raise Refused(400, "malformed authority in the target", absolute[1])
    if not hosts:
        if version == b"1.1":
            raise Refused(400, "no Host header")
        return
    if _HOST.fullmatch(hosts[0]) is None:
        raise Refused(400, "malformed Host header", hosts[0])
    # By RFC 9112 §3.2.2 the target wins. Two names for one request are refused instead, because a
    # cache in front may have believed the other one.
    if absolute is not None and absolute[1].lower() != hosts[0].lower():
        raise Refused(400, "target and Host name different authorities", absolute[1])


def _check_target(method: bytes, target: bytes) -> None:
    if b"#" in target:
        raise Refused(400, "fragment in the request target", target)
    # RFC 9112 §3.2: authority-form only for CONNECT, asterisk-form only for OPTIONS.
    if method == b"CONNECT":
        # RFC 9110 §9.3.6: 400 for an empty port.
        if _HOST.fullmatch(target) is None or not target.rpartition(b":")[2].isdigit():
            raise Refused(400, "CONNECT takes host:port", target)
    elif target == b"*":
        if method != b"OPTIONS":
            raise Refused(400, "asterisk target with another method than OPTIONS", target)
    elif target[:1] != b"/" and _ABSOLUTE.match(target) is None:
        raise Refused(400, "target is neither a path nor an absolute URL", target)


def _framing(lengths: list[bytes], *, chunked: bool) -> tuple[bool, int | None]:
    """Return whether the body is chunked, and else its length in bytes or None."""
    if chunked:
        return True, None
    if not lengths:
        return False, None
    if _DIGITS.fullmatch(lengths[0]) is None:
        raise Refused(400, "malformed Content-Length", lengths[0])
    # How large a body may be is its route's to say.
    return False, int(lengths[0])


def _expects(expects: list[bytes], version: bytes) -> bool:
    # RFC 9110 §10.1.1: an HTTP/1.0 client's expectation is ignored, an unknown one is 417.
    if not expects or version == b"1.0":
        return False
    if len(expects) > 1 or expects[0].lower() != b"100-continue":
        raise Refused(417, "only 100-continue can be expected", expects[0])
    return True


_FORBIDDEN_TRAILERS = frozenset(
    (b"content-length", b"transfer-encoding", b"host", b"connection", b"trailer", b"te",
     b"content-encoding", b"content-type", b"authorization", b"cookie")
)  # fmt: skip
"""RFC 9110 §6.5.1: fields for framing, routing and authentication may not follow the body."""


def check_trailers(block: bytes, limits: Limits) -> None:
    """Raise Refused for a trailer section that must not be (RFC 9110 §6.5.1).

    block: the lines of the section, without its last blank line.
    """
    lines = block.removesuffix(b"\r\n").split(b"\r\n") if block else []
    _check_fields(lines, limits)
    for line in lines:
        name = line.partition(b":")[0].lower()
        if name in _FORBIDDEN_TRAILERS:
            raise Refused(400, "field not allowed as a trailer", line)
