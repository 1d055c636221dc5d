"""Relays: what rooms are sent goes to their clients, and no handler is woken for it."""

from __future__ import annotations

from functools import partial

from anylane import Broadcast
from anylane_conformance.cases import case
from anylane_conformance.cases.events import chunk, opened, past, sized
from anylane_conformance.contract.realtime import relays
from anylane_conformance.harness.conversation import Conversation
from anylane_conformance.harness.websocket_peer import WebSocketPeer

CHAPTER = "4 select, broadcast"
FANS = 20
TIMES = 1 << 18
"""How often a client that reads nothing is sent each item, so that it lags."""


def ready(conversation: Conversation, path: str) -> WebSocketPeer:
    """Open a WebSocket whose relay has begun."""
    ws = conversation.websocket(path)
    assert ws.receive() == "ready"
    return ws


def send_in_turns(conversation: Conversation, room: Broadcast[str], count: int) -> None:
    """Send a room so many items, each another character, and let relays take each."""
    for number in range(count):
        room.send(chr(48 + number))
        conversation.pause(0.001)


@case(CHAPTER, extra=relays.build)
def a_relay_passes_on_what_a_room_is_sent(conversation: Conversation) -> None:
    """A client gets what others send and what it sends itself, in one order, and what its handler
    sends to it alone behind that."""
    ann, bob = ready(conversation, "/relay"), ready(conversation, "/relay")
    ann.send("one")
    said = ["one 0", "one 1", "one 2"]
    assert [ann.receive() for _ in range(4)] == [*said, "own one"]
    assert [bob.receive() for _ in range(3)] == said
    assert conversation.helper().ask("/send/two").body == b'{"receivers":2}'
    assert (ann.receive(), bob.receive()) == ("two", "two")
    for ws in (ann, bob):
        ws.close()
        assert ws.closed(answer=False) == (1000, "")


@case(CHAPTER, extra=relays.build)
def a_relay_ends_with_its_block(conversation: Conversation) -> None:
    """What was sent before the block was left still goes out, what comes later does not."""
    ws = ready(conversation, "/relay")
    ws.send("leave")
    assert (ws.receive(), ws.receive()) == ("last", "left")
    assert conversation.helper().ask("/send/late").body == b'{"receivers":0}'
    ws.send("more")
    assert ws.receive() == "receivers 0"
    assert ws.closed() == (1000, "")


@case(CHAPTER, extra=relays.build)
def a_relay_can_be_awaited(conversation: Conversation) -> None:
    """A relay that is awaited goes on until its client leaves, and drops what that sends."""
    ws = conversation.websocket("/relay/listen")
    ws.send("dropped")
    ws.ping(b"there")
    assert ws.pong() == b"there"
    helper = conversation.helper()
    assert helper.ask("/send/one").body == b'{"receivers":1}'
    assert ws.receive() == "one"
    ws.close()
    assert ws.closed(answer=False) == (1000, "")
    assert helper.ask("/notes").status == 200  # Its handler has ended.
    assert helper.ask("/send/two").body == b'{"receivers":0}'


@case(CHAPTER, "own_frames", extra=relays.build)
def a_relay_tells_of_a_client_that_vanishes(conversation: Conversation) -> None:
    """A relay that is awaited raises Disconnected with the code, unless that is 1000 or 1001."""
    helper = conversation.helper()
    for code in (1001, 4000):
        ws = conversation.websocket("/relay/listen")
        ws.close(code)
        assert ws.closed(answer=False) == (code, "")
        said = "over" if code == 1001 else "gone"
        assert helper.ask("/notes").body == f"{said} {code}".encode()
    ws = conversation.websocket("/relay/listen")
    ws.peer.reset()
    assert helper.ask("/notes").body == b"gone 1006"


@case(CHAPTER, extra=relays.build)
def relays_go_on_while_their_handlers_sleep(conversation: Conversation) -> None:
    """Several rooms reach one client whose handler does nothing at all; each is in order."""
    ws = ready(conversation, "/relay/two")
    stage = conversation.stage
    conversation.in_thread(lambda: [stage.room.send(f"room {n}") for n in range(20)])
    assert [ws.receive() for _ in range(20)] == [f"room {n}" for n in range(20)]
    conversation.in_thread(lambda: [stage.notes.send(f"note {n}") for n in range(20)])
    assert [ws.receive() for _ in range(20)] == [f"NOTE {n}".encode() for n in range(20)]
    conversation.in_thread(lambda: stage.notes.send("Mixed"))
    assert ws.receive() == '{"item":"Mixed"}'
    ws.peer.reset()


@case(CHAPTER, extra=relays.build)
def a_relay_of_a_subscription_begins_with_what_waits(conversation: Conversation) -> None:
    """Nothing is lost between a handler's subscription and its relay; closing that ends it, and the
    WebSocket goes on."""
    ws = conversation.websocket("/relay/subscription")
    helper = conversation.helper()
    for text in ("one", "two"):
        assert helper.ask(f"/send/{text}").body == b'{"receivers":1}'
    ws.send("ann")
    assert [ws.receive() for _ in range(3)] == ["welcome ann", "one", "two"]
    ws.send("enough")
    assert ws.receive() == "closed"
    assert helper.ask("/send/three").body == b'{"receivers":0}'
    ws.close()
    assert ws.closed(answer=False) == (1000, "")


@case(CHAPTER, extra=relays.build)
def an_item_without_a_form_ends_the_relay(conversation: Conversation) -> None:
    """What `encode` raises closes with 1011 and is the failure of each handler that gave it; other
    receivers of the room get the item."""
    loud, plain = ready(conversation, "/relay/shouted"), ready(conversation, "/relay")
    helper = conversation.helper()
    assert helper.ask("/send/good").body == b'{"receivers":2}'
    assert (loud.receive(), plain.receive()) == (b"GOOD", "good")
    assert helper.ask("/send/bad").body == b'{"receivers":2}'
    assert loud.closed() == (1011, "")
    assert plain.receive() == "bad"
    assert helper.ask("/send/on").body == b'{"receivers":1}'
    assert plain.receive() == "on"
    errors = [message for level, message in conversation.log if level == "error"]
    assert len(errors) == 1
    assert "an item without a form" in errors[0]
    plain.close()
    assert plain.closed(answer=False) == (1000, "")


@case(CHAPTER, extra=relays.build)
def compressed_relays_are_read_by_each_client(conversation: Conversation) -> None:
    """Each client reads its messages by the parameters that it has agreed on: none, with a context
    that is taken over, and without."""
    text = "again and again " * 40
    deflate = "permessage-deflate"
    fresh = f"{deflate}; server_no_context_takeover"
    clients = []
    for offer in (None, deflate, fresh, fresh):
        headers = [f"Sec-WebSocket-Extensions: {offer}"] if offer else ()
        ws = WebSocketPeer.open(conversation.connect(), "/relay", *headers)
        assert ws.receive() == "ready"
        clients.append(ws)
    sent = [f"{text}{n}" for n in range(5)]
    conversation.in_thread(lambda: [conversation.stage.room.send(each) for each in sent])
    for ws in clients:
        assert [ws.receive() for _ in sent] == sent
        ws.close()
        assert ws.closed(answer=False) == (1000, "")


@case(CHAPTER, extra=relays.build, cuts=False)
def a_relay_that_lags_is_closed(conversation: Conversation) -> None:
    """Of 21 clients one reads nothing. The room's rule closes it with 1013 behind what it had been
    sent, and the others get everything in order."""
    quick = [ready(conversation, "/relay/strict/1") for _ in range(FANS)]
    slow = WebSocketPeer.open(conversation.helper(), f"/relay/strict/{TIMES}")
    assert slow.receive() == "ready"
    slow.peer.hold()
    receivers = []
    for start in range(0, 64, 8):
        receivers += [conversation.stage.strict.send(chr(48 + n)) for n in range(start, start + 8)]
        for ws in quick:
            assert [ws.receive() for _ in range(8)] == [chr(48 + start + n) for n in range(8)]
    assert (receivers[0], receivers[-1]) == (FANS + 1, FANS)
    slow.peer.release()
    told = []
    while (message := slow.receive_or_end()) is not None:
        assert message == message[0] * TIMES
        told.append(message[0])
    assert 0 < len(told) < 60
    assert told == [chr(48 + n) for n in range(len(told))]
    assert slow.close_frame() == (1013, "too slow")
    slow.close(1013)
    assert conversation.helper().ask("/notes").body == b"ended, lagged 1"
    for ws in quick:
        ws.close()
        assert ws.closed(answer=False) == (1000, "")


# How much the kernel holds is another on each machine.
@case(CHAPTER, extra=relays.build, cuts=False, compare=False)
def a_relay_that_lags_raises_if_its_room_says_so(conversation: Conversation) -> None:
    """In a room with on_lag="error" Lagged comes out of the block, and the client sees 1013."""
    slow = ready(conversation, f"/relay/severe/{TIMES}")
    slow.peer.hold()
    send_in_turns(conversation, conversation.stage.severe, 64)
    slow.peer.release()
    while slow.receive_or_end() is not None:
        pass
    assert slow.close_frame() == (1013, "too slow")
    slow.close(1013)
    assert conversation.helper().ask("/notes").body.startswith(b"lagged ")


@case(CHAPTER, extra=relays.build, cuts=False, compare=False)
def a_relay_that_lags_goes_on_with_the_latest(conversation: Conversation) -> None:
    """In a room with on_lag="drop_oldest" a client that has caught up gets the latest items, in
    order, and what its handler sends behind them."""
    slow = ready(conversation, f"/relay/lenient/{TIMES}")
    slow.peer.hold()
    send_in_turns(conversation, conversation.stage.lenient, 70)
    slow.peer.release()
    slow.send("how many")
    told = []
    while not (message := str(slow.receive())).startswith("lagged"):
        told.append(message[0])
    assert told == sorted(told)
    assert told[-4:] == [chr(48 + n) for n in range(66, 70)]
    assert message == f"lagged {70 - len(told)}"
    assert len(told) < 70
    slow.peer.reset()


@case(CHAPTER, extra=relays.build)
def event_streams_relay_rooms(conversation: Conversation) -> None:
    """Each item is an event, of the type that the handler has said."""
    peer = opened(conversation, "/relay/events")
    past(peer, b": listening\n\n")
    helper = conversation.helper()
    assert helper.ask("/send/one").body == b'{"receivers":1}'
    conversation.in_thread(lambda: conversation.stage.room.send("two\nlines"))
    blocks = chunk(b"event: said\ndata: one\n\n"), chunk(b"event: said\ndata: two\ndata: lines\n\n")
    for block in blocks:
        assert sized(peer.exactly(len(block))) == block
    peer.reset()
    assert helper.ask("/notes").body == b"events: finally"
    assert helper.ask("/send/three").body == b'{"receivers":0}'


@case(CHAPTER, extra=relays.build)
def events_of_a_handler_come_behind_its_relay(conversation: Conversation) -> None:
    """A handler sends its own events beside a relay, behind what the room was sent before, and ends
    the stream when its block ends."""
    peer = opened(conversation, "/relay/events/block")
    past(peer, b": listening\n\n")
    send = conversation.stage.notes.send
    for note in ("a", "bb"):
        conversation.in_thread(partial(send, note))
        expected = chunk(b"data: %d\n\n" % (2 * len(note))) + chunk(b"data: %b\n\n" % note.encode())
        assert sized(peer.exactly(len(expected))) == expected
    conversation.in_thread(partial(send, "end"))
    assert peer.until(b"0\r\n\r\n") == b"0\r\n\r\n"
    assert peer.ask("/").status == 200


@case(CHAPTER, extra=relays.build)
def event_streams_relay_logs(conversation: Conversation) -> None:
    """A relay of a reader sends what its client has missed, with ids, and then what comes."""
    log = conversation.stage.log
    for number in range(3):
        log.send(number, "n")
    peer = conversation.connect()
    peer.get("/relay/events/log", "Last-Event-ID: e-1")
    peer.until(b"\r\n\r\n")
    expected = b"".join(chunk(b"id: e-%d\nevent: n\ndata: %d\n\n" % (n + 1, n)) for n in (1, 2))
    assert sized(peer.exactly(len(expected))) == expected
    conversation.in_thread(lambda: log.send("new"))
    expected = chunk(b"id: e-4\ndata: new\n\n")
    assert sized(peer.exactly(len(expected))) == expected
    peer.reset()


@case(CHAPTER, "parallel_blocking", extra=relays.build, cuts=False)
def def_handlers_relay_events(conversation: Conversation) -> None:
    """A `def` handler relays by `ctx.call`."""
    peer = opened(conversation, "/relay/events/def")
    past(peer, b": listening\n\n")
    assert conversation.helper().ask("/send/one").body == b'{"receivers":1}'
    assert sized(peer.until(b"\n\n\r\n")) == chunk(b"data: one\n\n")
    peer.reset()


@case(CHAPTER, "own_wire", extra=relays.build, cuts=False, compare=False)
def an_event_stream_that_lags_is_cut_off(conversation: Conversation) -> None:
    """The room's rule ends the stream of a client that reads nothing, without its end, so that the
    client comes again."""
    peer = opened(conversation, f"/relay/events/strict/{TIMES}")
    past(peer, b": listening\n\n")
    peer.hold()
    send_in_turns(conversation, conversation.stage.strict, 64)
    peer.release()
    assert not peer.rest().endswith(b"0\r\n\r\n")
    assert conversation.helper().ask("/notes").body == b"events: lagged 1"


@case(CHAPTER, "own_drain", extra=relays.build, cuts=False)
def a_drain_ends_relays(conversation: Conversation) -> None:
    """WebSockets that relay close with 1001, and event streams end whole."""
    ws = conversation.websocket("/relay/listen")
    peer = opened(conversation, "/relay/events")
    past(peer, b": listening\n\n")
    conversation.drain()
    assert ws.close_frame() == (1001, "the server is shutting down")
    ws.close(1001)
    assert peer.rest().endswith(b"0\r\n\r\n")
