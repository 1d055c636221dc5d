"""Random request heads: plain ones, odd ones, and those that are one byte away from plain."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from anylane import Limits

Draw = Callable[[st.SearchStrategy[Any]], Any]

LIMITS = Limits(target=20, header_field=40, header_section=90, header_count=5, body=30)
"""So small that random heads come to them."""
FEW = Limits(header_count=4)
ROOMY = Limits()

PLAIN = (
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /users/7?a=b&c=%20 HTTP/1.1\r\nHost: localhost:8080\r\nAccept: */*\r\n\r\n",
    b"\r\n".join(
        (
            b"POST /echo HTTP/1.1",
            b"Host: [::1]:80",
            b"Content-Type: application/json",
            b"Content-Length: 3",
            b"Connection: keep-alive",
            b"\r\n",
        )
    ),
    b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    b"\r\n".join(
        (
            b"DELETE /x HTTP/1.1",
            b"host:a",
            b"CONTENT-LENGTH:\t0 ",
            b"connection: Keep-Alive",
            b"x_under-score.~:",
            b"X-Obs: \xe9\x80\xff",
            b"TE: trailers",
            b"Trailer: x",
            b"\r\n",
        )
    ),
    b"\r\n".join(
        (
            b"GET / HTTP/1.1",
            b"Host: a.example",
            b"Connection: keep-alive",
            b"Cache-Control: max-age=0",
            b'sec-ch-ua: "Chromium";v="130", "Not?A_Brand";v="99"',
            b"sec-ch-ua-mobile: ?0",
            b"Upgrade-Insecure-Requests: 1",
            b"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)",
            b"Accept: text/html,application/xhtml+xml;q=0.9,*/*;q=0.8",
            b"Accept-Encoding: gzip, deflate, br, zstd",
            b"Cookie: session=0123456789abcdef; theme=dark",
            b"\r\n",
        )
    ),
)
"""What clients send all day: wrk, curl, an API's client, one that asks once, an odd but allowed
one, a browser."""

METHODS = st.sampled_from(
    [b"GET"] * 4 + [b"POST"] * 4
    + [b"HEAD", b"OPTIONS", b"CONNECT", b"CONNECTED", b"BREW", b"A" * 20, b"A" * 21, b"A" * 40]
    + [b"get", b"Get", b"G-T", b"G(T", b"", b"\xc9", b"G\0T"]
)  # fmt: skip
TARGETS = st.sampled_from(
    [b"/"] * 6 + [b"/both", b"/plain", b"/echo"] * 2
    + [b"/a?b=c&d", b"/a%20b", b"/%0d%0a", b"//a/b", b"/\"<>[]{}|\\^`", b"/~:@!$&'()*+,;="]
    + [b"/" + b"x" * 19, b"/" + b"x" * 20, b"/?" + b"x" * 18, b"/?" + b"x" * 19]
    + [b"*", b"a:80", b"a", b"http://a/", b"http://b/", b"HTTP://A", b"http://u@a/", b"?a"]
    + [b"/#a", b"/\xe9", b"/\x7f", b"/\0", b"/\t", b"/a b", b""]
)  # fmt: skip
VERSIONS = st.sampled_from(
    [b"HTTP/1.1"] * 12
    + [b"HTTP/1.0", b"HTTP/1.2", b"HTTP/2.0", b"HTTP/0.9", b"http/1.1", b"HTTP/1.10", b"HTTP/11"]
    + [b"HTTP/1.1 ", b" HTTP/1.1", b"HTTP/1,1", b""]
)  # fmt: skip
NAMES = st.sampled_from(
    [b"Host", b"Content-Length", b"Connection"] * 3
    + [b"Transfer-Encoding", b"Expect", b"Upgrade", b"TE", b"Trailer", b"Content-Type", b"Cookie"]
    + [b"X-Token", b"x_y", b"X", b"Hos", b"Hosts", b"Content-Lengt", b"Content-Length-", b"Expec"]
    + [b"Content_Length", b"Connections", b"Proxy-Connection", b"Keep-Alive", b"Upgrade-Insecure"]
    + [b"!#$%&'*+-.^_`|~09", b"", b" X", b"\tX", b"X ", b"X\t", b"X(", b"X\0", b"X\xe9", b'"X"']
)  # fmt: skip
VALUES: dict[bytes, list[bytes]] = {
    b"host": [
        b"a", b"a", b"a", b"A.example:80", b"[::1]", b"[::1]:80", b"1.2.3.4:65535", b"%41", b"a_b",
        b"", b":80", b"a:", b"a:123456", b"a b", b"a,b", b"u@a", b"a/b", b"a?b", b"[::1", b"\xe9",
        b"%4", b"[::1]x", b"a:8a",
    ],
    b"content-length": [
        b"0", b"1", b"3", b"3", b"007", b"29", b"30", b"31", b"9" * 18, b"9" * 19, b"9" * 21,
        b"", b"-1", b"+1", b"1 1", b"1,1", b"1, 1", b"0x1", b"1_0", b"1.0", b"\xb2", b"1;a",
    ],
    b"connection": [
        b"keep-alive", b"Keep-Alive", b"KEEP-ALIVE", b"close", b"Close", b"keep-alive, close",
        b"keep-alive,", b"upgrade", b"", b"x", b"keep-alive x", b"te",
    ],
    b"transfer-encoding": [b"chunked", b"Chunked", b"identity", b"gzip, chunked", b"", b"x"],
    b"expect": [b"100-continue", b"100-Continue", b"", b"x"],
    b"upgrade": [b"websocket", b"h2c", b""],
}  # fmt: skip
ANY_VALUE = st.sampled_from(
    [
        b"y", b"y", b"", b"a b", b"a\tb", b"\xe9\xff", b'"a, b"', b":", b"x" * 30, b"x" * 37,
        b"\x01", b"\x7f", b"\0", b"\x0b", b"\r", b"a\nb", b"a\r\n b", b"a\r\n\tb", b"\x1f", b"\x85",
    ]
)  # fmt: skip
SPACE = st.sampled_from([b" "] * 6 + [b"", b"", b"\t", b" \t ", b"\x0b", b"\xa0"])
SPELLINGS: list[Callable[[bytes], bytes]] = [bytes, bytes, bytes.lower, bytes.upper, bytes.swapcase]
ENDS = st.sampled_from([b"\r\n"] * 30 + [b"\n", b"\r", b"\r\r\n", b"\n\r", b""])


@st.composite
def lines(draw: Draw) -> Any:
    """One header line, and its end."""
    name: bytes = draw(NAMES)
    known = VALUES.get(name.lower())
    # The first values of each list are what it is mostly; the later ones are odd.
    value: bytes = draw(ANY_VALUE if known is None else st.sampled_from(known[:3] + known))
    spelled = draw(st.sampled_from(SPELLINGS))(name)
    return spelled + b":" + draw(SPACE) + value + draw(st.sampled_from([b"", b"", b" ", b"\t"]))


@st.composite
def plain_sections(draw: Draw) -> Any:
    """Header lines that the express lane has to take, unless they are too many or too large."""
    plain = [b"Host: a"]
    if draw(st.booleans()):
        plain.append(b"Content-Length: " + draw(st.sampled_from([b"0", b"3", b"30"])))
    connection = draw(st.sampled_from([b"", b"", b"keep-alive", b"close"]))
    if connection:
        plain.append(b"Connection: " + connection)
    names = st.sampled_from([b"X-Token", b"Cookie", b"x_y", b"TE", b"Accept", b"Content-Type"])
    for name in draw(st.lists(names, max_size=4)):
        value = draw(st.sampled_from([b"y", b"", b"a b", b"\xe9\xff", b"x" * 30]))
        plain.append(name + b":" + draw(st.sampled_from([b" ", b"", b"\t"])) + value)
    draw(st.randoms(use_true_random=False)).shuffle(plain)
    return b"".join(draw(st.sampled_from(SPELLINGS))(line) + b"\r\n" for line in plain) + b"\r\n"


@st.composite
def nearly(draw: Draw, section: bytes) -> Any:
    """The same bytes, or one thing about them is different."""
    at = draw(st.integers(0, len(section)))
    match draw(st.integers(0, 7)):
        case 0 | 1 | 2:
            return section
        case 3:
            return section[:at] + draw(st.binary(min_size=1, max_size=1)) + section[at + 1 :]
        case 4:
            return section[:at] + section[at + 1 :]
        case 5:
            return section[:at] + draw(st.binary(min_size=1, max_size=2)) + section[at:]
        case 6:
            return section[:-2] + draw(lines()) + b"\r\n\r\n"
        case _:
            return section[:at]


@st.composite
def heads(draw: Draw) -> Any:
    """A head, blank line included, with some part of it that may be odd."""
    odd = draw(st.sampled_from(["first line", "fields", "fields", "ends", "one thing"]))
    start = b"POST / HTTP/1.1"
    if odd == "first line":
        start = b" ".join((draw(METHODS), draw(TARGETS), draw(VERSIONS)))
    fields: list[bytes] = draw(plain_sections()).split(b"\r\n")[:-2]
    if odd == "fields":
        for line in draw(st.lists(lines(), min_size=1, max_size=2)):
            fields.insert(draw(st.integers(0, len(fields))), line)
        if draw(st.integers(0, 9)) == 0:
            del fields[draw(st.integers(0, len(fields) - 1))]
    section = b"\r\n".join((*fields, b"", b""))
    head = start + b"\r\n" + section
    if odd == "ends":
        head = b"".join(line + draw(ENDS) for line in head.split(b"\r\n")[:-1])
    elif odd == "one thing":
        head = draw(nearly(head))
    if draw(st.integers(0, 19)) == 0:
        return draw(st.sampled_from([b"\r\n", b"\n", b"\r", b" ", b"\r\n\r\n"])) + head
    return head
