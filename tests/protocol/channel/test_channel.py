"""A channel of messages: limits, marks, deadlines and ends without a byte connection."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from anylane import ServerConfig
from anylane.config.limits import Limits, Timeouts
from anylane.errors import Disconnected, Refused, UsageError
from anylane.protocol import Closing, Exchange, Interrupt, RequestHead
from anylane.protocol.channel.message_channel import MessageChannel
from anylane.protocol.channel.outlet import Abilities
from anylane.protocol.channel.outputs import (
    Accepted,
    Content,
    Goodbye,
    Hints,
    Sent,
    Start,
    Trailers,
)
from anylane.protocol.request_head import Fields

CONFIG = ServerConfig(
    request_timeout=10,
    limits=Limits(
        body=100, inbound_high=40, inbound_low=10, outbound_high=50, outbound_low=5, message=1024
    ),
    timeouts=Timeouts(body=5, close=2, write_stall=4, drain=9),
)


def head(method: bytes = b"GET", **how: Any) -> RequestHead:
    return RequestHead(method, b"/", b"1.1", Fields(b"", [(b"host", b"a")]), **how)


def post(length: int | None = None, **how: Any) -> RequestHead:
    return head(b"POST", content_length=length, chunked=length is None, **how)


def channel(
    request: RequestHead | None = None, *, config: ServerConfig = CONFIG, **how: Any
) -> Any:
    return MessageChannel(config, request or head(), now=0, token=bytes, **how)


def websocket(**how: Any) -> Any:
    return channel(subprotocols=("chat", "news"), **how)


def begun(made: Any) -> Any:
    exchange: Exchange = made.next_exchange()
    exchange.begin(lambda: None)
    return exchange


# -- requests and answers ---------------------------------------------------------------------


def test_an_answer_is_a_start_and_its_content():
    made = channel()
    exchange = begun(made)
    exchange.conclude(200, [("X-A", "1"), ("Connection", "close")], b"hello", 0)
    assert made.data_to_send() == [
        Start(200, [(b"x-a", b"1"), (b"content-length", b"5")]),
        Content(b"hello", more=False),
    ]
    assert made.closing is Closing.CLOSE and not made.cut
    assert made.next_exchange() is None


def test_the_end_comes_by_itself_behind_what_the_host_was_given():
    made = channel()
    exchange = begun(made)
    exchange.send_head(200, [], None)
    exchange.send_data(b"a")
    exchange.send_data(b"b")
    assert made.data_to_send()[1:] == [Content(b"a", more=True), Content(b"b", more=True)]
    exchange.send_end()
    assert made.data_to_send() == [Content(b"", more=False)]


CLOSES = Abilities(closes=True)


def test_a_host_that_can_is_told_to_close_its_connection():
    made = channel(abilities=CLOSES)
    begun(made).conclude(200, [("Connection", "keep-alive, Close")], b"", 0)
    assert (b"connection", b"close") in made.data_to_send()[0].headers
    made = channel(abilities=CLOSES)
    begun(made).conclude(200, [("Connection", "keep-alive")], b"", 0)
    assert made.data_to_send()[0].headers == [(b"content-length", b"0")]


@pytest.mark.parametrize(
    ("asked", "closes"),
    [
        (post(10), False),
        (post(90), False),
        (post(99), True),
        (post(101), True),
        (post(10, expects_continue=True), True),
        (post(), False),
        (head(), False),
    ],
    ids=[
        "short",
        "nearly too long",
        "too long",
        "over its limit",
        "the client waits",
        "of no length",
        "no body",
    ],
)
def test_a_body_that_is_not_to_be_read_ends_its_connection(asked, closes):
    config = replace(
        CONFIG, limits=replace(CONFIG.limits, drain_body=90 if asked.content_length != 101 else 200)
    )
    made = channel(asked, config=config, abilities=CLOSES)
    begun(made).conclude(200, [], b"", 0)
    assert ((b"connection", b"close") in made.data_to_send()[0].headers) is closes
    made = channel(asked, config=config)
    begun(made).conclude(200, [], b"", 0)
    assert (b"connection", b"close") not in made.data_to_send()[0].headers


def test_what_has_come_of_a_body_need_not_be_read():
    config = replace(CONFIG, limits=replace(CONFIG.limits, drain_body=20))
    made = channel(post(40), config=config, abilities=CLOSES)
    exchange = begun(made)
    made.receive_body(bytes(20), 0, more=True)
    exchange.conclude(200, [], b"", 0)
    assert (b"connection", b"close") not in made.data_to_send()[0].headers


def test_a_body_over_its_limit_ends_its_connection():
    made = channel(post(), abilities=CLOSES)
    exchange = begun(made)
    made.limit_body(100, 0)
    made.receive_body(bytes(101), 0, more=True)
    exchange.conclude(413, [], b"", 0)
    assert (b"connection", b"close") in made.data_to_send()[0].headers


@pytest.mark.parametrize("status", [200, 204, 205, 304])
@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
def test_what_has_no_body_has_none(method, status):
    made = channel(head(method))
    exchange = begun(made)
    exchange.conclude(status, [], b"" if status == 205 else b"hello", 0)
    start, *rest = made.data_to_send()
    declared = dict(start.headers).get(b"content-length")
    expected = {200: b"5", 204: None, 205: b"0", 304: b"5"}[status]
    assert declared == expected
    bodyless = method == b"HEAD" or status != 200
    assert rest == [Content(b"" if bodyless else b"hello", more=False)]


@pytest.mark.parametrize("body", [b"", b"hello"])
@pytest.mark.parametrize("status", [200, 204, 205, 304, 404])
@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("X-A", "\xe4"), ("x-a", "2")],
        [("Content-Length", "{}")],
        [("Connection", "close")],
        [("connection", "keep-alive")],
        [("X-Frame-Options", "SAMEORIGIN")],
    ],
    ids=["none", "any", "length", "close", "keep-alive", "a default one"],
)
@pytest.mark.parametrize("asked", [head(), head(b"HEAD"), post(9)], ids=["GET", "HEAD", "POST"])
def test_an_answer_in_one_step_is_what_its_parts_are(asked, headers, status, body):
    lines = [(name, value.format(len(body))) for name, value in headers]

    def answered(*, whole: bool) -> list[Any]:
        config = replace(CONFIG, headers=(("x-frame-options", "DENY"),))
        made = channel(asked, config=config, abilities=CLOSES)
        exchange = begun(made)
        if whole:
            exchange.conclude(status, lines, body, 0)
        else:
            exchange.respond(status, lines, body)
            exchange.finish(0)
        assert exchange.started and exchange.finished and not made.cut
        assert made.queued == sum(map(len, made.out))
        return [made.data_to_send(), made.closing, made.timers.at, exchange.status, exchange.sent]

    assert answered(whole=True) == answered(whole=False) == answered(whole=True)


def test_an_answer_in_one_step_is_checked_as_its_parts_are():
    for bad, said in ((("x-a", "a\r\nb"), "Latin-1"), (("transfer-encoding", "gzip"), "framing")):
        for _ in range(2):
            made = channel()
            exchange = begun(made)
            with pytest.raises(UsageError, match=said):
                exchange.conclude(200, [bad], b"", 0)
            assert not made.out and not exchange.started and not exchange.finished


def test_the_answer_of_a_client_that_left_is_dropped():
    made = channel()
    exchange = begun(made)
    made.receive_disconnect()
    exchange.conclude(200, [], b"a", 0)
    assert not made.out and not exchange.started and exchange.finished


def test_a_body_keeps_to_its_length():
    made = channel()
    exchange = begun(made)
    exchange.send_head(200, [("content-length", "3")], None)
    with pytest.raises(UsageError, match="longer than its Content-Length: 4 bytes written"):
        exchange.send_data(b"four")
    exchange.send_data(b"on")
    with pytest.raises(UsageError, match="shorter than its Content-Length: 1 bytes are missing"):
        exchange.send_end()
    exchange.finish(0)
    assert made.cut and made.closing is Closing.CLOSE


def test_an_answer_that_sets_its_framing_is_a_mistake():
    exchange = begun(channel())
    with pytest.raises(UsageError, match="framing is the server's"):
        exchange.send_head(200, [("transfer-encoding", "chunked")], None)
    with pytest.raises(UsageError, match="expected Latin-1 without control characters"):
        exchange.send_head(200, [("x-a", "a\r\nb")], None)


def test_default_headers_are_on_every_answer():
    made = channel(config=ServerConfig(headers=(("x-frame-options", "DENY"),)))
    begun(made).conclude(404, [], b"", 0)
    assert (b"x-frame-options", b"DENY") in made.data_to_send()[0].headers


def test_hints_and_trailers_where_the_host_takes_them():
    for able in (True, False):
        made = channel(abilities=Abilities(hints=able, trailers=able))
        exchange = begun(made)
        exchange.send_informational(103, [("link", "</a>")])
        exchange.send_head(200, [], None)
        exchange.send_data(b"a")
        exchange.send_end([("x-sum", "1")])
        hints, trailers = [Hints(103, [(b"link", b"</a>")])], [Trailers([(b"x-sum", b"1")])]
        assert made.data_to_send() == [
            *(hints if able else []),
            Start(200, [], trailers=able),
            Content(b"a", more=False),
            *(trailers if able else []),
        ]


def test_an_answer_that_never_came_is_cut():
    made = channel()
    begun(made).finish(0)
    assert made.cut and made.closing is Closing.CLOSE


# -- bodies -------------------------------------------------------------------------------------


def test_a_body_is_read_up_to_its_mark():
    made = channel(post())
    exchange = begun(made)
    assert made.wants_read
    made.receive_body(b"x" * 41, 0, more=True)
    assert not made.wants_read
    assert exchange.read(0) == b"x" * 41
    assert made.wants_read
    made.receive_body(b"y", 0, more=False)
    assert (exchange.read(0), exchange.read(0)) == (b"y", b"")


@pytest.mark.parametrize("limit", [100, 101])
def test_a_body_has_a_limit(limit):
    for declared in (True, False):
        made = channel(post(101 if declared else None))
        exchange = begun(made)
        made.receive_body(b"x" * 101, 0, more=False)
        refused = exchange.limit(limit, None, 0)
        if limit == 100:
            assert refused is not None and refused.status == 413
            with pytest.raises(Refused, match="413"):
                exchange.read(0)
        else:
            assert refused is None
            assert exchange.read(0) == b"x" * 101
            assert exchange.read(0) == b""


def test_a_body_over_the_limit_of_all_routes_is_refused_when_it_is_read():
    made = channel(post(101))
    assert not made.wants_read
    with pytest.raises(Refused, match="body of 101 bytes; at most 100"):
        begun(made).read(0)
    endless = channel(post())
    exchange = begun(endless)
    exchange.read(0)
    for _ in range(4):
        endless.receive_body(b"x" * 30, 0, more=True)
    assert not endless.wants_read or exchange.body_refused is not None
    while exchange.buffered:
        exchange.read(0)
    with pytest.raises(Refused, match="over 100 bytes"):
        exchange.read(0)


def test_a_client_that_waits_for_100_is_told_when_the_body_is_read():
    made = channel(post(5, expects_continue=True))
    exchange = begun(made)
    assert not made.wants_read
    assert exchange.read(0) is None
    assert made.wants_read


def test_a_body_that_does_not_come_is_late():
    made = channel(post(5))
    exchange = begun(made)
    exchange.read(0)
    assert made.next_deadline() == 5
    made.handle_timeout(5)
    with pytest.raises(Refused, match="408"):
        exchange.read(5)


def test_pieces_that_keep_coming_are_not_the_handlers_delay():
    made = channel(post(), config=replace(CONFIG, limits=replace(CONFIG.limits, body_rate=0)))
    exchange = begun(made)
    for now in range(0, 40, 4):
        exchange.read(now)
        exchange.read(now)
        made.receive_body(b"x", now, more=True)
        made.handle_timeout(now)
    assert exchange.interrupt is None


# -- the client, and time -----------------------------------------------------------------------


def test_a_client_that_is_gone_ends_its_exchange():
    made = channel()
    exchange = begun(made)
    made.receive_disconnect()
    with pytest.raises(Disconnected):
        exchange.check()
    assert exchange.news and not made.wants_read
    exchange.finish(0)
    assert made.closing is Closing.CLOSE and not made.cut


def test_a_disconnect_behind_the_answer_is_none():
    made = channel()
    exchange = begun(made)
    exchange.conclude(200, [], b"", 0)
    made.receive_disconnect()
    assert exchange.gone is None


def test_a_handler_goes_on_behind_its_whole_answer():
    made = channel()
    exchange = begun(made)
    exchange.respond(200, [], b"all of it")
    made.receive_disconnect()  # What hosts say once they have the answer, gone client or not.
    exchange.check()
    assert not made.wants_read


def test_a_handler_that_is_late_is_answered_for():
    made = channel()
    exchange = begun(made)
    made.handle_timeout(10)
    assert exchange.interrupt is Interrupt.DEADLINE
    made.handle_timeout(12)
    assert made.data_to_send()[0].status == 503
    assert made.closing is Closing.CLOSE


def test_a_client_that_reads_nothing_stops_the_handler_and_then_loses_its_answer():
    made = channel()
    exchange = begun(made)
    exchange.send_head(200, [], None)
    exchange.send_data(b"x" * 60)
    assert made.congested
    size = sum(map(len, made.data_to_send()))
    made.data_unsent(size, 0)
    assert made.congested
    made.data_unsent(size - 1, 3)
    made.handle_timeout(4)
    assert not made.closing
    made.handle_timeout(7)
    assert made.closing == Closing.ABORT
    assert made.cut
    with pytest.raises(Disconnected, match="stopped reading"):
        exchange.check()


def test_a_drain_lets_a_request_end_and_then_ends_it():
    made = channel()
    exchange = begun(made)
    made.shutdown(0)
    made.handle_timeout(8.9)
    assert not exchange.interrupt
    made.handle_timeout(9)
    assert exchange.interrupt == Interrupt.SHUTDOWN
    assert made.closing == Closing.ABORT


def test_event_streams_beat_and_end_in_a_drain():
    made = channel()
    exchange = begun(made)
    exchange.send_head(200, [], None)
    exchange.begin_events(retry=None, heartbeat=1, now=0)
    made.data_to_send()
    made.handle_timeout(1)
    assert made.data_to_send() == [Content(b":\n\n", more=True)]
    made.shutdown(1)
    assert made.data_to_send() == [Content(b"retry: 1000\n\n", more=False)]
    exchange.finish(1)
    assert not made.cut


def test_alarms_of_the_handler_are_deadlines():
    made = channel()
    exchange = begun(made)
    alarm = exchange.alarms.set(3)
    assert made.next_deadline() == made.deadline_bound == 3
    made.handle_timeout(3)
    assert alarm.fired
    made.forget(exchange)
    assert made.next_deadline() == 10


def test_what_is_lost_is_over():
    made = channel(post())
    exchange = begun(made)
    made.connection_lost(None)
    made.receive_body(b"x", 0, more=True)
    exchange.send_head(200, [], None)
    exchange.send_data(b"a")
    exchange.send_end()
    exchange.finish(0)
    made.release()
    assert made.data_to_send() == [] and made.next_deadline() is None


def test_bytes_and_raw_connections_are_not_to_be_had():
    made = channel()
    exchange = begun(made)
    made.receive_data(b"x", 0)
    made.receive_eof(0)
    with pytest.raises(Refused, match="501"):
        exchange.take_over([], 0)
    with pytest.raises(Refused, match="426"):
        exchange.accept([], None, 0)


# -- WebSockets ---------------------------------------------------------------------------------


def accepted(**how: Any) -> tuple[Any, Any]:
    made = websocket(**how)
    session = begun(made).accept([], None, 0)
    made.data_to_send()
    return made, session


def test_a_websocket_is_accepted_with_what_the_client_offers():
    made = websocket()
    exchange = begun(made)
    with pytest.raises(UsageError, match="the client offered chat, news"):
        exchange.accept([], "other", 0)
    session = exchange.accept([("x-a", "1")], "chat", 0)
    assert made.data_to_send() == [Accepted("chat", [(b"x-a", b"1")])]
    assert session.subprotocol == "chat" and session.latency is None
    with pytest.raises(UsageError, match="too late"):
        exchange.check_accept(None)


def test_messages_come_and_go():
    made, session = accepted()
    made.receive_message("a")
    made.receive_message(b"b")
    assert (session.take(), session.poll(0), session.poll(0)) == ("a", b"b", None)
    session.send("c")
    session.send(b"d")
    assert made.data_to_send() == [Sent("c"), Sent(b"d")]


def test_messages_are_held_up_to_their_mark():
    made, session = accepted()
    made.receive_message("")
    assert not made.wants_read  # An empty message counts, too.
    assert session.take() == ""
    assert made.wants_read


@pytest.mark.parametrize("size", [1024, 1025])
def test_a_message_has_a_limit(size):
    made, session = accepted()
    made.receive_message("é" * (size // 2) + "a" * (size % 2))
    if size == 1024:
        assert session.has_messages
    else:
        assert made.data_to_send() == [Goodbye(1009, "a message is over 1024 bytes")]
        with pytest.raises(Disconnected):
            session.poll(0)


def test_what_came_before_a_close_is_received():
    made, session = accepted()
    made.receive_message("a")
    made.receive_close(4000, "bye")
    assert session.poll(0) == "a"
    with pytest.raises(Disconnected) as caught:
        session.poll(0)
    assert (caught.value.code, caught.value.reason) == (4000, "bye")
    with pytest.raises(Disconnected):
        session.send("late")


def test_we_close_once():
    made, session = accepted()
    session.close(4001, "é" * 100, 0)
    session.close(1000, "", 0)
    (goodbye,) = made.data_to_send()
    assert goodbye == Goodbye(4001, "é" * 61)
    with pytest.raises(UsageError, match="close code is 1"):
        session.close(1, "", 0)
    session.finish(0)
    assert made.closing is Closing.CLOSE


def test_pings_are_the_hosts():
    with pytest.raises(UsageError, match="sends its own pings"):
        accepted()[1].ping(0)


def test_a_websocket_ends_with_its_handler_and_in_a_drain():
    made, session = accepted()
    made.receive_message("unread")
    session.finish(0)
    assert made.data_to_send() == [Goodbye(1000, "")]
    draining, _ = accepted()
    draining.shutdown(0)
    assert draining.data_to_send() == [Goodbye(1001, "the server is shutting down")]


@pytest.mark.parametrize("able", [True, False])
def test_a_handshake_can_be_answered(able):
    made = websocket(abilities=Abilities(denials=able))
    begun(made).conclude(403, [], b"no", 0)
    sent = made.data_to_send()
    if able:
        assert sent[0] == Start(403, [(b"content-length", b"2")])
        assert sent[1:] == [Content(b"no", more=False)]
    else:
        assert sent == [Goodbye(1008, "")]
    assert made.closing is Closing.CLOSE and not made.cut
