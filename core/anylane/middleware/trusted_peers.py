"""The argument `trust=` of parts: whose word about a request is believed."""

from __future__ import annotations

from collections.abc import Iterable

from anylane.config.networks import Networks
from anylane.errors import UsageError
from anylane.shown import shown


def trusted_peers(trust: bool | Iterable[str], part: str) -> Networks | None:
    """Return the networks of the peers that are believed; None where no peer is.

    trust: False for none, True for all, or a list of networks. part: the name of what takes it, for
    the message. Raise UsageError for anything else.
    """
    if isinstance(trust, bool):
        trust = ("*",) if trust else ()
    elif isinstance(trust, str) or not isinstance(trust, Iterable):
        raise UsageError(
            f"trust of {part} is {shown(trust)}; expected True, False or a list of networks such "
            "as ['10.0.0.0/8']"
        )
    networks = list(trust)
    if not all(isinstance(each, str) for each in networks):
        raise UsageError(f"trust of {part} is {shown(networks)}; expected a list of str")
    try:
        return Networks(networks) if networks else None
    except ValueError as exc:
        raise UsageError(f"trust of {part} has {exc}") from None
