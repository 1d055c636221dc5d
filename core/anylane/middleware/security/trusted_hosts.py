"""TrustedHosts: which names this server answers to, and the host that a request names."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from anylane.errors import HTTPError, RouteError, UsageError
from anylane.routing.documentation import PartDocumentation
from anylane.routing.route_table import parse_host
from anylane.shown import shown

if TYPE_CHECKING:
    from anylane.handling.context import Context

_HOST = re.compile(r"([a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])\.?(?::([0-9]{0,5}))?")

_MAX_NAME = 255
"""RFC 1035 §2.3.4."""


def host_of(text: str | None) -> tuple[str, str | None] | None:
    """Return the name, in lower case and without a dot at its end, and the port of a Host header;
    None if it is missing or malformed (RFC 9110 §7.2)."""
    if text is None or len(text) > _MAX_NAME + 7:
        return None
    found = _HOST.fullmatch(text.lower())
    return None if found is None else (found[1], found[2])


class TrustedHosts:
    """Answers 400 to a request that names another host than these, WebSocket handshakes included.

    Whatever makes URLs of the Host header (links in mails, redirects, caches) can be turned against
    visitors unless the names are known.

    hosts: names such as "example.com"; "*.example.com", which stands for any number of labels but
        not for example.com itself; addresses such as "[::1]"; "*" for all. Ports are not looked at,
        case does not matter, and neither does a dot at the end.

    Raise UsageError for what can be no host.
    """

    name = "TrustedHosts"

    def __init__(self, hosts: Iterable[str]) -> None:
        if isinstance(hosts, str) or not isinstance(hosts, Iterable):
            raise UsageError(f"hosts of TrustedHosts is {shown(hosts)}; write [{shown(hosts)}]")
        given = list(hosts)
        if not given:
            raise UsageError("hosts of TrustedHosts is empty, so that nothing would be answered")
        self._any = "*" in given
        self._names: set[str] = set()
        self._below: list[str] = []
        for each in given:
            if each != "*":
                self._add(each)
        self._ends = tuple(self._below)

    def _add(self, text: object) -> None:
        if not isinstance(text, str):
            raise UsageError(f"hosts of TrustedHosts has {shown(text)}; expected a str")
        try:
            host = parse_host(text)
        except RouteError:
            raise UsageError(
                f"hosts of TrustedHosts has {text!r}; expected 'example.com' or '*.example.com', "
                "without scheme, port and path, names outside ASCII as 'xn--...'"
            ) from None
        if host.startswith("*."):
            self._below.append(host[1:])
        else:
            self._names.add(host)

    def documentation(self, method: str) -> PartDocumentation:  # noqa: ARG002
        """Return what is said about it in the OpenAPI description of an operation."""
        return PartDocumentation(responses={400: "This server does not answer for that host."})

    def request(self, ctx: Context) -> None:
        """Raise HTTPError 400 unless the host is one of ours."""
        given = ctx.request.host
        if given in self._names:
            return  # As most clients write it: in lower case, without a port.
        found = host_of(given)
        if found is not None:
            host = found[0]
            if self._any or host in self._names or host.endswith(self._ends):
                return
        raise HTTPError(400, "this server does not answer for that host")
