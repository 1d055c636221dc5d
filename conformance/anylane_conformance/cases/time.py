"""Portable time, native time-outs, and the handler's deadline."""

from __future__ import annotations

from anylane_conformance.cases import case
from anylane_conformance.contract.native import NOTHING_STRAYS
from anylane_conformance.harness.case import Missing
from anylane_conformance.harness.conversation import Conversation

CHAPTER = "5 time"


@case(CHAPTER)
def portable_time(conversation: Conversation) -> None:
    """ctx.sleep and ctx.timeout work on every lane, nested too."""
    peer = conversation.connect()
    assert peer.ask("/sleep").body == b"slept"
    assert peer.ask("/timeout").body == b"timed out"
    assert peer.ask("/nested-timeouts").body == b"outer"
    assert peer.ask("/").status == 200


@case(CHAPTER)
def two_clocks(conversation: Conversation) -> None:
    """ctx.now() is the clock that ctx.sleep counts on, and ctx.time() moves with it."""
    assert conversation.connect().ask("/clocks").body == b"True True"


@case(CHAPTER, request_timeout=5)
def time_that_is_no_number(conversation: Conversation) -> None:
    """Text or NaN for seconds is answered 500; that connection and the others go on."""
    neighbour, peer = conversation.connect(), conversation.connect()
    assert neighbour.ask("/").status == 200
    for how in ("sleep-text", "sleep-nan", "timeout-text", "timeout-nan"):
        assert peer.ask(f"/odd-time/{how}").status == 500
        assert peer.ask("/").status == 200
    assert neighbour.ask("/").status == 200
    errors = [message for level, message in conversation.log if level == "error"]
    assert len(errors) == 4
    assert all("/odd-time/" in message for message in errors)


@case(CHAPTER)
def timeout_that_is_never_left(conversation: Conversation) -> None:
    """A time-out that is never left concerns its own handler at most: the server goes on."""
    neighbour, peer = conversation.connect(), conversation.connect()
    assert neighbour.ask("/").status == 200
    assert peer.ask("/left-open").status == 200
    assert neighbour.ask("/").status == 200
    assert conversation.helper().ask("/").status == 200


@case(CHAPTER)
def receive_with_a_timeout(conversation: Conversation) -> None:
    """receive(timeout=) raises TimeoutError and loses no message."""
    ws = conversation.websocket("/impatient")
    assert ws.receive() == "nothing came"
    ws.send("something")
    assert ws.receive() == "something"
    assert ws.closed() == (1000, "")


@case(CHAPTER, request_timeout=0.2)
def handler_deadline(conversation: Conversation) -> None:
    """A handler that takes too long is cancelled and answered for with 503."""
    for path in ("/forever", "/stubborn"):
        peer = conversation.connect()
        answer = peer.ask(path)
        assert answer.status == 503
        assert answer.headers["connection"] == "close"
        peer.closed()


@case(CHAPTER, "native_cancel", request_timeout=0.2)
def handler_deadline_during_a_foreign_await(conversation: Conversation) -> None:
    """The deadline cancels a handler that awaits the event loop's own library."""
    peer = conversation.connect()
    assert peer.ask("/native/forever").status == 503
    peer.closed()


@case(CHAPTER, "native_cancel", request_timeout=0.2)
def handler_deadline_inside_a_task_group(conversation: Conversation) -> None:
    """The deadline cancels a handler whose children wait in a task group of the library."""
    peer = conversation.connect()
    assert peer.ask("/native/group").status == 503
    peer.closed()
    assert not [message for level, message in conversation.log if level == "error"]


@case(CHAPTER, "native_cancel")
def disconnect_inside_a_task_group_is_quiet(conversation: Conversation) -> None:
    """A client that leaves is no failure, in whatever group its Disconnected arrives."""
    ws = conversation.websocket("/native/group")
    ws.close()
    assert ws.closed(answer=False) == (1000, "")
    assert conversation.helper().ask("/").status == 200
    assert not [message for level, message in conversation.log if level == "error"]


@case(CHAPTER, "native_cancel")
def stray_cancellation_is_a_failure(conversation: Conversation) -> None:
    """A handler that awaits what other code has cancelled is answered for with 500."""
    peer = conversation.connect()
    answer = peer.ask("/native/stray")
    if answer.body == NOTHING_STRAYS.encode():
        raise Missing("stray_cancel")
    assert answer.status == 500
    assert peer.ask("/").status == 200


@case(CHAPTER, "native_cancel")
def native_timeout_around_sleep(conversation: Conversation) -> None:
    """The library's own time-out works around ctx.sleep, and what follows it works too."""
    peer = conversation.connect()
    assert peer.ask("/native/timeout-sleep").body == b"native time-out"
    assert peer.ask("/native/timeout-sleep").body == b"native time-out"


@case(CHAPTER, "native_cancel")
def native_timeout_around_ours(conversation: Conversation) -> None:
    """Of a ctx.timeout inside of one of the library's the right one fires."""
    peer = conversation.connect()
    assert peer.ask("/native/inside").body == b"ours"
    assert peer.ask("/native/inside").body == b"ours"


@case(CHAPTER, "native_cancel")
def native_timeout_around_the_body(conversation: Conversation) -> None:
    """A cancelled body() loses nothing: the body is whole when it is asked for again."""
    peer = conversation.connect()
    peer.send(b"POST /native/timeout-body HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nfirst")
    assert conversation.helper().ask("/notes").body == b"timed out"
    peer.send(b" half")
    assert peer.answer().body == b"first half"
    peer.send(
        b"POST /native/timeout-body?stream HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nfirst"
    )
    assert conversation.helper().ask("/notes").body == b"timed out"
    peer.send(b" half")
    assert peer.answer().body == b"first half"


@case(CHAPTER, "native_cancel")
def native_timeout_around_receive(conversation: Conversation) -> None:
    """A cancelled receive() loses no message."""
    ws = conversation.websocket("/native/timeout-receive")
    assert ws.receive() == "native time-out"
    ws.send("later")
    assert ws.receive() == "later"
    assert ws.closed() == (1000, "")


@case(CHAPTER, "real_sockets", "plain_wire", timeouts={"keep_alive": 0.5, "head": 0.5, "body": 0.5})
def input_that_came_in_time_is_not_late(conversation: Conversation) -> None:
    """A deadline is judged by what has come, however late the loop is: a request, the rest of a
    head and the rest of a body that came in time are answered."""
    whole = conversation.has("own_connections")  # Else these two deadlines are not ours.
    for _ in range(3):
        kept, heading, sending = (conversation.connect() for _ in range(3))
        if whole:
            assert kept.ask("/").status == 200
            heading.send(b"GET /def/1 HTTP/1.1\r\nHost: a\r\n")
        sending.send(b"POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab")
        conversation.pause(0.1)
        busy = conversation.helper()
        busy.get("/hog")  # It blocks the loop until the deadlines have passed.
        conversation.pause(0.2)
        sending.send(b"cd")
        if whole:
            kept.post("/length", b"kept")
            heading.send(b"\r\n")
            assert kept.answer().body == b'{"length":4}'
            assert heading.answer().body == b'{"n":1}'
        assert sending.answer().body == b'{"length":4}'
        assert busy.answer().body == b"done"


@case(CHAPTER, request_timeout=1.0, timeouts={"body": 5.0})
def upload_that_goes_on_is_not_the_handlers_delay(conversation: Conversation) -> None:
    """The deadline of a handler begins anew with each piece of a body that it keeps up with, so it
    does not bound an upload that never pauses."""
    peer = conversation.connect()
    peer.send(b"POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\n")
    for _ in range(6):
        conversation.pause(0.4)
        peer.send(b"x")
    assert peer.answer().body == b'{"length":6}'


@case(CHAPTER, "own_drain")
def drain_answers_the_next_request_of_a_busy_client(conversation: Conversation) -> None:
    """A client that asks one thing after the other had its last answer a moment ago when the drain
    begins. Its next request is answered, and the connection closes then."""
    peer = conversation.connect()
    assert peer.ask("/").status == 200
    conversation.drain()
    answer = peer.ask("/def/1")
    assert answer.body == b'{"n":1}'
    assert answer.headers["connection"] == "close"
    peer.closed()


@case(CHAPTER, "own_drain", "real_sockets", "plain_wire")
def drain_answers_what_has_arrived(conversation: Conversation) -> None:
    """A request that lies in the socket of a kept connection when the drain begins is answered, and
    so is one whose head comes in two pieces."""
    kept, halved, idle = (conversation.connect() for _ in range(3))
    assert kept.ask("/").status == halved.ask("/").status == idle.ask("/").status == 200
    halved.send(b"GET /def/1 HTTP/1.1\r\nHost: a\r\n")
    conversation.pause(0.1)
    busy = conversation.helper()
    busy.get("/hog")  # It blocks the loop, so that all of this has arrived when it goes on.
    conversation.pause(0.2)
    kept.post("/length", b"kept")
    halved.send(b"\r\n")
    conversation.drain()
    assert kept.answer().body == b'{"length":4}'
    assert halved.answer().body == b'{"n":1}'
    assert busy.answer().body == b"done"
    for peer in (kept, halved, idle):
        peer.closed()
