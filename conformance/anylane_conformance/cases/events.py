"""Event streams: framing, heartbeats, clients that leave, drains (HTML standard §9.2)."""

from __future__ import annotations

import re

from anylane import EventLog
from anylane_conformance.cases import case
from anylane_conformance.contract.realtime.events import LARGE
from anylane_conformance.contract.stage import KERNEL
from anylane_conformance.harness.conversation import Conversation
from anylane_conformance.harness.peer import Peer

CHAPTER = "13 event streams"
FIELDS = (
    b"retry: 2500\n\n",
    b"data: text\n\n",
    b"event: lines\ndata: one\ndata: two\ndata: three\ndata: four\ndata: \n\n",
    b'event: json\nid: a-1\ndata: {"n":1,"s":"\xc3\xbc\\n"}\n\n',
    b"id: \ndata: \n\n",
    b"retry: 3000\ndata:  leading space: \xe2\x80\xa8\xc2\x85\0\n\n",
    b": a comment\n: of two lines\n\n",
    b"data: null\n\n",
)


def opened(conversation: Conversation, target: str) -> Peer:
    """Open a connection, read the head of an event stream from it, and return it."""
    peer = conversation.connect()
    peer.get(target)
    head = peer.until(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 "), head
    assert b"\r\ncontent-type: text/event-stream\r\n" in head
    return peer


def chunk(block: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(block), block)


def sized(chunks: bytes) -> bytes:
    """Return chunks with their sizes as we write them: other servers may write capital letters."""
    return re.sub(rb"^[0-9A-F]+(?=\r\n)", lambda size: size[0].lower(), chunks, flags=re.MULTILINE)


def past(peer: Peer, block: bytes) -> None:
    """Read up to the end of the chunk with this block."""
    peer.until(b"\r\n%b\r\n" % block)


@case(CHAPTER)
def one_event_is_one_chunk(conversation: Conversation) -> None:
    """Every event, with all its fields and lines, and every comment is sent whole, in a chunk of
    its own."""
    peer = conversation.connect()
    peer.get("/events/fields")
    head = peer.until(b"\r\n\r\n").decode().lower().split("\r\n")
    assert "content-type: text/event-stream" in head
    assert "transfer-encoding: chunked" in head
    assert "x-accel-buffering: no" in head
    assert "cache-control: no-cache, no-transform" in head
    assert not [line for line in head if line.startswith(("content-length", "content-encoding"))]
    assert sized(peer.until(b"0\r\n\r\n")) == b"".join(map(chunk, FIELDS)) + b"0\r\n\r\n"
    assert peer.ask("/").status == 200


@case(CHAPTER)
def clients_of_http_1_0_read_until_the_end(conversation: Conversation) -> None:
    """A client of HTTP/1.0 gets no chunks: the end of the connection is the end of the stream."""
    peer = conversation.connect()
    peer.send(b"GET /events/fields HTTP/1.0\r\n\r\n")
    head = peer.until(b"\r\n\r\n")
    assert b"transfer-encoding" not in head.lower()
    assert peer.rest() == b"".join(FIELDS)


@case(CHAPTER)
def head_asks_for_the_head_only(conversation: Conversation) -> None:
    """HEAD ends a handler that would stream for ever, and the connection goes on."""
    peer = conversation.connect()
    peer.get("/events/wait/sleep", method="HEAD")
    answer = peer.answer(to_head=True)
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/event-stream"
    assert conversation.helper().ask("/notes").body == b"sleep: finally"
    assert peer.ask("/").status == 200


@case(CHAPTER)
def the_head_is_sent_on_entering(conversation: Conversation) -> None:
    """A client sees that the stream is open before there is an event."""
    peer = opened(conversation, "/events/room")
    past(peer, b": listening\n\n")
    conversation.in_thread(lambda: conversation.stage.room.send("news"))
    assert sized(peer.until(b"\n\n\r\n")) == chunk(b"data: news\n\n")
    peer.reset()


@case(CHAPTER, cuts=False)
def def_handlers_stream_events(conversation: Conversation) -> None:
    """A `def` handler streams by `with ctx.event_stream()` and `ctx.call(events.send, ...)`."""
    peer = conversation.connect()
    body = b"".join(b"event: n\nid: %d\ndata: %d\n\n" % (n, n) for n in range(3))
    assert peer.ask("/events/def").body == body
    assert peer.ask("/").status == 200


@case(CHAPTER, cuts=False)
def fields_cannot_be_injected(conversation: Conversation) -> None:
    """CR, LF or NUL in event or id raises at the guilty call, and nothing of it is sent."""
    peer = conversation.connect()
    assert peer.ask("/events/injection").body == b"data: UsageError\n\n" * 6


@case(CHAPTER, cuts=False)
def only_200_can_be_an_event_stream(conversation: Conversation) -> None:
    """Another status than 200 raises before a byte is sent: clients accept no other (HTML
    §9.2.3)."""
    peer = conversation.connect()
    assert peer.ask("/events/status").status == 500
    assert peer.ask("/").status == 200


@case(CHAPTER)
def failure_inside_an_event_stream(conversation: Conversation) -> None:
    """A stream that fails has no last chunk, and its connection ends: the client comes again."""
    peer = opened(conversation, "/events/fails")
    assert sized(peer.rest()) == chunk(b"data: first\n\n")


@case(CHAPTER)
def last_event_id(conversation: Conversation) -> None:
    """ctx.last_event_id is the id that the client saw last, as UTF-8, or None from a new client
    (HTML §9.2.4)."""
    peer = conversation.connect()
    assert peer.ask("/events/last-id").body == b"data: null\n\n"
    header = "Last-Event-ID: ü 7".encode().decode("latin-1")
    peer.send(f"GET /events/last-id HTTP/1.1\r\nHost: a\r\n{header}\r\n\r\n".encode("latin-1"))
    assert peer.answer().body == "data: ü 7\n\n".encode()


# --- heartbeats ------------------------------------------------------------------------------


@case(CHAPTER)
def heartbeats_while_the_handler_waits(conversation: Conversation) -> None:
    """A comment is sent in silence, also while the handler waits for ctx."""
    for kind in ("sleep", "item"):
        peer = opened(conversation, f"/events/wait/{kind}?heartbeat=0.05")
        past(peer, b"data: %b\n\n" % kind.encode())
        for _ in range(3):
            assert peer.exactly(8) == chunk(b":\n\n")
        peer.reset()


@case(CHAPTER, "native_cancel")
def heartbeats_during_a_foreign_await(conversation: Conversation) -> None:
    """A comment is sent in silence while the handler awaits the event loop's own library."""
    peer = opened(conversation, "/events/wait/foreign?heartbeat=0.05")
    past(peer, b"data: foreign\n\n")
    for _ in range(3):
        assert peer.exactly(8) == chunk(b":\n\n")
    peer.reset()


@case(CHAPTER, "parallel_blocking", "concurrent_input", cuts=False)
def heartbeats_while_a_function_blocks(conversation: Conversation) -> None:
    """A comment is sent in silence while the handler waits for a function in the pool."""
    peer = opened(conversation, "/events/block?heartbeat=0.05")
    past(peer, b"data: blocked\n\n")
    assert peer.exactly(8) == chunk(b":\n\n")
    assert conversation.helper().ask("/unblock").status == 200
    past(peer, b"data: unblocked\n\n")
    peer.until(b"0\r\n\r\n")


@case(CHAPTER, "virtual_time")
def heartbeats_come_exactly_in_silence(conversation: Conversation) -> None:
    """A comment is sent exactly when nothing else was sent for the interval."""
    peer = opened(conversation, "/events/ticks/3?heartbeat=10&every=15")
    assert sized(peer.until(b"\n\n\r\n")) == chunk(b"data: 0\n\n")
    conversation.pause(9.999)
    assert peer.nothing_yet()
    conversation.pause(0.001)
    assert peer.exactly(8) == chunk(b":\n\n")
    conversation.pause(5)
    assert sized(peer.until(b"\n\n\r\n")) == chunk(b"data: 1\n\n")
    conversation.pause(9.999)
    assert peer.nothing_yet()
    conversation.pause(0.001)
    assert peer.exactly(8) == chunk(b":\n\n")
    conversation.pause(20)
    assert sized(peer.until(b"0\r\n\r\n")) == chunk(b"data: 2\n\n") + chunk(b":\n\n") + b"0\r\n\r\n"
    conversation.pause(12)
    assert peer.nothing_yet()


@case(CHAPTER, "virtual_time", timeouts={"write_stall": 1000.0}, cuts=False)
def heartbeats_rest_while_the_client_is_behind(conversation: Conversation) -> None:
    """A client that reads nothing is not sent comments on top of what it has not read."""
    peer = opened(conversation, "/events/large/1?heartbeat=10")
    first = len(peer.until(b"\n\n\r\n"))
    assert first > LARGE
    peer.until(b"0\r\n\r\n")
    peer.hold()
    peer.get("/events/large/2?heartbeat=10")
    conversation.pause(500)
    peer.release()
    body = peer.answer().body
    assert b":\n\n" not in body
    assert body.count(b"data: ") == 2


# --- clients that leave ----------------------------------------------------------------------


@case(CHAPTER)
def end_of_input_ends_an_event_stream(conversation: Conversation) -> None:
    """A client that left is noticed at once, and a handler that waits for ctx gets Disconnected."""
    for kind in ("sleep", "item"):
        peer, helper = opened(conversation, f"/events/wait/{kind}"), conversation.helper()
        past(peer, b"data: %b\n\n" % kind.encode())
        peer.eof()
        assert helper.ask("/notes").body == b"%b: disconnected" % kind.encode()
        assert helper.ask("/notes").body == b"%b: finally" % kind.encode()
        peer.closed()
    assert [message for level, message in conversation.log if level == "error"] == []


@case(CHAPTER, cuts=False)
def reset_ends_an_event_stream(conversation: Conversation) -> None:
    """A client that resets the connection is noticed at once, and its handler gets Disconnected."""
    peer, helper = opened(conversation, "/events/wait/item"), conversation.helper()
    past(peer, b"data: item\n\n")
    peer.reset()
    assert helper.ask("/notes").body == b"item: disconnected"
    assert helper.ask("/notes").body == b"item: finally"


@case(CHAPTER, "native_cancel")
def end_of_input_ends_a_foreign_await(conversation: Conversation) -> None:
    """A handler that awaits the event loop's own library is cancelled natively when its client
    leaves; its `finally` runs, and nothing is logged."""
    helper = conversation.helper()
    for resets in (False, True):
        peer = opened(conversation, "/events/wait/foreign")
        past(peer, b"data: foreign\n\n")
        if resets:
            peer.reset()
        else:
            peer.eof()
        assert helper.ask("/notes").body == b"foreign: finally"
    assert helper.ask("/").status == 200
    assert [message for level, message in conversation.log if level == "error"] == []


@case(CHAPTER, "native_cancel")
def cleaning_up_is_not_cancelled(conversation: Conversation) -> None:
    """A handler that got Disconnected may await the event loop's own library in its `finally`."""
    peer, helper = opened(conversation, "/events/clean"), conversation.helper()
    past(peer, b"data: first\n\n")
    peer.eof()
    assert helper.ask("/notes").body == b"cleaning"
    assert helper.ask("/native/open").body == b"open"
    assert helper.ask("/notes").body == b"cleaned"


@case(CHAPTER, timeouts={"write_stall": 0.3}, cuts=False)
def client_that_stopped_reading_is_let_go(conversation: Conversation) -> None:
    """A client that stopped reading is given up at the write-stall deadline, and what was produced
    for it is bounded."""
    peer = conversation.connect(receive_buffer=65536)
    peer.hold()
    peer.get("/events/large/1000")
    assert conversation.helper().ask("/notes").body == b"large: disconnected"
    assert conversation.stage.produced <= KERNEL + LARGE


@case(CHAPTER, cuts=False)
def slow_client_disturbs_nobody(conversation: Conversation) -> None:
    """While one client does not read its events of 1 MiB, another gets all of its own."""
    slow = conversation.connect(receive_buffer=65536)
    slow.hold()
    slow.get("/events/large/20")
    conversation.steady(lambda: conversation.stage.produced)
    body = conversation.connect().ask("/events/large/3").body
    assert [line[:8] for line in body.split(b"\n\n")] == [
        b"data: 0 ",
        b"data: 1 ",
        b"data: 2 ",
        b"",
    ]
    slow.release()
    assert slow.answer().body.count(b"data: ") == 20


# --- coming again ----------------------------------------------------------------------------


def news(number: int) -> bytes:
    return chunk(b"id: e-%d\nevent: news\ndata: %d\n\n" % (number, number))


def append(conversation: Conversation, *numbers: int, receivers: int) -> None:
    """Log events in another thread, and check how many followers each send wakes."""
    counts: list[int] = []
    conversation.in_thread(
        lambda: counts.extend(conversation.stage.log.send(each, "news") for each in numbers)
    )
    assert counts == [receivers] * len(numbers)


def again(conversation: Conversation, last_id: str) -> Peer:
    """Return a new connection of a client that has seen that event."""
    peer = conversation.connect()
    peer.get("/events/log", f"Last-Event-ID: {last_id}")
    peer.until(b"\r\n\r\n")
    return peer


@case(CHAPTER)
def what_was_missed_is_replayed(conversation: Conversation) -> None:
    """A client that comes again gets what it missed and then what is new, without gap or
    duplicate."""
    peer = opened(conversation, "/events/log")
    assert sized(peer.until(b"\n\n\r\n")) == chunk(b"id: e-0\n\n")
    append(conversation, 1, receivers=1)
    assert sized(peer.until(b"\n\n\r\n")) == news(1)
    peer.reset()
    for _ in range(500):
        if not conversation.stage.log.receivers:
            break
        conversation.pause(0.01)
    append(conversation, 2, 3, receivers=0)
    peer = again(conversation, "e-1")
    assert sized(peer.until(b"data: 3\n\n\r\n")) == news(2) + news(3)
    append(conversation, 4, receivers=1)
    assert sized(peer.until(b"\n\n\r\n")) == news(4)
    peer.reset()


@case(CHAPTER, "parallel_blocking", cuts=False)
def def_handlers_follow_a_log(conversation: Conversation) -> None:
    """`ctx.call(events.follow, log)` ends when the client leaves."""
    peer = opened(conversation, "/events/def-log")
    assert sized(peer.until(b"\n\n\r\n")) == chunk(b"id: e-0\n\n")
    append(conversation, 1, receivers=1)
    assert sized(peer.until(b"\n\n\r\n")) == news(1)
    peer.eof()
    assert conversation.helper().ask("/notes").body == b"def-log: finally"


@case(CHAPTER)
def who_was_away_too_long_is_told(conversation: Conversation) -> None:
    """A `resync` event comes before what is left when an id is too old, or of another epoch."""
    append(conversation, 1, 2, 3, 4, 5, receivers=0)
    kept = news(3) + news(4) + news(5)
    data = b'data: {"reason":"expired","after":"e-1","missed":1}\n\n'
    resync = chunk(b"event: resync\nid: e-2\n" + data)
    assert sized(again(conversation, "e-1").until(b"data: 5\n\n\r\n")) == resync + kept
    data = b'data: {"reason":"unknown","after":"d-4","missed":null}\n\n'
    resync = chunk(b"event: resync\nid: e-2\n" + data)
    assert sized(again(conversation, "d-4").until(b"data: 5\n\n\r\n")) == resync + kept


@case(CHAPTER)
def events_are_logged_from_any_thread(conversation: Conversation) -> None:
    """Every client that follows a log is woken from any thread, on every lane, and gets all events
    in order."""
    conversation.stage.log = EventLog(epoch="e")
    peers = [opened(conversation, "/events/log") for _ in range(3)]
    for peer in peers:
        past(peer, b"id: e-0\n\n")
    append(conversation, *range(1, 51), receivers=3)
    for peer in peers:
        assert sized(peer.until(b"data: 50\n\n\r\n")) == b"".join(map(news, range(1, 51)))
        peer.reset()


# --- drain -----------------------------------------------------------------------------------


@case(CHAPTER, "own_drain")
def drain_ends_event_streams_whole(conversation: Conversation) -> None:
    """A drain tells the client when to come again, sends the last chunk, and tells the handler."""
    default = opened(conversation, "/events/wait/sleep?heartbeat=100")
    past(default, b"data: sleep\n\n")
    own = opened(conversation, "/events/fields")
    own.until(b"0\r\n\r\n")
    old = conversation.connect()
    old.send(b"GET /events/wait/item HTTP/1.0\r\n\r\n")
    old.until(b"data: item\n\n")
    conversation.drain()
    assert sized(default.rest()) == chunk(b"retry: 1000\n\n") + b"0\r\n\r\n"
    assert old.rest() == b"retry: 1000\n\n"
    conversation.stop()
    assert sorted(conversation.stage.said) == [
        "item: disconnected",
        "item: finally",
        "sleep: disconnected",
        "sleep: finally",
    ]


def ends_whole(conversation: Conversation, path: str, first: bytes) -> None:
    """The stream is whole behind a drain, and its handler has ended."""
    peer = opened(conversation, path)
    past(peer, first)
    conversation.drain()
    assert sized(peer.rest()) == chunk(b"retry: 1000\n\n") + b"0\r\n\r\n"
    conversation.stop()


@case(CHAPTER, "own_drain", "parallel_blocking", cuts=False)
def drain_ends_def_handlers(conversation: Conversation) -> None:
    """A drain ends an event stream whose handler blocks in `ctx.call`."""
    ends_whole(conversation, "/events/def-log", b"id: e-0\n\n")
    assert conversation.stage.said == ["def-log: finally"]


@case(CHAPTER, "own_drain", "native_cancel")
def drain_ends_a_foreign_await(conversation: Conversation) -> None:
    """A drain ends an event stream whose handler awaits the event loop's own library."""
    ends_whole(conversation, "/events/wait/foreign", b"data: foreign\n\n")
    assert conversation.stage.said == ["foreign: finally"]


@case(CHAPTER, cuts=False, compare=False)
def cancelled_send_leaves_whole_events(conversation: Conversation) -> None:
    """Every event on the wire is whole, also when a send is cancelled while it waits for a slow
    client."""
    peer = conversation.connect(receive_buffer=65536)
    peer.hold()
    peer.get("/events/cancelled")
    helper = conversation.helper()
    assert helper.ask("/notes").body == b"sending"
    assert helper.ask("/cancel").body == b"cancelled"
    peer.release()
    body = peer.answer().body
    *blocks, last, rest = body.split(b"\n\n")
    assert rest == b""
    assert {len(block) for block in blocks} == {len("data: ") + LARGE}
    assert last == b"data: cancelled after %d" % len(blocks)
