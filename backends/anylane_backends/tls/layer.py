"""TlsLayer: puts a TlsConnection around each connection of a server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from anylane.config.server_config import ServerConfig
from anylane.lane.host import Log
from anylane.protocol import AnyConnection
from anylane.protocol.peer import Address
from anylane_backends.tls.connection import TlsConnection
from anylane_backends.tls.context import make_context


class TlsLayer:
    """The layer for `ServerCore`, with the certificate that was read last."""

    def __init__(self, config: ServerConfig, certfile: str) -> None:
        self._config = config
        self._certfile = certfile
        self._context = make_context(config, certfile)

    def reload(self) -> None:
        """Read the files again, for the connections that come from now on. From any thread.

        Raise TlsError if they cannot be used, and go on with what was read before.
        """
        # Whole contexts are swapped: loading into one that is in use would mix old and new.
        self._context = make_context(self._config, self._certfile)

    def __call__(
        self,
        make: Callable[[float, Any], AnyConnection],
        *,
        config: ServerConfig,
        now: float,
        peer: Address,
        local: Address,
        log: Log,
        date: Callable[[], bytes],
        refused: bool = False,
    ) -> TlsConnection:
        """Return a new connection's TlsConnection (see `anylane.lane.arrivals.entrance.Wrap`)."""
        return TlsConnection(
            make,
            context=self._context,
            config=config,
            now=now,
            peer=peer,
            local=local,
            log=log,
            date=date,
            refused=refused,
        )


def wrap(config: ServerConfig) -> TlsLayer | None:
    """Return the layer, or None where TLS is not configured. Raise TlsError if it cannot be."""
    if config.ssl_certfile is None:
        return None
    return TlsLayer(config, config.ssl_certfile)
