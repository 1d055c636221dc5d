"""The argument `trust=` of parts: whose word about a request is believed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from anylane.config.networks import Networks
from anylane.errors import UsageError
from anylane.shown import shown

if TYPE_CHECKING:
    from anylane.protocol.any_connection import AnyConnection


class TrustedPeers:
    """The peers that are believed.

    networks: theirs; None for all peers.
    """

    __slots__ = ("_networks",)

    def __init__(self, networks: Networks | None) -> None:
        self._networks = networks

    def include(self, connection: AnyConnection) -> bool:
        """Return whether the peer of a connection is one of them; the client, where a PROXY header
        names it. Return False behind a header that names none (LOCAL, UNKNOWN), unless all peers
        are believed."""
        if self._networks is None:
            return True
        return self._networks.believe(connection.peer, connection.proxy)


def trusted_peers(trust: bool | Iterable[str], part: str) -> TrustedPeers | None:
    """Return the peers that are believed; None where no peer is.

    trust: False for none, True for all, or a list of networks. part: the name of what takes it, for
    the message. Raise UsageError for anything else.
    """
    if isinstance(trust, bool):
        return TrustedPeers(None) if trust else None
    if isinstance(trust, str) or not isinstance(trust, Iterable):
        raise UsageError(
            f"trust of {part} is {shown(trust)}; expected True, False or a list of networks such "
            "as ['10.0.0.0/8']"
        )
    networks = list(trust)
    if not all(isinstance(each, str) for each in networks):
        raise UsageError(f"trust of {part} is {shown(networks)}; expected a list of str")
    try:
        return TrustedPeers(Networks(networks)) if networks else None
    except ValueError as exc:
        raise UsageError(f"trust of {part} has {exc}") from None
