"""Transfer codings of requests (RFC 9112 §6.1, §7): which of them leave one reading of the body.

Nothing is decoded here. `chunked` once, alone and plain is read; everything else is refused.
"""

from __future__ import annotations

import re

from anylane.errors import Refused

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
_QUOTED = rb'"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*+"'
_CODING = rb"%s(?:[ \t]*+;[ \t]*+%s[ \t]*+=[ \t]*+(?:%s|%s))*+" % (_TOKEN, _TOKEN, _TOKEN, _QUOTED)
"""RFC 9112 §7: transfer-coding, a token and its parameters."""

_ELEMENT = re.compile(rb"[ \t]*+(%s)[ \t]*+(?:,|\Z)" % _CODING)


def check_codings(values: list[bytes], *, has_length: bool, version: bytes) -> None:
    """Raise Refused unless these Transfer-Encoding lines say one plain `chunked`, or are none.

    Several lines are one list (RFC 9110 §5.3). 501 is for a coding that is not known here in front
    of a last `chunked`; where the list leaves it open where the body ends, it is 400 (RFC 9112
    §6.3).

    has_length: whether the request has Content-Length too. version: b"1.0" or b"1.1".
    """
    if not values:
        return
    said = b", ".join(values)
    # RFC 9112 §6.1: both together "ought to be handled as an error".
    if has_length:
        raise Refused(400, "Content-Length together with Transfer-Encoding", said)
    # RFC 9112 §6.1: in HTTP/1.0 "treat the message as if the framing is faulty".
    if version == b"1.0":
        raise Refused(400, "Transfer-Encoding in HTTP/1.0", said)
    codings = _split(said)
    if codings is None:
        raise Refused(400, "malformed Transfer-Encoding; expected chunked", said)
    if codings[-1] != b"chunked":
        # RFC 9112 §6.3: the length "cannot be determined reliably".
        raise Refused(400, "the last transfer coding is not a plain chunked", said)
    # RFC 9112 §7: chunked has no parameters, and §6.1 allows it once.
    if any(coding.partition(b";")[0].rstrip(b" \t") == b"chunked" for coding in codings[:-1]):
        raise Refused(400, "chunked is applied more than once", said)
    if len(codings) > 1:
        raise Refused(501, "only the chunked transfer coding is known", said)


def _split(said: bytes) -> list[bytes] | None:
    """Return the codings of a list in lower case, None if it is malformed.

    RFC 9110 §5.6.1.2 wants a recipient to pass over empty elements. Parsers differ there, so they
    are refused.
    """
    codings: list[bytes] = []
    end = 0
    while end < len(said) or said.endswith(b",") or not codings:
        element = _ELEMENT.match(said, end)
        if element is None:
            return None
        codings.append(element[1].lower())
        end = element.end()
    return codings
