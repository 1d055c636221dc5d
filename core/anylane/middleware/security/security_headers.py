"""SecurityHeaders: the headers that switch on what browsers can do for a site's safety."""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from anylane.errors import UsageError
from anylane.middleware.security.csp import CSP
from anylane.shown import shown

if TYPE_CHECKING:
    from anylane.handling.context import Context

YEAR = 31_536_000
"""Seconds for which a browser uses https only, once it has. As long as browsers' preload list asks
for; OWASP's cheat sheet has two years."""

_DEFAULT = CSP(frame_ancestors="'none'")
"""Without more, because anything else could break pages: what they load is for you to say."""

_NONCE_BYTES = 16
"""CSP asks for 128 bits."""

_REFERRERS = (
    "no-referrer", "no-referrer-when-downgrade", "origin", "origin-when-cross-origin",
    "same-origin", "strict-origin", "strict-origin-when-cross-origin", "unsafe-url",
)  # fmt: skip
_OPENERS = ("same-origin", "same-origin-allow-popups", "noopener-allow-popups", "unsafe-none")
_RESOURCES = ("same-origin", "same-site", "cross-origin")
_EMBEDDERS = ("require-corp", "credentialless", "unsafe-none")

_FEATURE = re.compile(r"[a-z]+(?:-[a-z0-9]+)*")
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^\s\"\\;,()]+")


class SecurityHeaders:
    """Adds to each answer the headers that it does not set itself. None leaves one out.

    csp: the Content-Security-Policy; by default it only forbids that other sites frame a page.
        X-Frame-Options says the same to old browsers where it can.
    csp_report_only: a second policy, which is reported on and not obeyed, for trying one.
    hsts: seconds for which browsers use https only (Strict-Transport-Security), sent over TLS only,
        which believed proxies tell too. 0 makes browsers forget it; None sends nothing.
    hsts_subdomains: whether that holds for all subdomains. hsts_preload: whether browsers may have
        it built in, which cannot be undone for months; it needs the other two.
    referrer: Referrer-Policy. opener: Cross-Origin-Opener-Policy. resource:
        Cross-Origin-Resource-Policy; it does not concern what a page fetches by CORS. embedder:
        Cross-Origin-Embedder-Policy.
    permissions: Permissions-Policy, as features and who may use them: {"camera": [],
        "geolocation": ["self", "https://maps.example.com"]}.

    Raise UsageError for a value that browsers do not know.
    """

    name = "SecurityHeaders"

    def __init__(
        self,
        *,
        csp: CSP | None = _DEFAULT,
        csp_report_only: CSP | None = None,
        hsts: int | None = YEAR,
        hsts_subdomains: bool = False,
        hsts_preload: bool = False,
        referrer: str | None = "strict-origin-when-cross-origin",
        opener: str | None = "same-origin",
        resource: str | None = "same-origin",
        embedder: str | None = None,
        permissions: Mapping[str, Iterable[str]] | None = None,
    ) -> None:
        lines = [("x-content-type-options", "nosniff"), ("x-xss-protection", "0")]
        _check_policy("csp", csp)
        _check_policy("csp_report_only", csp_report_only)
        if csp is not None and (frames := _frame_options(csp)) is not None:
            lines.append(("x-frame-options", frames))
        for header, name, value, known in (
            ("referrer-policy", "referrer", referrer, _REFERRERS),
            ("cross-origin-opener-policy", "opener", opener, _OPENERS),
            ("cross-origin-resource-policy", "resource", resource, _RESOURCES),
            ("cross-origin-embedder-policy", "embedder", embedder, _EMBEDDERS),
        ):
            if value is not None:
                if value not in known:
                    raise UsageError(
                        f"{name} of SecurityHeaders is {shown(value)}; expected "
                        f"{', '.join(map(repr, known))} or None"
                    )
                lines.append((header, value))
        if permissions is not None:
            lines.append(("permissions-policy", _permissions(permissions)))
        self._nonced: list[tuple[str, CSP]] = []
        for header, policy in (
            ("content-security-policy", csp),
            ("content-security-policy-report-only", csp_report_only),
        ):
            if policy is not None and policy.has_nonce:
                self._nonced.append((header, policy))
            elif policy is not None:
                lines.append((header, policy.text()))
        self._lines = dict(lines)
        self._hsts = _strict_transport(hsts, hsts_subdomains, hsts_preload)

    def request(self, ctx: Context) -> None:
        """Give the request a nonce, if a policy has one."""
        if self._nonced:
            self._nonce(ctx)

    def response(self, ctx: Context) -> None:
        """Add the headers that are not there."""
        response = ctx.response
        if response.status == 101:
            return  # A WebSocket is no page.
        headers = response.headers
        headers.default_all(self._lines)
        if self._hsts is not None and ctx.request.scheme == "https":
            headers.default("strict-transport-security", self._hsts)
        # A 304 renews the headers of what is in the client's cache, whose page has its old nonce.
        if self._nonced and response.status != 304:
            nonce = self._nonce(ctx)
            for name, policy in self._nonced:
                headers.default(name, policy.text(nonce))

    @staticmethod
    def _nonce(ctx: Context) -> str:
        known: str | None = getattr(ctx.state, "csp_nonce", None)
        if known is None:
            random = ctx.link.host.token(_NONCE_BYTES)
            known = ctx.state.csp_nonce = urlsafe_b64encode(random).decode("ascii").rstrip("=")
        return known


def _check_policy(name: str, policy: object) -> None:
    if policy is not None and not isinstance(policy, CSP):
        raise UsageError(
            f"{name} of SecurityHeaders is {shown(policy)}; expected CSP(default_src=\"'self'\") "
            "or None"
        )


def _frame_options(csp: CSP) -> str | None:
    """Return what X-Frame-Options says of frame-ancestors; None where it has no word for it."""
    ancestors = csp.directives.get("frame-ancestors")
    if ancestors == ("'none'",):
        return "DENY"
    return "SAMEORIGIN" if ancestors == ("'self'",) else None


def _strict_transport(seconds: object, subdomains: object, preload: object) -> str | None:
    for name, flag in (("hsts_subdomains", subdomains), ("hsts_preload", preload)):
        if not isinstance(flag, bool):
            raise UsageError(f"{name} of SecurityHeaders is {shown(flag)}; expected True or False")
    if seconds is None:
        if subdomains or preload:
            raise UsageError(
                "SecurityHeaders has hsts=None; hsts_subdomains and hsts_preload need it"
            )
        return None
    if type(seconds) is not int or seconds < 0:
        raise UsageError(
            f"hsts of SecurityHeaders is {shown(seconds)}; expected seconds, 0 or more, or None"
        )
    if preload and not (subdomains and seconds >= YEAR):
        raise UsageError(
            f"hsts_preload of SecurityHeaders needs hsts_subdomains=True and hsts={YEAR} or more; "
            "see https://hstspreload.org"
        )
    value = f"max-age={seconds}"
    if subdomains:
        value += "; includeSubDomains"
    return value + "; preload" if preload else value


def _permissions(given: object) -> str:
    """Return the value of Permissions-Policy."""
    if not isinstance(given, Mapping):
        raise UsageError(
            f"permissions of SecurityHeaders is {shown(given)}; expected a mapping such as "
            "{'camera': [], 'geolocation': ['self']}"
        )
    return ", ".join(f"{_feature(name)}={_allowlist(name, who)}" for name, who in given.items())


def _feature(name: object) -> str:
    if not isinstance(name, str) or not _FEATURE.fullmatch(name):
        raise UsageError(
            f"permissions of SecurityHeaders has {shown(name)}; expected a feature such as "
            "'camera' or 'picture-in-picture'"
        )
    return name


def _allowlist(name: object, who: object) -> str:
    if isinstance(who, str) or not isinstance(who, Iterable):
        raise UsageError(f"{name} of permissions is {shown(who)}; write [{shown(who)}]")
    found: list[str] = []
    for each in who:
        if each in ("*", "self", "src"):
            found.append(each)
        elif isinstance(each, str) and _ORIGIN.fullmatch(each):
            found.append(f'"{each}"')
        else:
            raise UsageError(
                f"{name} of permissions has {shown(each)}; expected 'self', '*' or an origin such "
                "as 'https://example.com'"
            )
    return "*" if found == ["*"] else f"({' '.join(found)})"
