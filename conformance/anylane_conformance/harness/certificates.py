"""Certificates for the TLS cases, made anew in each run.

So no private key is in the package, and none expires. trustme makes them; it comes with the extra
`conformance`.
"""

from __future__ import annotations

import atexit
import functools
import shutil
import ssl
import tempfile
from pathlib import Path
from typing import Any

import trustme

CLIENT = "a client of the conformance suite"
"""The common name of the client's certificate."""


@functools.cache
def authority() -> trustme.CA:
    """Return the authority that has issued all certificates of this run."""
    return trustme.CA()


@functools.cache
def folder() -> Path:
    """Return the folder with authority.pem, and server.pem and client.pem with their keys."""
    path = Path(tempfile.mkdtemp(prefix="anylane-conformance-"))
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    ca = authority()
    ca.cert_pem.write_to_path(str(path / "authority.pem"))
    ca.issue_cert("localhost", "127.0.0.1", "::1").private_key_and_cert_chain_pem.write_to_path(
        str(path / "server.pem")
    )
    ca.issue_cert(
        "client.invalid", common_name=CLIENT
    ).private_key_and_cert_chain_pem.write_to_path(str(path / "client.pem"))
    return path


def server(cert_reqs: str) -> dict[str, Any]:
    """Return the fields of ServerConfig for a TLS server. cert_reqs: as its `ssl_cert_reqs`."""
    asked = cert_reqs != "none"
    return {
        "ssl_certfile": str(folder() / "server.pem"),
        "ssl_ca_certs": str(folder() / "authority.pem") if asked else None,
        "ssl_cert_reqs": cert_reqs,
    }


@functools.cache
def client(certificate: bool = False, alpn: tuple[str, ...] = ()) -> ssl.SSLContext:
    """Return what a client needs that trusts the server.

    certificate: whether it has one itself. alpn: the protocols that it offers.
    """
    context = ssl.create_default_context(cafile=folder() / "authority.pem")
    # A stream that was cut short must not look like one that was ended.
    context.options &= ~getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)
    if certificate:
        context.load_cert_chain(folder() / "client.pem")
    if alpn:
        context.set_alpn_protocols(alpn)
    return context


def hello() -> bytes:
    """Return the first bytes of a TLS client."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = client().wrap_bio(incoming, outgoing, server_hostname="localhost")
    try:
        session.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()
