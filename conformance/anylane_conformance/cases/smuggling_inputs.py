"""The catalogue of smuggling inputs: every published kind, its source, and the one safe answer.

A request is smuggled when two parsers see different requests in the same bytes. So each kind here
is either refused, with nothing answered behind it, or read in the one way that RFC 9112 leaves.
Behind every kind comes `FOLLOWER`, which says by its answer, or by having none, where this server
believes that the kind has ended.
"""

from __future__ import annotations

from dataclasses import dataclass

LINHART = "Linhart, Klein, Heled, Orrin: HTTP Request Smuggling (2005)"


KETTLE_2019 = "Kettle: HTTP Desync Attacks (2019)"


KLEIN = "Klein: HTTP Request Smuggling in 2020"


GRENFELDT = "Grenfeldt: gunicorn 20.1.0, request smuggling (2021)"


KETTLE_2022 = "Kettle: Browser-Powered Desync Attacks (2022)"


TE_0 = "Arnolfo, Kirk, Montorsi: TE.0 Request Smuggling (2024)"


KETTLE_2025 = "Kettle: HTTP/1.1 Must Die (2025)"


FUNKY = "Weikop: Funky Chunks (2025)"


KESTREL = "CVE-2025-55315 (Kestrel)"


SMUGGLER = "PortSwigger http-request-smuggler"


GARDEN = "HTTP Garden (Kallus et al.)"


PROBE = "Http11Probe"


RFC = "RFC 9112"


HIDDEN = b"GET /users/666 HTTP/1.1\r\nHost: a\r\n\r\n"
"""What an attacker hides where a careless parser finds it. It is never answered."""


FOLLOWER = b"GET /users/7 HTTP/1.1\r\nHost: a\r\n\r\n"


FOLLOWED = b'{"id":7}'


@dataclass(frozen=True, slots=True)
class Kind:
    """One way to be read twice.

    sent: the bytes, in front of `FOLLOWER`. answer: a status or a body. keeps: whether the
    connection stays and `FOLLOWER` is answered; otherwise the answer is the end.
    """

    name: str
    source: str
    sent: bytes
    answer: int | bytes = 400
    keeps: bool = False

    @property
    def verdict(self) -> str:
        """What the table in the docs says of the answer."""
        said = self.answer if isinstance(self.answer, int) else f"200 {self.answer.decode()}"
        return f"{said}, then the next request" if self.keeps else f"{said}, close"


def _post(*fields: bytes, body: bytes = b"", line: bytes = b"POST /length HTTP/1.1") -> bytes:
    return b"\r\n".join((line, b"Host: a", *fields, b"", body))


def _get(line: bytes, *fields: bytes) -> bytes:
    return b"\r\n".join((line, *fields, b"", b""))


def _chunks(body: bytes) -> bytes:
    return _post(b"Transfer-Encoding: chunked", body=body)


def _lines(*fields: bytes) -> bytes:
    return _get(b"GET / HTTP/1.1", b"Host: a", *fields)


END = b"0\r\n\r\n"


HELLO = b"hello"


FIVE = b'{"length":5}'


NONE = b'{"length":0}'


HOME = b'{"message":"Hello, World!"}'


_SIZE_OF_HIDDEN = b"%d" % len(HIDDEN)


_CHUNKED_HIDDEN = b"%x\r\n%s\r\n" % (len(HIDDEN), HIDDEN) + END


LENGTHS = (
    Kind("CL.TE", LINHART, _post(b"Content-Length: 6", b"Transfer-Encoding: chunked",
                                 body=END + HIDDEN)),
    Kind("TE.CL", KETTLE_2019, _post(b"Transfer-Encoding: chunked", b"Content-Length: 4",
                                     body=_CHUNKED_HIDDEN)),
    Kind("CL.TE with Connection: close", f"{PROBE} CLTE-CONN-CLOSE",
         _post(b"Content-Length: 4", b"Transfer-Encoding: chunked", b"Connection: close",
               body=END)),
    Kind("a broken length beside chunked", f"{GARDEN}, H2O 5",
         _post(b"Content-Length: blah", b"Transfer-Encoding: chunked", body=END)),
    Kind("an empty length beside chunked", f"{GARDEN}, HAProxy 1",
         _post(b"Content-Length: ", b"Transfer-Encoding: chunked", body=END)),
    Kind("two different", LINHART,
         _post(b"Content-Length: 0", b"Content-Length: " + _SIZE_OF_HIDDEN, body=HIDDEN)),
    Kind("two different, the other way", f"{GARDEN}, H2O 4",
         _post(b"Content-Length: 5", b"Content-Length: 0", body=HELLO)),
    Kind("two equal", f"{RFC} §6.3", _post(b"Content-Length: 5", b"Content-Length: 5", body=HELLO)),
    Kind("empty, then a length", "CVE-2023-40225 (HAProxy)",
         _post(b"Content-Length: ", b"Content-Length: 5", body=HELLO)),
    Kind("one in lower case, one in upper case", KLEIN,
         _post(b"content-length: 5", b"CONTENT-LENGTH: 6", body=HELLO)),
    Kind("a list of equals", f"{PROBE} CL-COMMA-SAME", _post(b"Content-Length: 5, 5", body=HELLO)),
    Kind("a list of different", f"{PROBE} CL-COMMA-DIFFERENT",
         _post(b"Content-Length: 5,0", body=HELLO)),
    Kind("a list of three", f"{PROBE} CL-COMMA-TRIPLE",
         _post(b"Content-Length: 5, 5, 5", body=HELLO)),
    Kind("a trailing comma", f"{RFC} §6.3", _post(b"Content-Length: 5,", body=HELLO)),
    Kind("plus", KLEIN, _post(b"Content-Length: +5", body=HELLO)),
    Kind("minus", f"{GARDEN}, Mongoose 1", _post(b"Content-Length: -5", body=HELLO)),
    Kind("minus zero", f"{PROBE} CL-NEGATIVE-ZERO", _post(b"Content-Length: -0")),
    Kind("hex", f"{GARDEN}, Akamai 1", _post(b"Content-Length: 0x5", body=HELLO)),
    Kind("octal", f"{PROBE} CL-OCTAL", _post(b"Content-Length: 0o5", body=HELLO)),
    Kind("underscore", f"{GARDEN}, CPython 1", _post(b"Content-Length: 0_5", body=HELLO)),
    Kind("digits, then letters", f"{GARDEN}, Mongoose 5", _post(b"Content-Length: 5abc",
                                                               body=HELLO)),
    Kind("digits, then digits", f"{PROBE} CL-INTERNAL-SPACE",
         _post(b"Content-Length: 1 0", body=HELLO)),
    Kind("empty", f"{GARDEN}, Puma 1", _post(b"Content-Length: ", body=HELLO)),
    Kind("fraction", f"{RFC} §6.2", _post(b"Content-Length: 5.0", body=HELLO)),
    Kind("exponent", f"{RFC} §6.2", _post(b"Content-Length: 5e0", body=HELLO)),
    Kind("quoted", SMUGGLER, _post(b'Content-Length: "5"', body=HELLO)),
    Kind("Arabic digits", f"{RFC} §6.2", _post("Content-Length: ٥".encode(), body=HELLO)),
    Kind("superscript in Latin-1", f"{RFC} §6.2", _post(b"Content-Length: \xb2", body=HELLO)),
    Kind("over 64 bits", f"{GARDEN}, integer overflows",
         _post(b"Content-Length: 18446744073709551621", body=HELLO)),
    Kind("more than is read here", f"{RFC} §6.3",
         _post(b"Content-Length: 999999999999", body=HELLO), 413),
    Kind("space before the colon", f"{RFC} §5.1", _post(b"Content-Length : 5", body=HELLO)),
    Kind("tab before the colon", f"{RFC} §5.1", _post(b"Content-Length\t: 5", body=HELLO)),
    Kind("junk before the colon", f"{KLEIN} (spjunk)", _post(b"Content-Length abcde: 5",
                                                            body=HELLO)),
    Kind("no colon", f"{GARDEN}, Mongoose 4", _post(b"Content-Length 5", body=HELLO)),
    Kind("NUL in the name", f"{GARDEN}, OpenLiteSpeed 5", _post(b"Content-Length\0: 5",
                                                               body=HELLO)),
    Kind("0x85 behind the name", f"{GARDEN}, Gunicorn 3", _post(b"Content-Length\x85: 5",
                                                               body=HELLO)),
    Kind("0xA0 behind the name", f"{GARDEN}, Gunicorn 3", _post(b"Content-Length\xa0: 5",
                                                               body=HELLO)),
    Kind("CR inside the name", f"{SMUGGLER} (0dspam)", _post(b"Con\rtent-Length: 5", body=HELLO)),
    Kind("backslash in the name", f"{KLEIN} (backslash)", _post(b"Content\\Length: 5", body=HELLO)),
    Kind("space in the name", f"{SMUGGLER} (spacejoin1)", _post(b"Content Length: 5", body=HELLO)),
    Kind("vertical tab before the value", KLEIN, _post(b"Content-Length:\x0b5", body=HELLO)),
    Kind("form feed before the value", f"{SMUGGLER} (prefix1:12)",
         _post(b"Content-Length: \x0c5", body=HELLO)),
    Kind("DEL before the value", f"{SMUGGLER} (prefix1:127)",
         _post(b"Content-Length: \x7f5", body=HELLO)),
    Kind("no-break space before the value", f"{SMUGGLER} (unispace)",
         _post(b"Content-Length:\xa05", body=HELLO)),
    Kind("folded", f"{SMUGGLER} (tabwrap)", _post(b"Content-Length:\r\n\t5", body=HELLO)),
    Kind("hidden in a folded line", f"{SMUGGLER} (nameprefix1)",
         _post(b"Foo: bar\r\n Content-Length: 5", body=HELLO)),
    Kind("hidden behind a CR", f"{GARDEN}, Mongoose 3",
         _post(b"Foo: bar\rContent-Length: 5", body=HELLO)),
    Kind("hidden behind an LF", f"{SMUGGLER} (badsetupLF)",
         _post(b"Foo: bar\nContent-Length: 5", body=HELLO)),
    Kind("hidden behind CR LF CR", f"{SMUGGLER} (0dwrap)",
         _post(b"Foo: bar\r\n\rContent-Length: 5", body=HELLO)),
    Kind("first header behind a tab", f"{GARDEN}, AIOHTTP 4",
         b"POST /length HTTP/1.1\r\n\tContent-Length: 5\r\nHost: a\r\n\r\nhello"),
)  # fmt: skip


CODINGS = (
    Kind("identity", f"{PROBE} TE-IDENTITY", _post(b"Transfer-Encoding: identity")),
    Kind("unknown", KETTLE_2019, _post(b"Transfer-Encoding: xchunked", body=END)),
    Kind("cut short", f"{SMUGGLER} (lazygrep)", _post(b"Transfer-Encoding: chunk", body=END)),
    Kind("gzip, chunked", f"{RFC} §6.1", _post(b"Transfer-Encoding: gzip, chunked", body=END),
         501),
    Kind("chunked, gzip", f"{PROBE} TE-NOT-FINAL-CHUNKED",
         _post(b"Transfer-Encoding: chunked, gzip", body=END)),
    Kind("chunked twice", f"{PROBE} TE-DOUBLE-CHUNKED",
         _post(b"Transfer-Encoding: chunked, chunked", body=END)),
    Kind("chunked, identity", f"{SMUGGLER} (commaCow)",
         _post(b"Transfer-Encoding: chunked, identity", body=END)),
    Kind("identity, chunked", f"{SMUGGLER} (cowComma)",
         _post(b"Transfer-Encoding: identity, chunked", body=END), 501),
    Kind("nested", f"{SMUGGLER} (nested)",
         _post(b"Transfer-Encoding: identity, chunked, identity", body=END)),
    Kind("chunked, then identity", f"{SMUGGLER} (dualchunk)",
         _post(b"Transfer-Encoding: chunked", b"Transfer-encoding: identity", body=END)),
    Kind("identity, then chunked", f"{SMUGGLER} (revdualchunk)",
         _post(b"Transfer-Encoding: identity", b"Transfer-Encoding: chunked", body=END), 501),
    Kind("chunked, then chunked", f"{PROBE} TE-DUPLICATE-HEADERS",
         _post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked", body=END)),
    Kind("chunked, then cow", KETTLE_2019,
         _post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: cow", body=END)),
    Kind("leading comma", f"{GARDEN}, Azure 1", _post(b"Transfer-Encoding: ,chunked", body=END)),
    Kind("trailing comma", f"{PROBE} TE-TRAILING-COMMA",
         _post(b"Transfer-Encoding: chunked,", body=END)),
    Kind("quoted", f"{SMUGGLER} (quoted)", _post(b'Transfer-Encoding: "chunked"', body=END)),
    Kind("in apostrophes", f"{SMUGGLER} (aposed)",
         _post(b"Transfer-Encoding: 'chunked'", body=END)),
    Kind("with a parameter", f"{PROBE} CHUNKED-WITH-PARAMS",
         _post(b"Transfer-Encoding: chunked;x=y", body=END)),
    Kind("empty", f"{PROBE} TE-EMPTY-VALUE", _post(b"Transfer-Encoding: ", body=END)),
    Kind("0x85 and 0xA0 around", f"{GARDEN}, Gunicorn issue 3364",
         _post(b"Transfer-Encoding: \x85\xa0chunked\xa0", body=END)),
    Kind("an accent inside", f"{SMUGGLER} (accentCH)",
         _post(b"Transfer-Encoding: ch\x96nked", body=END)),
    Kind("a Turkish k", f"{RFC} §6.1", _post("Transfer-Encoding: chun\u212aed".encode(), body=END)),
    Kind("gzip", f"{RFC} §6.3", _post(b"Transfer-Encoding: gzip", body=END)),
    Kind("gzip with a parameter, chunked", f"{RFC} §6.1",
         _post(b'Transfer-Encoding: gzip;q="a, b", chunked', body=END), 501),
    Kind("gzip, then chunked, then gzip", f"{RFC} §6.3",
         _post(b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding: gzip", body=END)),
    Kind("empty, then chunked", f"{RFC} §6.1; RFC 9110 §5.6.1.2, stricter by choice",
         _post(b"Transfer-Encoding:", b"Transfer-Encoding: chunked", body=END)),
    Kind("empty element between", f"{RFC} §6.1; RFC 9110 §5.6.1.2, stricter by choice",
         _post(b"Transfer-Encoding: gzip, ,chunked", body=END)),
    Kind("chunked in an open quote", f"{RFC} §6.1",
         _post(b'Transfer-Encoding: gzip;a=", chunked', body=END)),
    Kind("unknown, chunked, beside a length", f"{RFC} §6.1",
         _post(b"Transfer-Encoding: gzip, chunked", b"Content-Length: 5", body=END)),
    Kind("unknown, chunked, in HTTP/1.0", f"{RFC} §6.1",
         b"POST /length HTTP/1.0\r\nTransfer-Encoding: gzip, chunked\r\n\r\n" + END),
    Kind("control byte", KETTLE_2019, _post(b"Transfer-Encoding: \x01chunked", body=END)),
    Kind("vertical tab before", KETTLE_2019, _post(b"Transfer-Encoding:\x0bchunked", body=END)),
    Kind("form feed before", f"{PROBE} TE-FORMFEED", _post(b"Transfer-Encoding:\x0cchunked",
                                                          body=END)),
    Kind("NUL behind", f"{PROBE} TE-NULL", _post(b"Transfer-Encoding: chunked\0", body=END)),
    Kind("CR behind", f"{SMUGGLER} (0dsuffix)", _post(b"Transfer-Encoding: chunked\r", body=END)),
    Kind("DEL behind", f"{SMUGGLER} (suffix1:127)", _post(b"Transfer-Encoding: chunked\x7f",
                                                         body=END)),
    Kind("LF and vertical tab before", f"{SMUGGLER} (vertwrap)",
         _post(b"Transfer-Encoding: \n\x0bchunked", body=END)),
    Kind("LF before the colon", f"{SMUGGLER} (gareth1)",
         _post(b"Transfer-Encoding\n : chunked", body=END)),
    Kind("space before the colon", KETTLE_2019, _post(b"Transfer-Encoding : chunked", body=END)),
    Kind("behind a leading space", KETTLE_2019, _post(b" Transfer-Encoding: chunked", body=END)),
    Kind("behind a CR", KETTLE_2019, _post(b"X: y\rTransfer-Encoding: chunked", body=END)),
    Kind("behind an LF", KETTLE_2019, _post(b"X: X\nTransfer-Encoding: chunked", body=END)),
    Kind("behind two LFs", f"{SMUGGLER} (bodysplit)",
         _post(b"Foo: bar\n\nTransfer-Encoding: chunked", body=END)),
    Kind("folded", f"{PROBE} TE-OBS-FOLD", _post(b"Transfer-Encoding:\r\n chunked", body=END)),
    Kind("folded with LF", f"{SMUGGLER} (linewrapped1)",
         _post(b"Transfer-Encoding:\n chunked", body=END)),
    Kind("an accent in the name", f"{SMUGGLER} (accentTE)",
         _post(b"Transf\x82r-Encoding: chunked", body=END)),
    Kind("HTTP/1.0", f"{RFC} §6.1",
         b"POST /length HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n" + END),
    Kind("HTTP/1.0 that asks to stay", f"{PROBE} TE-HTTP10",
         b"POST /length HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n"
         + END),
)  # fmt: skip


LINES = (
    Kind("bare LF", f"{RFC} §2.2", b"GET / HTTP/1.1\nHost: a\n\n"),
    Kind("bare LF in one line", f"{GARDEN}, OpenLiteSpeed 14", _lines(b"X: y\nZ: z")),
    Kind("bare LF at the end", f"{RFC} §2.2", b"GET / HTTP/1.1\r\nHost: a\r\n\n\r\n\r\n"),
    Kind("two LFs in a value", f"{GARDEN}, Gunicorn 2", _lines(b"X:\n\n" + HIDDEN[:-4])),
    Kind("LF, CR, NUL in a value", f"{GARDEN}, Gunicorn 5", _lines(b"X: x\n\r\0")),
    Kind("bare CR as line end", f"{GARDEN}, CPython 2", b"GET / HTTP/1.1\r\nHost: a\rX: y\r\n\r\n"),
    Kind("bare CR as every line end", f"{RFC} §2.2", b"GET / HTTP/1.1\rHost: a\r\r"),
    Kind("bare CR in a value", f"{PROBE} BARE-CR-HEADER-VALUE", _lines(b"X: y\rz")),
    Kind("two CRs at a line end", f"{SMUGGLER} (r2split)", _lines(b"X: y\r")),
    Kind("CR LF CR and a byte", f"{GARDEN}, Node.js 1",
         b"GET / HTTP/1.1\r\nHost: a\r\n\rZ" + HIDDEN),
    Kind("NUL in a value", f"{GARDEN}, HAProxy 2", _lines(b"X: y\0z")),
    Kind("NUL in a name", f"{GARDEN}, OpenLiteSpeed 5", _lines(b"X\0: y")),
    Kind("NUL as line end", f"{SMUGGLER} (null-term)", _lines(b"X: y\0" + HIDDEN[:-4])),
    Kind("folded", f"{RFC} §5.2", _lines(b"X: y\r\n z")),
    Kind("folded with a tab", f"{RFC} §5.2", _lines(b"X: y\r\n\tz")),
    Kind("folded into nothing", f"{SMUGGLER} (spacesplit)", _lines(b"X: y\r\n ")),
    Kind("folded first", f"{RFC} §2.2", b"GET / HTTP/1.1\r\n X: y\r\nHost: a\r\n\r\n"),
    Kind("no colon", f"{RFC} §5", _lines(b"X")),
    Kind("empty name", f"{GARDEN}, Mongoose 2", _lines(b": y")),
    Kind("only a colon", f"{GARDEN}, Go net/http 3", _lines(b":")),
    Kind("only a colon, first", f"{GARDEN}, Gunicorn 7", b"GET / HTTP/1.1\r\n:\r\nHost: a\r\n\r\n"),
    Kind("space in a name", f"{RFC} §5.1", _lines(b"X Y: z")),
    Kind("quotes in a name", f"{GARDEN}, Mongoose 5", _lines(b'"X": z')),
    Kind("high bytes in a name", f"{GARDEN}, AIOHTTP 8", _lines(b"\xffX: z")),
    Kind("two spaces", f"{RFC} §3", _get(b"GET  / HTTP/1.1", b"Host: a")),
    Kind("tab instead of a space", f"{RFC} §3", _get(b"GET\t/ HTTP/1.1", b"Host: a")),
    Kind("vertical tab instead of a space", f"{RFC} §3", _get(b"GET\x0b/ HTTP/1.1", b"Host: a")),
    Kind("tab before the version", f"{RFC} §3", _get(b"GET /\tHTTP/1.1", b"Host: a")),
    Kind("LF instead of a space", f"{GARDEN}, AIOHTTP 9", _get(b"GET /\nHTTP/1.1", b"Host: a")),
    Kind("CR instead of a space", f"{RFC} §3", _get(b"GET\r/ HTTP/1.1", b"Host: a")),
    Kind("space at the end", f"{RFC} §3", _get(b"GET / HTTP/1.1 ", b"Host: a")),
    Kind("words behind the version", f"{RFC} §3", _get(b"GET / HTTP/1.1 x", b"Host: a")),
    Kind("space in the target", f"{RFC} §3.2", _get(b"GET /a b HTTP/1.1", b"Host: a")),
    Kind("version in the target", KETTLE_2019, _get(b"GET /a HTTP/1.1 HTTP/1.1", b"Host: a")),
    Kind("leading space", f"{RFC} §3", _get(b" GET / HTTP/1.1", b"Host: a")),
    Kind("leading NUL", f"{RFC} §2.2", _get(b"\0GET / HTTP/1.1", b"Host: a")),
    Kind("leading LF", f"{RFC} §2.2", _get(b"\nGET / HTTP/1.1", b"Host: a")),
    Kind("two empty lines", f"{RFC} §2.2", b"\r\n\r\n" + _lines()),
    Kind("a method that is no token", f"{GARDEN}, AIOHTTP 6", _get(b'G"T / HTTP/1.1', b"Host: a")),
    Kind("a method of white space", f"{RFC} §3.1", _get(b" / HTTP/1.1", b"Host: a")),
    Kind("HTTP/0.9", f"{RFC} §2.3", b"GET /\r\n\r\n"),
    Kind("HTTP/0.9 with a head", "CVE-2019-16869 and kin", b"GET /\r\nHost: a\r\n\r\n"),
)  # fmt: skip


TARGETS = (
    Kind("no Host", f"{RFC} §3.2", _get(b"GET / HTTP/1.1")),
    Kind("two equal Hosts", f"{RFC} §3.2", _get(b"GET / HTTP/1.1", b"Host: a", b"Host: a")),
    Kind("two Hosts", LINHART, _get(b"GET / HTTP/1.1", b"Host: a", b"host: b")),
    Kind("a second Host behind a space", SMUGGLER, _get(b"GET / HTTP/1.1", b"Host: a",
                                                        b"Host : b")),
    Kind("a second Host, folded", f"{SMUGGLER} (wrap)",
         _get(b"GET / HTTP/1.1", b"Host: a", b"X: y", b" Host: b")),
    Kind("a second Host, behind a tab", f"{SMUGGLER} (tab)",
         _get(b"GET / HTTP/1.1", b"Host: a", b"\tHost: b")),
    Kind("two Hosts in HTTP/1.0", f"{RFC} §3.2", _get(b"GET / HTTP/1.0", b"Host: a", b"Host: b")),
    Kind("empty Host", f"{RFC} §3.2", _get(b"GET / HTTP/1.1", b"Host: ")),
    Kind("userinfo in Host", f"{RFC} §3.2", _get(b"GET / HTTP/1.1", b"Host: user@a")),
    Kind("path in Host", f"{SMUGGLER} (Host-invalid)", _get(b"GET / HTTP/1.1", b"Host: a/b")),
    Kind("query in Host", f"{RFC} §3.2", _get(b"GET / HTTP/1.1", b"Host: a?b")),
    Kind("fragment in Host", f"{RFC} §3.2", _get(b"GET / HTTP/1.1", b"Host: a#b")),
    Kind("list in Host", f"{PROBE} MULTIPLE-HOST-COMMA", _get(b"GET / HTTP/1.1", b"Host: a, b")),
    Kind("space in Host", f"{RFC} §3.2", _get(b"GET / HTTP/1.1", b"Host: a b")),
    Kind("NUL in Host", f"{GARDEN}, HAProxy 2", _get(b"GET / HTTP/1.1", b"Host: a\0.b")),
    Kind("letters for a port", f"{RFC} §3.2", _get(b"GET / HTTP/1.1", b"Host: a:b")),
    Kind("two ports", f"{RFC} §3.2", _get(b"GET / HTTP/1.1", b"Host: a:80:81")),
    Kind("absolute against Host", f"{PROBE} ABSOLUTE-URI-HOST-MISMATCH",
         _get(b"GET http://b/ HTTP/1.1", b"Host: a")),
    Kind("absolute without Host", f"{RFC} §3.2.2", _get(b"GET http://a/ HTTP/1.1")),
    Kind("absolute without an authority", f"{RFC} §3.2.2", _get(b"GET http:/// HTTP/1.1",
                                                                b"Host: a")),
    Kind("userinfo in the target", f"{RFC} §3.2.2", _get(b"GET http://x@a/ HTTP/1.1", b"Host: a")),
    Kind("backslash in the authority", KETTLE_2019, _get(b"GET http://a\\@b/ HTTP/1.1",
                                                         b"Host: a")),
    Kind("fragment", f"{RFC} §3.2", _get(b"GET /#x HTTP/1.1", b"Host: a")),
    Kind("relative", f"{GARDEN}, AIOHTTP 7", _get(b"GET x HTTP/1.1", b"Host: a")),
    Kind("asterisk", f"{RFC} §3.2.4", _get(b"GET * HTTP/1.1", b"Host: a")),
    Kind("authority", f"{RFC} §3.2.3", _get(b"GET a:80 HTTP/1.1", b"Host: a")),
    Kind("a path for CONNECT", f"{RFC} §3.2.3", _get(b"CONNECT / HTTP/1.1", b"Host: a")),
    Kind("control byte", f"{RFC} §3.2", _get(b"GET /\x01 HTTP/1.1", b"Host: a")),
    Kind("NUL", f"{RFC} §3.2", _get(b"GET /\0 HTTP/1.1", b"Host: a")),
    Kind("raw UTF-8", f"{RFC} §3.2", _get("GET /é HTTP/1.1".encode(), b"Host: a")),
)  # fmt: skip


VERSIONS = (
    Kind("HTTP/1.2", f"{RFC} §2.3", _get(b"GET / HTTP/1.2", b"Host: a"), 505),
    Kind("HTTP/2.0", f"{RFC} §2.3", _get(b"GET / HTTP/2.0", b"Host: a"), 505),
    Kind("HTTP/9.9", f"{RFC} §2.3", _get(b"GET / HTTP/9.9", b"Host: a"), 505),
    Kind("HTTP/0.9 in words", f"{GARDEN}, Gunicorn issue 2810",
         _get(b"GET / HTTP/0.9", b"Host: a"), 505),
    Kind("the preface of HTTP/2", "RFC 9113 §3.4", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    Kind("lower case", f"{RFC} §2.3", _get(b"GET / http/1.1", b"Host: a")),
    Kind("HTTP/1", f"{RFC} §2.3", _get(b"GET / HTTP/1", b"Host: a")),
    Kind("HTTP/1.10", f"{GARDEN}, AIOHTTP 5", _get(b"GET / HTTP/1.10", b"Host: a")),
    Kind("HTTP/01.1", f"{RFC} §2.3", _get(b"GET / HTTP/01.1", b"Host: a")),
    Kind("HTTP/1.1.1", f"{GARDEN}, Gunicorn issue 2810", _get(b"GET / HTTP/1.1.1", b"Host: a")),
    Kind("HTTP/ 1.1", f"{RFC} §2.3", _get(b"GET / HTTP/ 1.1", b"Host: a")),
    Kind("HTTP/1,1", f"{RFC} §2.3", _get(b"GET / HTTP/1,1", b"Host: a")),
    Kind("HTTPS/1.1", f"{RFC} §2.3", _get(b"GET / HTTPS/1.1", b"Host: a")),
    Kind("integer overflow", f"{GARDEN}, Libevent 1",
         _get(b"GET / HTTP/4294967297.1", b"Host: a")),
    Kind("Arabic digits", f"{RFC} §2.3", _get("GET / HTTP/١.١".encode(), b"Host: a")),
)  # fmt: skip


_GO_ON = b"\r\n0\r\n\r\n" + HIDDEN


CHUNKS = (
    Kind("space before the size", f"{PROBE} CHUNK-LEADING-SP", _chunks(b" 5\r\nhello\r\n" + END)),
    Kind("space behind the size", f"{PROBE} CHUNK-SIZE-TRAILING-OWS",
         _chunks(b"5 \r\nhello\r\n" + END)),
    Kind("tab behind the size", KLEIN, _chunks(b"5\t\r\nhello\r\n" + END)),
    Kind("0x", f"{GARDEN}, Gunicorn 4", _chunks(b"0x5\r\nhello\r\n" + END)),
    Kind("plus", f"{PROBE} CHUNK-SIZE-PLUS", _chunks(b"+5\r\nhello\r\n" + END)),
    Kind("minus", f"{PROBE} CHUNK-NEGATIVE", _chunks(b"-5\r\nhello\r\n" + END)),
    Kind("minus zero", f"{GARDEN}, Gunicorn 4", _chunks(b"5\r\nhello\r\n-0\r\n\r\n")),
    Kind("underscore", f"{GARDEN}, AIOHTTP 1", _chunks(b"0_5\r\nhello\r\n" + END)),
    Kind("underscore in zero", "uhttpd issue 3", _chunks(b"0_0\r\n\r\n")),
    Kind("CR before the size", "uhttpd issue 3", _chunks(b"\r0\r\n\r\n")),
    Kind("empty size", f"{GARDEN}, Hyper 1", _chunks(b"\r\n\r\n" + HIDDEN)),
    Kind("empty line between chunks", f"{GARDEN}, Mongoose 6",
         _chunks(b"5\r\nhello\r\n\r\n\r\n" + HIDDEN)),
    Kind("not hex", f"{PROBE} CHUNK-INVALID-SIZE-DESYNC", _chunks(b"5g\r\nhello\r\n" + END)),
    Kind("no digit at all", f"{GARDEN}, Akamai 2", _chunks(b"Z\r\nZZ\r\nZZZ\r\n\r\n")),
    Kind("letters behind the size", f"{GARDEN}, Apache Traffic Server 5",
         _chunks(b"5these-bytes\r\nhello\r\n" + END)),
    Kind("over 64 bits", f"{GARDEN}, integer overflows",
         _chunks(b"10000000000000005\r\nhello\r\n" + END)),
    Kind("over 32 bits", f"{GARDEN}, integer overflows",
         _chunks(b"100000005\r\nhello" + b"\r\n" + END), 413),
    Kind("full-width digit", f"{RFC} §7.1", _chunks("５".encode() + b"\r\nhello\r\n" + END)),
    Kind("comma", f"{RFC} §7.1", _chunks(b"5,5\r\nhello\r\n" + END)),
    Kind("NUL behind the size", f"{RFC} §7.1", _chunks(b"5\0\r\nhello\r\n" + END)),
    Kind("bare LF behind the size", f"{FUNKY}, TERM", _chunks(b"5\nhello\r\n" + END)),
    Kind("bare CR behind the size", f"{PROBE} CHUNK-BARE-CR-TERM", _chunks(b"5\rhello\r\n" + END)),
    Kind("CR and a byte for CR LF", f"{GARDEN}, Node.js 2",
         _chunks(b"5\r\r;ABCD\r\n34\r\nE\r\n" + END)),
    Kind("CR CR LF behind the size", f"{FUNKY}, TERM", _chunks(b"5\r\r\nhello\r\n" + END)),
    Kind("TERM.EXT with LF", f"{FUNKY}; {KESTREL}",
         _chunks(b"2;\nxx\r\n%x\r\n" % (len(HIDDEN) + 7) + b"0\r\n\r\n" + HIDDEN + _GO_ON)),
    Kind("TERM.EXT with CR", FUNKY, _chunks(b"2;\rxx\r\n%x\r\n" % (len(HIDDEN) + 7)
                                           + END + HIDDEN + _GO_ON)),
    Kind("EXT.TERM with LF", FUNKY, _chunks(b"%x;a\n" % (len(HIDDEN) + 7) + END + HIDDEN + _GO_ON)),
    Kind("EXT.TERM with CR", FUNKY, _chunks(b"%x;a\r" % (len(HIDDEN) + 7) + END + HIDDEN + _GO_ON)),
    Kind("LF in an extension", GRENFELDT, _chunks(b"5;a\nb\r\nhello\r\n" + END)),
    Kind("CR in an extension", f"{PROBE} CHUNK-EXT-CR", _chunks(b"5;a\rb\r\nhello\r\n" + END)),
    Kind("LF inside a quoted extension", FUNKY, _chunks(b'5;a="\n"\r\nhello\r\n' + END)),
    Kind("CR LF inside a quoted extension", FUNKY, _chunks(b'5;a="\r\n"\r\nhello\r\n' + END)),
    Kind("NUL in an extension", f"{PROBE} CHUNK-EXT-CTRL", _chunks(b"5;\0x\r\nhello\r\n" + END)),
    Kind("an extension that is no token", f"{PROBE} CHUNK-EXT-INVALID-TOKEN",
         _chunks(b"5;a[b]=c\r\nhello\r\n" + END)),
    Kind("only a semicolon", f"{PROBE} CHUNK-BARE-SEMICOLON", _chunks(b"5;\r\nhello\r\n" + END)),
    Kind("space in an extension", f"{GARDEN}, Apache Traffic Server 4",
         _chunks(b"5 ;a\r\nhello\r\n" + END)),
    Kind("space behind the semicolon", f"{RFC} §7.1.1", _chunks(b"5; a\r\nhello\r\n" + END)),
    Kind("open quote in an extension", FUNKY, _chunks(b'5;a="b\r\nhello\r\n' + END)),
    Kind("an extension without end", "CVE-2023-39326 (Go)",
         _chunks(b"5;" + b"a" * 300 + b"\r\nhello\r\n" + END)),
    Kind("LF in the last chunk's extension", FUNKY, _chunks(b"5\r\nhello\r\n0;\n\r\n\r\n")),
    Kind("SPILL.TERM", FUNKY, _chunks(b"5\r\nhelloXX0\r\n\r\n" + HIDDEN)),
    Kind("TERM.SPILL", FUNKY, _chunks(b"5\r\nhello" + END + HIDDEN)),
    Kind("ONE.TWO: one byte behind the data", FUNKY, _chunks(b"5\r\nhello\n" + END)),
    Kind("TWO.ONE: two bytes that are no CR LF", FUNKY, _chunks(b"5\r\nhello\n\n" + END)),
    Kind("LF CR behind the data", FUNKY, _chunks(b"5\r\nhello\n\r" + END)),
    Kind("CR and a byte behind the data", f"{GARDEN}, Node.js 2", _chunks(b"5\r\nhello\rX" + END)),
    Kind("CR CR LF behind the data", FUNKY, _chunks(b"5\r\nhello\r\r\n" + END)),
    Kind("data too long", f"{PROBE} CHUNK-SPILL", _chunks(b"5\r\nhello!\r\n" + END)),
    Kind("data too short", f"{RFC} §7.1", _chunks(b"5\r\nhell\r\n" + END)),
    Kind("bare LF at the end", f"{PROBE} CHUNK-LF-TRAILER", _chunks(b"5\r\nhello\r\n0\r\n\n")),
    Kind("bare LF behind the last size", f"{GARDEN}, README", _chunks(b"0\n\r\n")),
    Kind("bare CR at the end", FUNKY, _chunks(b"0\r\n\r\r\n")),
    Kind("no end: the next request for trailers", "Gunicorn issue 3382", _chunks(b"0\r\n")),
    Kind("Content-Length as a trailer", f"{PROBE} TRAILER-CL",
         _chunks(b"5\r\nhello\r\n0\r\nContent-Length: 3\r\n\r\n")),
    Kind("Transfer-Encoding as a trailer", f"{PROBE} TRAILER-TE",
         _chunks(b"5\r\nhello\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n")),
    Kind("Host as a trailer", f"{PROBE} TRAILER-HOST",
         _chunks(b"5\r\nhello\r\n0\r\nHost: b\r\n\r\n")),
    Kind("Authorization as a trailer", f"{PROBE} TRAILER-AUTH",
         _chunks(b"5\r\nhello\r\n0\r\nAuthorization: Basic eDp5\r\n\r\n")),
    Kind("Content-Type as a trailer", f"{PROBE} TRAILER-CONTENT-TYPE",
         _chunks(b"5\r\nhello\r\n0\r\nContent-Type: text/html\r\n\r\n")),
    Kind("folded trailer", f"{RFC} §7.1.2", _chunks(b"5\r\nhello\r\n0\r\nX: y\r\n z\r\n\r\n")),
    Kind("bare LF behind a trailer", FUNKY, _chunks(b"5\r\nhello\r\n0\r\nX: y\n\r\n")),
    Kind("bare CR in a trailer", FUNKY, _chunks(b"5\r\nhello\r\n0\r\nX: y\rz\r\n\r\n")),
    Kind("space before a trailer's colon", f"{RFC} §5.1",
         _chunks(b"5\r\nhello\r\n0\r\nX : y\r\n\r\n")),
    Kind("a request line for a trailer", TE_0, _chunks(b"0\r\n" + HIDDEN)),
)  # fmt: skip


EXPECTATIONS = (
    Kind("unknown expectation", "RFC 9110 §10.1.1", _post(b"Expect: teapot", body=b""), 417),
    Kind("a word before", f"{KETTLE_2025}, Expect: y 100-continue",
         _post(b"Expect: y 100-continue", b"Content-Length: 5", body=HELLO), 417),
    Kind("an LF before", KETTLE_2025,
         _post(b"Expect: \n100-continue", b"Content-Length: 5", body=HELLO)),
    Kind("two of them", KETTLE_2025,
         _post(b"Expect: 100-continue", b"Expect: 100-continue", b"Content-Length: 5",
               body=HELLO), 417),
    Kind("a list", "RFC 9110 §10.1.1",
         _post(b"Expect: 100-continue, 100-continue", b"Content-Length: 5", body=HELLO), 417),
    Kind("body sent without waiting, and read", f"{PROBE} EXPECT-100-CL",
         _post(b"Expect: 100-continue", b"Content-Length: 5", body=HELLO), FIVE, keeps=True),
    Kind("body sent without waiting, and not read", f"{KETTLE_2025}, 0.CL",
         _post(b"Expect: 100-continue", b"Content-Length: " + _SIZE_OF_HIDDEN,
               line=b"POST /users/1 HTTP/1.1", body=HIDDEN), 405, keeps=True),
    Kind("without a body", f"{KETTLE_2025}, Expect with GET",
         _lines(b"Expect: 100-continue"), HOME, keeps=True),
    Kind("HTTP/1.0", "RFC 9110 §10.1.1",
         b"POST /length HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello", FIVE),
)  # fmt: skip


SAFE = (
    Kind("CL.0: a body for GET", f"{KETTLE_2022}, CL.0",
         _post(b"Content-Length: " + _SIZE_OF_HIDDEN, line=b"GET / HTTP/1.1", body=HIDDEN), HOME,
         keeps=True),
    Kind("CL.0: a body that is not read", f"{KETTLE_2022}, CL.0",
         _post(b"Content-Length: " + _SIZE_OF_HIDDEN, line=b"POST /nowhere HTTP/1.1", body=HIDDEN),
         404, keeps=True),
    Kind("CL.0: a body for HEAD", f"{PROBE} HEAD-CL-BODY",
         _post(b"Content-Length: " + _SIZE_OF_HIDDEN, line=b"HEAD / HTTP/1.1", body=HIDDEN),
         200, keeps=True),
    Kind("CL.0: a body for OPTIONS", f"{PROBE} OPTIONS-CL-BODY-DESYNC",
         _post(b"Content-Length: " + _SIZE_OF_HIDDEN, line=b"OPTIONS /length HTTP/1.1",
               body=HIDDEN), 204, keeps=True),
    Kind("CL.0: a body for TRACE", f"{RFC} §6",
         _post(b"Content-Length: " + _SIZE_OF_HIDDEN, line=b"TRACE /length HTTP/1.1",
               body=HIDDEN), 405, keeps=True),
    Kind("CL.0: a body behind an upgrade to h2c", "Fox: h2c Smuggling (2020)",
         _post(b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c",
               b"HTTP2-Settings: AAMAAABkAAQAAP__", b"Content-Length: " + _SIZE_OF_HIDDEN,
               body=HIDDEN), b'{"length":%s}' % _SIZE_OF_HIDDEN, keeps=True),
    Kind("upgrade to h2c", "Fox: h2c Smuggling (2020)",
         _lines(b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c",
                b"HTTP2-Settings: AAMAAABkAAQAAP__"), HOME, keeps=True),
    Kind("upgrade to a WebSocket that is none", "Emelyanov: Websocket Smuggling (2019)",
         _lines(b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Version: 1777"),
         HOME, keeps=True),
    Kind("TE.0: chunks for OPTIONS", TE_0,
         _post(b"Transfer-Encoding: chunked", line=b"OPTIONS /length HTTP/1.1",
               body=_CHUNKED_HIDDEN), 204, keeps=True),
    Kind("TE.0: chunks for GET", TE_0,
         _post(b"Transfer-Encoding: chunked", line=b"GET / HTTP/1.1", body=_CHUNKED_HIDDEN), HOME,
         keeps=True),
    Kind("TE.0: chunks for HEAD", TE_0,
         _post(b"Transfer-Encoding: chunked", line=b"HEAD / HTTP/1.1", body=_CHUNKED_HIDDEN),
         200, keeps=True),
    Kind("a length in an underscored name is another header", f"{SMUGGLER} (underjoin1)",
         _post(b"Content_Length: 5"), NONE, keeps=True),
    Kind("a coding in an underscored name is another header",
         f"{PROBE} TRANSFER-ENCODING-UNDERSCORE",
         _post(b"Transfer_Encoding: chunked", b"Content-Length: 5", body=HELLO), FIVE, keeps=True),
    Kind("a percent-encoded name is another header", f"{SMUGGLER} (encode)",
         _post(b"Transfer-%45ncoding: chunked", b"Content-Length: 5", body=HELLO), FIVE,
         keeps=True),
    Kind("an apostrophe in a name is another header", f"{SMUGGLER} (h2colon)",
         _post(b"Transfer-Encoding`chunked: x", b"Content-Length: 5", body=HELLO), FIVE,
         keeps=True),
    Kind("Content-Encoding is no framing", f"{SMUGGLER} (contentEnc)",
         _post(b"Content-Encoding: chunked", b"Content-Length: 5", body=HELLO), FIVE, keeps=True),
    Kind("TE is no framing", f"{RFC} §7.4", _post(b"TE: chunked", b"Content-Length: 5", body=HELLO),
         FIVE, keeps=True),
    Kind("a length named in Connection still counts", f"{SMUGGLER} (connection)",
         _post(b"Connection: Content-Length", b"Content-Length: 5", body=HELLO), FIVE, keeps=True),
    Kind("a coding named in Connection still counts", f"{SMUGGLER} (connection)",
         _post(b"Connection: Transfer-Encoding", b"Transfer-Encoding: chunked",
               body=b"5\r\nhello\r\n" + END), FIVE, keeps=True),
    Kind("close anywhere in Connection", "RFC 9110 §7.6.1",
         _lines(b"Connection: keep-alive, x", b"connection: X-Foo,CLOSE"), HOME),
    Kind("keep-alive does not undo close", f"{RFC} §9.3",
         _lines(b"Connection: close, keep-alive"), HOME),
    Kind("HTTP/1.0 does not persist by itself", f"{RFC} §9.3", b"GET / HTTP/1.0\r\n\r\n", HOME),
    Kind("leading zeros are decimal", f"{GARDEN}, OpenLiteSpeed 3",
         _post(b"Content-Length: 010", body=b"0123456789"), b'{"length":10}', keeps=True),
    Kind("zero twice is zero", f"{PROBE} CL-DOUBLE-ZERO", _post(b"Content-Length: 00"), NONE,
         keeps=True),
    Kind("white space around a length", f"{PROBE} CL-TRAILING-SPACE",
         _post(b"Content-Length: \t 5 \t", body=HELLO), FIVE, keeps=True),
    Kind("no space before a length", f"{SMUGGLER} (nospace1)", _post(b"Content-Length:5",
                                                                    body=HELLO), FIVE, keeps=True),
    Kind("names in any case", f"{SMUGGLER} (multiCase)",
         _post(b"cONTENT-LENGTH: 5", body=HELLO), FIVE, keeps=True),
    Kind("chunked in any case", f"{PROBE} TE-CASE-MISMATCH",
         _post(b"TRANSFER-ENCODING: Chunked", body=b"5\r\nhello\r\n" + END), FIVE, keeps=True),
    Kind("tab around chunked", f"{SMUGGLER} (tabsuffix)",
         _post(b"Transfer-Encoding:\tchunked\t", body=b"5\r\nhello\r\n" + END), FIVE, keeps=True),
    Kind("chunk sizes in any case, with zeros", f"{RFC} §7.1",
         _chunks(b"00a\r\n0123456789\r\n0A\r\n0123456789\r\n000\r\n\r\n"), b'{"length":20}',
         keeps=True),
    Kind("well-formed extensions", f"{RFC} §7.1.1",
         _chunks(b'5;a;b=c;d="e;\\"f"\r\nhello\r\n0;x=y\r\n\r\n'), FIVE, keeps=True),
    Kind("a request inside a quoted extension", FUNKY,
         _chunks(b'5;a="GET /users/666 HTTP/1.1"\r\nhello\r\n' + END), FIVE, keeps=True),
    Kind("an underscored trailer", f"{RFC} §7.1.2",
         _chunks(b"5\r\nhello\r\n0\r\nContent_Length: 9\r\n\r\n"), FIVE, keeps=True),
    Kind("a request inside a chunk", TE_0, _chunks(_CHUNKED_HIDDEN),
         b'{"length":%s}' % _SIZE_OF_HIDDEN, keeps=True),
    Kind("one empty line first", f"{RFC} §2.2", b"\r\n" + _lines(), HOME, keeps=True),
    Kind("one empty line behind a body", f"{RFC} §2.2",
         _post(b"Content-Length: 5", body=b"hello\r\n"), FIVE, keeps=True),
    Kind("absolute, as Host says", f"{RFC} §3.2.2", _get(b"GET http://A:80/ HTTP/1.1",
                                                         b"Host: a:80"), HOME, keeps=True),
    Kind("absolute, without a path", f"{RFC} §3.2.2", _get(b"GET http://a HTTP/1.1", b"Host: a"),
         HOME, keeps=True),
    Kind("two slashes are a path", f"{RFC} §3.2.1", _get(b"GET //b/ HTTP/1.1", b"Host: a"), 404,
         keeps=True),
    Kind("an encoded CR LF is data", f"{PROBE} HEADER-INJECTION",
         _get(b"GET /%0d%0aX:%20y HTTP/1.1", b"Host: a"), 404, keeps=True),
    Kind("a method in lower case is another method", f"{RFC} §3.1",
         _get(b"get / HTTP/1.1", b"Host: a"), 405, keeps=True),
    Kind("X-Forwarded-Host is not Host", KETTLE_2019, _lines(b"X-Forwarded-Host: b"), HOME,
         keeps=True),
)  # fmt: skip


CATALOGUE: dict[str, tuple[Kind, ...]] = {
    "Content-Length": LENGTHS,
    "Transfer-Encoding": CODINGS,
    "lines": LINES,
    "Host and target": TARGETS,
    "versions": VERSIONS,
    "chunks": CHUNKS,
    "expectations": EXPECTATIONS,
    "read in the one safe way": SAFE,
}
