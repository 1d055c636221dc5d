"""The origin of web pages, as browsers write it in `Origin` (RFC 6454 §6.2), in a setting."""

from __future__ import annotations

import re

ANY = "*"
"""Stands for every origin."""

_ORIGIN = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://"
    r"(?P<host>[a-z0-9._~-]+|\[[0-9a-f:.]+\])"
    r"(?::(?P<port>[0-9]{1,5}))?"
)

_PORTS = {"http": "80", "https": "443"}


def web_origin(text: str) -> str:
    """Return an origin as browsers send it, in lower case; "*" stays as it is.

    Raise ValueError for what no browser sends, so that a typing error does not keep pages out
    without a word. The message shows the text and says what to write.
    """
    if text == ANY:
        return text
    found = _ORIGIN.fullmatch(text.lower())
    if found is None:
        raise ValueError(f"{text!r}; {_advice(text)}")
    scheme, port = found["scheme"], found["port"]
    if port is not None:
        short = text[: -len(port) - 1]
        if port == _PORTS.get(scheme):
            raise ValueError(f"{text!r}; browsers leave the port of the scheme out: {short!r}")
        if not 0 < int(port) <= 65_535 or port.startswith("0"):
            raise ValueError(f"{text!r}; expected a port from 1 to 65535")
    return text.lower()


def _advice(text: str) -> str:
    lower = text.lower()
    if lower == "null":
        return (
            "every sandboxed frame and local file has that origin, of whatever page; leave it out"
        )
    if not text.isascii():
        return "browsers send names outside ASCII as 'xn--...'"
    if "://" not in text:
        return f"expected a scheme: 'https://{text}'" if text else "expected 'https://example.com'"
    if "*" in text:
        return r"for many hosts use CORS(origins=re.compile(r'https://[a-z]+\.example\.com'))"
    scheme, _, rest = lower.partition("://")
    host = re.split(r"[/?#]", rest, maxsplit=1)[0]
    bare = f"{scheme}://{host.rpartition('@')[2]}"
    if host != rest and _ORIGIN.fullmatch(bare):
        return f"an origin ends with its host, without a slash or path: {bare!r}"
    if "@" in host and _ORIGIN.fullmatch(bare):
        return f"an origin has no user: {bare!r}"
    return "expected 'https://example.com' or 'https://example.com:8443'"
