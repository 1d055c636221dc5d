"""Dates: one value for many responses, and never an old one."""

from __future__ import annotations

import pytest

from anylane import ServerConfig
from anylane.protocol.connection import Connection
from anylane.protocol.dates import Dates


def test_it_is_asked_ten_times_a_second_at_most() -> None:
    asked: list[bytes] = []

    def date() -> bytes:
        asked.append(b"%d" % len(asked))
        return asked[-1]

    dates = Dates(date)
    assert [dates.at(100 + n / 100) for n in range(21)] == [b"0"] * 10 + [b"1"] * 10 + [b"2"]
    assert dates.at(200) == b"3"


@pytest.mark.lanes
def test_a_stream_does_not_put_the_others_in_the_past() -> None:
    """A stream asks for a fresh date. An older one in the next response would go back in time."""
    seconds = iter((b"1", b"2", b"3"))
    connection = Connection(ServerConfig(), now=0, date=lambda: next(seconds), token=bytes)

    def answer(*, whole: bool, now: float) -> bytes:
        connection.receive_data(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", now)
        exchange = connection.next_exchange()
        assert exchange is not None
        if whole:
            exchange.conclude(200, (), b"", now)
        else:
            exchange.send_head(200, (), None)
            exchange.send_end()
            exchange.finish(now)
        return b"".join(connection.data_to_send()).split(b"date: ")[1][:1]

    assert answer(whole=True, now=0) == b"1"
    assert answer(whole=False, now=0.05) == b"2"
    assert answer(whole=True, now=0.09) == b"2"
    assert answer(whole=True, now=0.1) == b"3"


def test_connections_of_a_server_share_them_and_others_make_their_own() -> None:
    dates = Dates(lambda: b"now")
    for given, shared in ((dates, True), (dates.date, False)):
        connection = Connection(ServerConfig(), now=0, date=given, token=bytes)
        assert (connection.dates is dates) is shared
        connection.receive_data(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 0)
        exchange = connection.next_exchange()
        assert exchange is not None
        exchange.conclude(200, (), b"", 0)
        assert b"\r\ndate: now\r\n" in b"".join(connection.data_to_send())
