"""The header of the PROXY protocol: who the client is, as a proxy says that passes its bytes on.

The rules are those of HAProxy's `proxy-protocol.txt` (2020/03/05). A port speaks it or does not, so
nothing is guessed: what is no header is an error.
"""

from __future__ import annotations

from typing import NamedTuple

from anylane.protocol.peer import ProxyInfo


class BadHeader(Exception):
    """What came is no header of the PROXY protocol. The message says what was seen."""


class Found(NamedTuple):
    """A header that is whole."""

    info: ProxyInfo
    """What it says."""
    size: int
    """Its bytes. What is behind them is the client's."""
