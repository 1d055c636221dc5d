"""Leaving HTTP/1.1: the answer to CONNECT and to an upgrade (RFC 9110 §7.8, §9.3.6)."""

from __future__ import annotations

from anylane.errors import Refused
from anylane.protocol.fields import Header
from anylane.protocol.request_head import RequestHead


def switching_head(head: RequestHead, headers: list[Header]) -> tuple[int, list[Header]]:
    """Return status and headers of the response that ends HTTP on a connection. Raise Refused, with
    426, if the client asked for neither CONNECT nor an upgrade."""
    if head.method == b"CONNECT":
        # RFC 9110 §9.3.6: a 2xx to CONNECT has no Content-Length and no Transfer-Encoding.
        return 200, headers
    offered = head.get(b"upgrade")
    names = {name.lower(): value for name, value in headers}
    if offered is None or b"upgrade" not in head.connection or head.version == b"1.0":
        upgrade = (("Upgrade", names["upgrade"]),) if "upgrade" in names else ()
        raise Refused(
            426,
            "expected Connection: Upgrade and Upgrade: with a protocol",
            headers=(*upgrade, ("Connection", "upgrade")) if upgrade else (),
        )
    lines = [(name, value) for name, value in headers if name.lower() != "connection"]
    if "upgrade" not in names:
        # RFC 9110 §7.8: name the protocol; the client's first choice unless the handler has one.
        lines.append(("upgrade", offered.partition(b",")[0].strip().decode("latin-1")))
    return 101, [*lines, ("connection", "Upgrade")]
