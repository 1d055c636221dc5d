"""TlsSession: one TLS session of the server's side between two memory buffers.

Ciphertext goes in and comes out, plaintext comes out and goes in. Nothing here waits, and nothing
here knows what the plaintext says.
"""

from __future__ import annotations

import ssl

from anylane.protocol import TlsInfo
from anylane_backends.tls.client_hello import LONGEST, server_name

SLICE = 64 * 1024
"""Bytes of plaintext that are decrypted or encrypted in one go, and held twice meanwhile."""


class TlsSession:
    """An `ssl.SSLObject` with its buffers.

    The connection uses the buffers directly. A method around each would be 4 % of a small request,
    measured in memory.

    incoming: ciphertext from the peer. outgoing: ciphertext for the peer. records: what decrypts
    and encrypts. hello: the first bytes that came, until the handshake is over.
    """

    __slots__ = ("hello", "incoming", "outgoing", "records")

    def __init__(self, context: ssl.SSLContext) -> None:
        self.incoming: ssl.MemoryBIO = ssl.MemoryBIO()
        self.outgoing: ssl.MemoryBIO = ssl.MemoryBIO()
        self.records: ssl.SSLObject = context.wrap_bio(
            self.incoming, self.outgoing, server_side=True
        )
        self.hello: bytearray = bytearray()

    def shake_hands(self, data: bytes = b"") -> TlsInfo | None:
        """Go on with the handshake. Return what was agreed upon, or None if more has to come.

        data: what came, if anything did. Raise SSLError if it failed; the alert that says why is
        in `outgoing`. Raise ValueError for a client's certificate that cannot be shown.
        """
        self.hello += data[: LONGEST - len(self.hello)]
        if data:
            self.incoming.write(data)
        try:
            self.records.do_handshake()
            info = self._describe()
        except ssl.SSLWantReadError:
            return None
        except (ssl.SSLError, ValueError):
            self.hello.clear()
            raise
        self.hello.clear()
        return info

    def _describe(self) -> TlsInfo:
        cipher = self.records.cipher()
        return TlsInfo(
            version=self.records.version() or "",
            cipher=cipher[0] if cipher is not None else "",
            alpn=self.records.selected_alpn_protocol(),
            server_name=server_name(bytes(self.hello)),
            peer_certificate=self.records.getpeercert() or None,
        )

    def encrypt(self, data: bytes, out: list[bytes]) -> None:
        """Encrypt all of it, and append the records to `out`. Raise SSLError."""
        left = memoryview(data)
        while left:
            left = left[self.records.write(left[:SLICE]) :]
            out.append(self.outgoing.read())

    def close(self) -> None:
        """Put our close_notify into `outgoing`. The peer's is not waited for."""
        try:
            self.records.unwrap()
        except ssl.SSLError:
            pass  # Ours was written. Only the peer's is missing.
