"""A connection that goes on in the place of one whose owner blocks."""

from __future__ import annotations

from anylane import ServerConfig
from anylane.protocol import Closing, Connection, Exchange, Interrupt

GET = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
PART_OF_A_POST = b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\n\r\npart"


def asked(data: bytes) -> Connection:
    connection = Connection(ServerConfig(), now=0.0, date=lambda: b"now", token=bytes)
    connection.receive_data(data, 0.0)
    return connection


def relieved(conn: Connection) -> tuple[Exchange, Connection]:
    stuck = conn.next_exchange()
    assert stuck is not None
    return stuck, conn.relieve(stuck, 30.0)


def test_a_reliever_answers_the_same_request_and_closes_behind_it() -> None:
    for request in (GET, GET + GET, PART_OF_A_POST):
        conn = asked(request)
        assert conn.handler_due == 30.0
        stuck, reliever = relieved(conn)
        assert stuck.interrupt is Interrupt.DEADLINE
        exchange = reliever.next_exchange()
        assert exchange is not None and exchange is not stuck
        assert exchange.head is stuck.head
        assert exchange.interrupt is Interrupt.DEADLINE
        exchange.respond(503, [], b"late")
        exchange.finish(30.0)
        data = b"".join(reliever.data_to_send())
        assert data.startswith(b"HTTP/1.1 503 ") and b"connection: close" in data
        assert data.endswith(b"late")
        before = reliever.closing
        reliever.receive_data(b"more", 30.0)
        reliever.receive_eof(30.0)
        assert (before, reliever.closing) == (Closing.SEND_EOF, Closing.CLOSE)
        assert conn.data_to_send() == []


def test_a_second_reliever_has_the_bare_503_and_starts_nothing() -> None:
    conn = asked(GET)
    _, first = relieved(conn)
    assert first.handler_due == 30.0 + first.config.timeouts.close
    stuck, second = relieved(first)
    assert second.next_exchange() is None
    assert b"".join(second.data_to_send()).startswith(b"HTTP/1.1 503 ")
    assert second.closing is Closing.SEND_EOF
    assert (stuck.started, stuck.status) == (True, 503)


def test_a_reliever_knows_that_the_client_sends_no_more() -> None:
    conn = asked(GET)
    conn.receive_eof(0.0)
    _, reliever = relieved(conn)
    exchange = reliever.next_exchange()
    assert exchange is not None and exchange.half_closed
    exchange.respond(503, [], b"")
    exchange.finish(30.0)
    assert reliever.closing is Closing.CLOSE
