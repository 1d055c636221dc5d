"""CSP: a Content-Security-Policy, checked when it is made (W3C CSP Level 3).

Browsers ignore what they do not understand, so a typing error would switch the protection off.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from anylane.errors import UsageError
from anylane.shown import shown

NONCE: Final = "'nonce'"
"""Stands for the nonce of each request: browsers read `'nonce-...'`."""

_FETCH = frozenset(
    "child-src connect-src default-src fenced-frame-src font-src frame-src img-src manifest-src "
    "media-src object-src prefetch-src script-src script-src-attr script-src-elem style-src "
    "style-src-attr style-src-elem worker-src".split()
)
_SOURCES = _FETCH | {"base-uri", "form-action", "frame-ancestors"}
"""Directives whose values are sources."""

_OTHER = frozenset(
    "report-to report-uri require-trusted-types-for sandbox trusted-types "
    "upgrade-insecure-requests webrtc".split()
)

_KEYWORDS = frozenset(
    "'none' 'self' 'unsafe-inline' 'unsafe-eval' 'unsafe-hashes' 'strict-dynamic' "
    "'wasm-unsafe-eval' 'report-sample' 'inline-speculation-rules' "
    "'unsafe-allow-redirects' 'trusted-types-eval'".split()
)

_FOR_ANCESTORS = frozenset(("'none'", "'self'"))

_SANDBOX = frozenset(
    "allow-downloads allow-forms allow-modals allow-orientation-lock allow-pointer-lock "
    "allow-popups allow-popups-to-escape-sandbox allow-presentation allow-same-origin "
    "allow-scripts allow-storage-access-by-user-activation allow-top-navigation "
    "allow-top-navigation-by-user-activation "
    "allow-top-navigation-to-custom-protocols".split()
)

_HASH = re.compile(r"'sha(?:256|384|512)-[A-Za-z0-9+/_-]+={0,2}'")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
_HOST = re.compile(
    r"(?:[a-z][a-z0-9+.-]*://)?"
    r"(?:\*|(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?|\[[0-9a-f:.]+\])"
    r"(?::(?:\*|[0-9]+))?(?:/[^\s;,'\"?#]*)?",
    re.IGNORECASE,
)
_PLAIN = re.compile(r"[!#-+\-./0-9:<-~]+")
"""A value of another directive: visible ASCII without what ends it (`;`, `,`, `\"`)."""


class CSP:
    """A Content-Security-Policy, for `SecurityHeaders(csp=...)`:

        CSP(default_src="'self'", script_src=[CSP.NONCE, "'strict-dynamic'"], object_src="'none'")

    directives: each with one value, a list of them, or True where it has none
        (`upgrade_insecure_requests=True`). An underscore stands for the hyphen. CSP.NONCE stands
        for a nonce that is new for each request; templates find it as `ctx.state.csp_nonce`.

    Raise UsageError for a directive or value that browsers do not know. The message says what was
    meant, where that is clear.
    """

    NONCE: Final = NONCE

    __slots__ = ("_before", "directives")

    def __init__(self, **directives: str | Iterable[str] | bool) -> None:
        self.directives: Mapping[str, tuple[str, ...]] = {
            name: _values(name, given)
            for key, given in directives.items()
            if given is not False and (name := key.replace("_", "-").lower())
        }
        if not self.directives:
            raise UsageError(
                "CSP() has no directives; expected some, such as default_src=\"'self'\""
            )
        text = "; ".join(" ".join((name, *values)) for name, values in self.directives.items())
        # The nonce goes between these.
        self._before = text.split(NONCE)

    @property
    def has_nonce(self) -> bool:
        """Whether a directive has a nonce, so that each answer has a policy of its own."""
        return len(self._before) > 1

    def text(self, nonce: str = "") -> str:
        """Return the value of the header."""
        return f"'nonce-{nonce}'".join(self._before) if self.has_nonce else self._before[0]

    def __repr__(self) -> str:
        return f"<CSP {self.text('...')}>"


def _values(name: str, given: object) -> tuple[str, ...]:
    """Return the checked values of one directive."""
    if name not in _SOURCES and name not in _OTHER:
        known = ", ".join(sorted(_SOURCES | _OTHER))
        raise UsageError(f"CSP has the directive {name!r:.80}; expected one of {known}")
    if given is True:
        values: list[object] = []
    elif isinstance(given, str):
        values = list(given.split())
    elif isinstance(given, Iterable):
        values = list(given)
    else:
        raise UsageError(f"{name} of CSP is {shown(given)}; expected a str, a list or True")
    for value in values:
        _check(name, value)
    found = tuple(dict.fromkeys(map(str, values)))
    if "'none'" in found and len(found) > 1:
        raise UsageError(f"{name} of CSP has 'none' beside other values; browsers ignore it there")
    if not found and name not in ("sandbox", "upgrade-insecure-requests", "trusted-types"):
        raise UsageError(f"{name} of CSP has no value; \"'none'\" forbids everything")
    if found and name == "upgrade-insecure-requests":
        raise UsageError(f"{name} of CSP has the value {found[0]!r}; expected True")
    return found


def _check(name: str, value: object) -> None:
    if not isinstance(value, str):
        raise UsageError(f"{name} of CSP has {shown(value)}; expected a str")
    if name in _SOURCES:
        fits = _is_source(name, value)
    elif name == "sandbox":
        fits = value in _SANDBOX
    elif name == "require-trusted-types-for":
        fits = value == "'script'"
    elif name == "webrtc":
        fits = value in ("'allow'", "'block'")
    else:
        fits = _PLAIN.fullmatch(value) is not None
    if not fits:
        raise UsageError(f"{name} of CSP has {shown(value)}; {_advice(value)}")


def _is_source(name: str, value: str) -> bool:
    if name == "frame-ancestors" and value.startswith("'"):
        return value in _FOR_ANCESTORS
    if value.startswith("'"):
        return value in _KEYWORDS or value == NONCE or _HASH.fullmatch(value) is not None
    # A keyword without its quotes is the name of a host, and that is never meant.
    if f"'{value.lower()}'" in _KEYWORDS or value.lower().startswith(("nonce-", "sha256-")):
        return False
    return _SCHEME.fullmatch(value) is not None or _HOST.fullmatch(value) is not None


def _advice(value: str) -> str:
    bare = value.strip("'\"").lower()
    if f"'{bare}'" in _KEYWORDS:
        return f"write it in single quotes: \"'{bare}'\""
    if bare.startswith("nonce"):
        return "a nonce must be new for each request: CSP.NONCE stands for it"
    return "expected a source such as \"'self'\", 'https:' or 'cdn.example.com'"
