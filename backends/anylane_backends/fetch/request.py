"""From a Request of the Fetch standard to the channel of an exchange."""

from __future__ import annotations

from urllib.parse import urlsplit

from anylane.config.root_path import FORWARDED
from anylane.errors import Refused
from anylane.protocol import RequestHead, TlsInfo
from anylane.protocol.channel.message_channel import MessageChannel
from anylane.protocol.peer import Hosted
from anylane.protocol.request_head import Fields, RawHeaders
from anylane_backends.asgi.embedded import Embedded
from anylane_backends.channels.limits import check_limits, declared_length, without_prefix
from anylane_backends.fetch.javascript import Request


def channel_of(request: Request, here: Embedded, root_path: str) -> MessageChannel:
    """Return the channel of one request.

    root_path: the prefix that is taken off its path, as `ServerConfig` has it.
    """
    root = "" if root_path == FORWARDED else root_path
    url = urlsplit(str(request.url))
    target = without_prefix(url.path.encode("ascii"), root.encode("ascii"))
    if url.query:
        target += b"?" + url.query.encode("ascii")
    headers: RawHeaders = [
        (str(name).lower().encode("ascii"), str(value).encode("latin-1"))
        for name, value in request.headers
    ]
    names = dict(headers)
    if b"host" not in names:  # Browsers keep it to themselves.
        headers.insert(0, (b"host", url.netloc.encode("ascii")))
    size = declared_length(names.get(b"content-length", b""))
    head: RequestHead | None = None
    refused: Refused | None = None
    try:
        check_limits(target, headers, here.limits)
    except Refused as exc:
        refused = exc
    else:
        head = RequestHead(
            method=str(request.method).encode("ascii"),
            target=target,
            version=b"1.1",
            fields=Fields(b"", headers),
            content_length=size,
            chunked=size is None and has_body(request),
        )
    return here.channel(
        head,
        tls=TlsInfo(version="", cipher="") if url.scheme == "https" else None,
        hosted=Hosted(root),
        refused=refused,
    )


def has_body(request: Request) -> bool:
    """Return whether a body comes with it. Where the host has no `body`, the method tells."""
    body = getattr(request, "body", None)
    # JavaScript's null, which says that there is no body, is not None; its undefined is.
    return str(request.method) not in ("GET", "HEAD") if body is None else bool(body)
