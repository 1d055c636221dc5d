"""Dates: one value for many responses, and never an old one."""

from __future__ import annotations

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
