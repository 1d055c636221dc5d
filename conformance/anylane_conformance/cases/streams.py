"""Streamed responses and backpressure."""

from __future__ import annotations

from anylane_conformance.cases import case
from anylane_conformance.contract.stage import BLOB, CHUNK, KERNEL, MEGABYTE
from anylane_conformance.harness.conversation import Conversation

CHAPTER = "2 streams"


@case(CHAPTER, "own_wire")
def unknown_length_is_chunked(conversation: Conversation) -> None:
    """Each write of a stream is one chunk, never joined or split (RFC 9112 §7.1)."""
    peer = conversation.connect()
    peer.get("/count/3")
    head = peer.until(b"\r\n\r\n")
    assert b"\r\ntransfer-encoding: chunked\r\n" in head
    assert peer.until(b"0\r\n\r\n") == b"2\r\n0\n\r\n2\r\n1\n\r\n2\r\n2\n\r\n0\r\n\r\n"
    assert peer.ask("/").status == 200


@case(CHAPTER)
def iterators_are_streamed(conversation: Conversation) -> None:
    """A returned iterator, sync or async, is streamed item by item."""
    peer = conversation.connect()
    assert peer.ask("/iterate").body == b"0\n1\n2\n"
    assert peer.ask("/sync-iterator").body == b"0\n1\n2\n"


@case(CHAPTER)
def failure_inside_a_stream_is_not_a_whole_response(conversation: Conversation) -> None:
    """A stream that fails has no last chunk: the client must not take the body for whole."""
    peer = conversation.connect()
    peer.get("/half")
    peer.until(b"\r\n\r\n")
    assert peer.rest() == b"5\r\nfirst\r\n"


@case(CHAPTER, cuts=False)
def slow_reader_is_waited_for(conversation: Conversation) -> None:
    """A handler that sends 20 MB waits for a client that does not read yet; memory stays
    bounded."""
    peer = conversation.connect(receive_buffer=65536)
    peer.hold()
    peer.get("/large")
    ahead = conversation.steady(lambda: conversation.stage.produced)
    conversation.measure("bytes produced for a client that reads nothing", ahead)
    assert ahead <= KERNEL, f"{ahead} bytes were produced for a client that reads nothing"
    peer.release()
    body = peer.answer().body
    assert len(body) == BLOB
    assert peer.ask("/").status == 200


@case(CHAPTER, limits={"outbound_high": 64, "outbound_low": 16})
def small_mark_does_not_hold_up_who_reads(conversation: Conversation) -> None:
    """Output that the kernel has taken does not count as waiting, however small the mark is."""
    peer = conversation.connect()
    assert peer.ask("/count/20").body == b"".join(b"%d\n" % number for number in range(20))
    assert peer.ask("/").status == 200


@case(CHAPTER, cuts=False)
def slow_reader_who_asked_once_gets_it_all(conversation: Conversation) -> None:
    """The connection ends behind the whole answer, however late the client reads (RFC 9112
    §9.6)."""
    peer = conversation.connect(receive_buffer=65536)
    peer.hold()
    peer.get("/large", "Connection: close")
    conversation.steady(lambda: conversation.stage.produced)
    peer.release()
    answer = peer.answer()
    assert answer.headers["connection"] == "close"
    assert len(answer.body) == BLOB
    peer.closed()


@case(CHAPTER, cuts=False)
def no_request_is_begun_while_answers_wait(conversation: Conversation) -> None:
    """While a client does not read its answers, no further request that it has sent is begun; when
    it reads, each one is answered, in order."""
    peer = conversation.connect(receive_buffer=65536)
    peer.hold()
    requests = [f"GET /numbered/{n} HTTP/1.1\r\nHost: a\r\n\r\n".encode() for n in range(30)]
    peer.send(b"".join(requests))
    ahead = conversation.steady(lambda: conversation.stage.produced)
    conversation.measure("bytes answered to a client that asks and reads nothing", ahead)
    assert ahead <= KERNEL + MEGABYTE, f"{ahead} bytes were answered, and none was read"
    peer.release()
    for number in range(30):
        assert peer.answer().body[:8] == b"%8d" % number
    assert peer.ask("/").status == 200


@case(CHAPTER, cuts=False, limits={"outbound_high": 100, "outbound_low": 50})
def requests_wait_for_room_at_any_mark(conversation: Conversation) -> None:
    """Requests in one piece are all answered, in order, also where each answer is over the mark."""
    peer = conversation.connect()
    peer.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /count/3 HTTP/1.1\r\nHost: a\r\n\r\n" * 20)
    for _ in range(20):
        assert peer.answer().body == b'{"message":"Hello, World!"}'
        assert peer.answer().body == b"0\n1\n2\n"
    assert peer.ask("/").status == 200


@case(CHAPTER, cuts=False, compare=False, limits={"body": 1 << 26})
def upload_that_is_not_read_is_held_up(conversation: Conversation) -> None:
    """An upload that its handler does not read stays in the kernel, but for what the mark allows:
    a lane that goes on reading would take all of it."""
    peer = conversation.connect()
    size = 500 * len(CHUNK)
    peer.send(b"POST /unread HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size)
    taken = peer.press(CHUNK * 500)
    conversation.measure("bytes taken of an upload that is not read", taken)
    assert taken <= 2 * KERNEL, f"{taken} bytes were taken of an upload that is not read"
    conversation.helper().ask("/send/done")
    peer.reset()


@case(CHAPTER)
def what_has_ended_cannot_write(conversation: Conversation) -> None:
    """A stream or context used after its handler never reaches another exchange's client."""
    peer = conversation.connect()
    assert peer.ask("/keep").body == b"mine"
    assert peer.ask("/misuse").body == b"refused refused "
    assert peer.ask("/").status == 200


@case(CHAPTER, "parallel_blocking", cuts=False, request_timeout=1.0)
def slow_iterator_meets_the_deadline(conversation: Conversation) -> None:
    """A sync iterator that is late is answered 503, and is closed in the pool, not in the loop."""
    peer = conversation.connect()
    assert peer.ask("/slow-iterator").status == 503
    assert conversation.helper().ask("/notes").body == b"closed in the loop's thread: False"
