"""Counting connections by client and by network."""

from __future__ import annotations

from typing import Any

import pytest

from anylane import ServerConfig
from anylane.protocol.client_counts import ClientCounts


def counts(address: int | None = None, network: int | None = None) -> ClientCounts:
    found = ClientCounts.of(
        ServerConfig(max_connections_per_address=address, max_connections_per_network=network)
    )
    assert found is not None
    return found


def test_nothing_is_counted_where_nothing_is_bound() -> None:
    assert ClientCounts.of(ServerConfig()) is None


@pytest.mark.parametrize(
    ("peer", "same", "other"),
    [
        (("192.0.2.1", 1), ("192.0.2.1", 2), ("192.0.2.2", 1)),
        (("192.0.2.1", 1), ("::ffff:192.0.2.1", 2, 0, 0), ("::ffff:192.0.2.2", 2, 0, 0)),
        (("2001:db8::1", 1, 0, 0), ("2001:db8::ffff", 1, 0, 0), ("2001:db8:0:1::1", 1, 0, 0)),
        (("fe80::1%eth0", 1, 0, 2), ("fe80::2", 1, 0, 2), ("fe80:0:0:1::1", 1, 0, 0)),
        (("0.0.0.1", 1), ("0.0.0.1", 1), ("::1", 1, 0, 0)),
    ],
)
def test_who_is_one_client(peer: Any, same: Any, other: Any) -> None:
    counted = counts(address=1)
    counted.add(peer)
    assert counted.reached(same) and not counted.reached(other)
    counted.remove(same)
    assert not counted.reached(peer)


@pytest.mark.parametrize(
    ("peer", "same", "other", "named"),
    [
        (("192.0.2.1", 1), ("192.0.2.255", 1), ("192.0.3.1", 1), "192.0.2.0/24"),
        (("2001:db8:1::", 1), ("2001:db8:1:f::9", 1), ("2001:db8:2::", 1), "2001:db8:1::/48"),
    ],
)
def test_what_is_one_network(peer: Any, same: Any, other: Any, named: str) -> None:
    counted = counts(address=5, network=2)
    counted.add(peer)
    assert not counted.reached(same)
    counted.add(peer)
    assert counted.reached(same) == (f"{named} has reached max_connections_per_network (2)")
    assert not counted.reached(other)


@pytest.mark.parametrize("peer", ["/run/app.sock", b"\0abstract", "", None, ("stdin", 0), (), (7,)])
def test_who_has_no_address_has_no_bound(peer: Any) -> None:
    counted = counts(address=1, network=1)
    for _ in range(3):
        counted.add(peer)
        assert not counted.reached(peer)
    counted.remove(peer)
