"""The certificate, its key and the rules of a TLS server, read from files once, at startup."""

from __future__ import annotations

import ssl
from pathlib import Path

from anylane.config.server_config import ServerConfig
from anylane_backends.sockets.listening import BindError

ALPN = "http/1.1"


class TlsError(BindError):
    """TLS cannot be served as configured; the message says which setting and what to do."""


def make_context(config: ServerConfig, certfile: str) -> ssl.SSLContext:
    """Return the context that the files and settings describe. Raise TlsError if they do not."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = (
        ssl.TLSVersion.TLSv1_3 if config.ssl_min_version == "TLSv1.3" else ssl.TLSVersion.TLSv1_2
    )
    # Any client could take CPU time by renegotiation (CVE-2011-1473); HTTP/1.1 has no use for it.
    context.options |= ssl.OP_NO_RENEGOTIATION
    # A truncated stream must not look like one that was closed.
    context.options &= ~getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)
    context.set_alpn_protocols([ALPN])
    _load_certificate(context, config, certfile)
    if config.ssl_ca_certs is not None:
        _check_readable("ssl_ca_certs", config.ssl_ca_certs)
        try:
            context.load_verify_locations(config.ssl_ca_certs)
        except (ssl.SSLError, OSError):
            raise TlsError(
                f"ssl_ca_certs {config.ssl_ca_certs!r} holds no PEM certificates; expected those "
                "of the authorities that sign your clients' certificates"
            ) from None
    context.verify_mode = {
        "none": ssl.CERT_NONE,
        "optional": ssl.CERT_OPTIONAL,
        "required": ssl.CERT_REQUIRED,
    }[config.ssl_cert_reqs]
    if config.ssl_ciphers is not None:
        try:
            context.set_ciphers(config.ssl_ciphers)
        except ssl.SSLError:
            raise TlsError(
                f"ssl_ciphers {config.ssl_ciphers!r} names no cipher of this OpenSSL; "
                "`openssl ciphers` lists them"
            ) from None
    return context


def _load_certificate(context: ssl.SSLContext, config: ServerConfig, certfile: str) -> None:
    keyfile = config.ssl_keyfile or certfile
    for name, path in (("ssl_certfile", certfile), ("ssl_keyfile", keyfile)):
        _check_readable(name, path)
    password = config.ssl_keyfile_password
    asked = False

    def secret() -> str:
        # Without it OpenSSL would ask at the terminal, and a server would hang there.
        nonlocal asked
        asked = True
        return password or ""

    try:
        context.load_cert_chain(certfile, keyfile, secret)
    except (ssl.SSLError, OSError, ValueError) as exc:
        if asked:
            what = "is not its password" if password else "is not set"
            raise TlsError(
                f"the key in {keyfile!r} is encrypted and ssl_keyfile_password {what}"
            ) from None
        if isinstance(exc, ssl.SSLError) and exc.reason == "KEY_VALUES_MISMATCH":
            raise TlsError(
                f"the key in {keyfile!r} does not belong to the certificate in {certfile!r}: "
                "ssl_certfile begins with the server's own certificate, then its chain"
            ) from None
        raise TlsError(_what_is_missing(certfile, keyfile)) from None


def _what_is_missing(certfile: str, keyfile: str) -> str:
    if b"-----BEGIN CERTIFICATE-----" not in Path(certfile).read_bytes():
        return f"ssl_certfile {certfile!r} holds no PEM certificate"
    if b"PRIVATE KEY-----" not in Path(keyfile).read_bytes():
        return f"{keyfile!r} holds no PEM private key: give it as ssl_keyfile"
    return f"OpenSSL refuses the certificate in {certfile!r} or the key in {keyfile!r}"


def _check_readable(name: str, path: str) -> None:
    try:
        with Path(path).open("rb"):
            pass
    except (OSError, ValueError) as exc:
        why = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
        raise TlsError(f"cannot read {name} {path!r}: {why}; expected a PEM file") from None
