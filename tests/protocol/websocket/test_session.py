"""WebSocket as a client sees it: messages, control frames, the close handshake. RFC 6455.

wsproto, in the role of the client, builds and reads the frames.
"""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wsproto.frame_protocol import FrameProtocol, Opcode

from anylane import (
    App,
    Broadcast,
    Context,
    Disconnected,
    Limits,
    ServerConfig,
    Timeouts,
    UsageError,
)
from anylane.protocol import Closing
from anylane.protocol.websocket.close_codes import check_close
from anylane.testing import Lockstep

BEFORE = 1 / 1024
"""A moment before; exact in binary."""
LIMITS = Limits(
    message=10,
    inbound_high=200,
    inbound_low=100,
    outbound_high=100,
    outbound_low=10,
    linger=50,
    pipeline=1000,
)
TIMEOUTS = Timeouts(keep_alive=3, write_stall=400, ping=5, pong=6, close=7, linger=8, drain=90)
CONFIG = ServerConfig(limits=LIMITS, timeouts=TIMEOUTS)
HANDSHAKE = (
    b"GET /%s HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


class Client:
    """The other end: a wire, and wsproto's half of the conversation."""

    def __init__(self, path: bytes = b"echo", early: bytes = b"", *, handler: Any = None) -> None:
        self.seen: list[object] = []
        app = make_app(self.seen)
        if handler is not None:
            app.websocket(f"/{path.decode()}")(handler)
        self.wire: Any = Lockstep(app, CONFIG)
        self.frames = FrameProtocol(client=True, extensions=[])
        self.wire.receive(HANDSHAKE % path + early)
        head, _, rest = self.wire.take().partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 ")
        self.rest = rest

    def send(self, *frames: bytes | bytearray) -> list[tuple[str, object]]:
        self.wire.receive(b"".join(frames))
        return self.received()

    def received(self) -> list[tuple[str, object]]:
        """What the server sent since the last call, as (opcode, payload)."""
        data, self.rest = self.rest + self.wire.take(), b""
        self.frames.receive_bytes(data)
        return [
            (each.opcode.name, each.payload[:1] if each.opcode is Opcode.CLOSE else each.payload)
            for each in self.frames.received_frames()
        ]


def make_app(seen: list[object]) -> App:
    app = App()

    @app.websocket("/echo")
    async def echo(ctx):
        ws = await ctx.accept()
        try:
            while True:
                message = await ws.receive()
                seen.append(message)
                await ws.send(message)
        except Disconnected as exc:
            seen.append(exc.code)
            raise

    @app.websocket("/slow")
    async def slow(ctx):
        ws = await ctx.accept()
        while True:
            message = await ws.receive()
            await ctx.sleep(1)
            await ws.send(message)

    @app.websocket("/busy")
    async def busy(ctx):
        await ctx.accept()
        await ctx.sleep(1000)

    @app.websocket("/close")
    async def close(ctx):
        ws = await ctx.accept()
        await ctx.sleep(1)
        await ws.close(3000, "bye")
        seen.append(ws.close_code)

    @app.websocket("/return")
    async def leave(ctx):
        await ctx.accept()

    @app.websocket("/fail")
    async def fail(ctx):
        await ctx.accept()
        raise RuntimeError

    @app.websocket("/late")
    async def late(ctx):
        await ctx.sleep(1)
        ws = await ctx.accept()
        async for message in ws:
            await ws.send(message)

    @app.websocket("/unoffered")
    async def unoffered(ctx):
        await ctx.accept(subprotocol="x")

    @app.websocket("/flood")
    async def flood(ctx):
        ws = await ctx.accept()
        await ws.send(b"x" * 200)
        await ctx.sleep(1000)

    return app


def frame(
    opcode: int, payload: bytes = b"", *, fin: bool = True, masked: bool = True, rsv: int = 0
) -> bytes:
    """A frame that wsproto would not build."""
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    mask = b"\1\2\3\4"
    if not masked:
        return bytes([first, len(payload)]) + payload
    body = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
    return bytes([first, 0x80 | len(payload)]) + mask + body


TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def close_frame(code: int, reason: bytes = b"") -> bytes:
    return frame(CLOSE, struct.pack("!H", code) + reason)


# -- messages -------------------------------------------------------------------------------------


def test_wsprotos_own_frames_are_understood():
    client = Client()
    assert client.send(client.frames.send_data("hé"), client.frames.send_data(b"\x00")) == [
        ("TEXT", "hé"),
        ("BINARY", b"\x00"),
    ]
    assert client.send(client.frames.close(1000)) == [("CLOSE", (1000,))]


def test_fragments_are_joined_and_a_ping_between_them_is_answered_first():
    client = Client()
    found = client.send(
        frame(TEXT, b"h\xc3", fin=False), frame(PING, b"p"), frame(0, b"\xa9", fin=False), frame(0)
    )
    assert found == [("PONG", b"p"), ("TEXT", "hé")]


def test_an_empty_message_is_a_message():
    assert Client().send(frame(TEXT), frame(BINARY)) == [("TEXT", ""), ("BINARY", b"")]


def test_frames_that_came_before_accept_are_held():
    wire = Lockstep(make_app([]), CONFIG)
    wire.receive(HANDSHAKE % b"late" + frame(TEXT, b"hi"))
    wire.receive(frame(TEXT, b"ho"))
    assert wire.take() == b""
    wire.advance(1)
    assert wire.take().endswith(b"\x81\x02hi\x81\x02ho")


@pytest.mark.parametrize(
    ("frames", "echoed"),
    [
        ([frame(TEXT, b"x" * 10)], True),
        ([frame(TEXT, b"x" * 11)], False),
        ([frame(BINARY, b"x" * 9, fin=False), frame(0, b"x")], True),
        ([frame(BINARY, b"x" * 9, fin=False), frame(0, b"xx")], False),
        ([frame(TEXT, "é".encode() * 5)], True),
        ([frame(TEXT, "é".encode() * 5 + b"x")], False),
    ],
)
def test_the_message_limit_is_in_bytes_and_holds_at_the_limit(frames, echoed):
    found = Client().send(*frames)
    assert found[0][0] != "CLOSE" if echoed else found == [("CLOSE", (1009,))]


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (frame(TEXT, b"\xff"), 1007),
        (frame(TEXT, b"\xc3"), 1007),
        (frame(TEXT, b"\xed\xa0\x80"), 1007),
        (frame(TEXT, b"\xc3", fin=False) + frame(0, b"x"), 1007),
        (frame(TEXT, b"x", masked=False), 1002),
        (frame(3, b"x"), 1002),
        (frame(11), 1002),
        (frame(TEXT, b"x", rsv=4), 1002),
        (frame(TEXT, b"x", rsv=1), 1002),
        (frame(0, b"x"), 1002),
        (frame(TEXT, b"x", fin=False) + frame(TEXT, b"y"), 1002),
        (frame(PING, b"x", fin=False), 1002),
        (b"\x89\xfe\x00\x7e\0\0\0\0" + b"x" * 126, 1002),
        (b"\x81\xfe\x00\x05\0\0\0\0hello", 1002),
        (b"\x81\xff" + b"\xff" * 8 + b"\0\0\0\0", 1002),
        (frame(CLOSE, b"\x03"), 1002),
        (close_frame(999), 1002),
        (close_frame(1004), 1002),
        (close_frame(1005), 1002),
        (close_frame(1006), 1002),
        (close_frame(1015), 1002),
        (close_frame(2999), 1002),
        (close_frame(5000), 1002),
        (close_frame(1000, b"\xff"), 1007),
    ],
)
def test_messages_before_a_violation_are_delivered_and_answered_first(bad, code):
    client = Client()
    assert client.send(frame(TEXT, b"hi"), bad, frame(TEXT, b"no")) == [
        ("TEXT", "hi"),
        ("CLOSE", (code,)),
    ]
    assert client.seen == ["hi", code]
    assert client.wire.eof_sent


@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, 1007, 1011, 1013, 3000, 4999])
def test_a_close_code_that_may_be_received_is_echoed(code):
    client = Client()
    assert client.send(close_frame(code, b"why")) == [("CLOSE", (code,))]
    assert client.seen == [code]


@pytest.mark.parametrize("code", [1000, 1003, 1007, 1014, 3000, 4999])
def test_a_close_code_that_may_be_sent(code):
    check_close(code, "")


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, "1000", None])
def test_a_close_code_that_must_not_be_sent(code):
    with pytest.raises(UsageError):
        check_close(code, "")


# -- the close handshake --------------------------------------------------------------------------


def test_a_close_without_code_is_answered_without_one():
    client = Client()
    client.wire.receive(frame(CLOSE))
    assert client.wire.take() == b"\x88\x00"
    assert client.seen == [1005]


def test_a_close_from_the_peer_is_answered_once_and_the_connection_ends():
    client = Client()
    assert client.send(close_frame(1000)) == [("CLOSE", (1000,))]
    assert client.wire.eof_sent
    client.wire.receive(frame(TEXT, b"no") + close_frame(1000))
    assert client.wire.take() == b""
    client.wire.eof()
    assert client.wire.closed


def test_a_question_before_a_close_is_still_answered():
    client = Client(b"slow")
    assert client.send(frame(TEXT, b"a"), frame(TEXT, b"b"), close_frame(1000)) == []
    client.wire.advance(2)
    assert client.received() == [("TEXT", "a"), ("TEXT", "b"), ("CLOSE", (1000,))]


def test_a_close_while_the_last_question_is_being_answered_waits_for_the_answer():
    async def late(ctx):
        ws = await ctx.accept()
        with pytest.raises(TimeoutError):
            await ws.receive(timeout=1)
        await ctx.sleep(1)  # The handler does not wait for the question when it comes.
        question = await ws.receive()
        await ctx.sleep(1)
        await ws.send(question)

    client = Client(b"question", handler=late)
    client.wire.advance(1)
    client.send(frame(TEXT, b"?"))
    client.wire.advance(1)
    assert client.send(close_frame(1000)) == []
    client.wire.advance(1)
    assert client.received() == [("TEXT", "?"), ("CLOSE", (1000,))]


def test_also_when_the_client_half_closed_behind_its_close_frame():
    client = Client(b"slow")
    client.send(frame(TEXT, b"a"), close_frame(1000))
    client.wire.eof()
    client.wire.advance(1)
    assert client.received() == [("TEXT", "a"), ("CLOSE", (1000,))]
    assert client.wire.closed


def test_but_not_for_longer_than_the_close_deadline():
    client = Client(b"busy")
    client.send(frame(TEXT, b"unread"), close_frame(1000))
    client.wire.advance(7 - BEFORE)
    assert client.received() == []
    client.wire.advance(BEFORE)
    assert client.received() == [("CLOSE", (1000,))]


def test_our_close_waits_for_the_peers():
    client = Client(b"close")
    client.wire.advance(1)
    assert client.received() == [("CLOSE", (3000,))]
    assert client.seen == []
    assert not client.wire.eof_sent
    assert client.send(frame(TEXT, b"dropped"), frame(PING), close_frame(3000)) == []
    assert client.seen == [3000]
    assert client.wire.eof_sent


def test_closes_that_cross_answer_each_other():
    client = Client(b"close")
    client.wire.advance(1)
    client.send(close_frame(1001))
    assert client.received() == []
    assert client.seen == [1001]
    assert client.wire.eof_sent


def test_a_close_that_nobody_answers_ends_at_its_deadline():
    client = Client(b"close")
    client.wire.advance(1)
    client.wire.advance(7 - BEFORE)
    assert not client.wire.closed
    client.wire.advance(BEFORE)
    assert client.wire.closed
    assert client.seen == [1006]


@pytest.mark.parametrize(("path", "code"), [(b"return", 1000), (b"fail", 1011)])
def test_a_handler_that_ends_closes(path, code):
    client = Client(path)
    assert client.received() == [("CLOSE", (code,))]
    client.send(frame(TEXT, b"x"), close_frame(code))
    assert client.wire.eof_sent


def test_shutdown_closes_with_1001():
    client = Client(b"busy")
    client.wire.world.server.shutdown()
    assert client.received() == [("CLOSE", (1001,))]


def test_a_session_that_is_accepted_while_draining_is_closed_at_once():
    wire = Lockstep(make_app([]), CONFIG)
    wire.receive(HANDSHAKE % b"late")
    wire.world.server.shutdown()
    wire.advance(1)
    assert b"\x88" in wire.take().partition(b"\r\n\r\n")[2]


@pytest.mark.parametrize("how", ["eof", "lose"])
def test_the_end_of_input_without_a_close_frame_is_1006(how):
    client = Client()
    getattr(client.wire, how)()
    assert client.seen == [1006]
    assert client.wire.closed


def test_the_end_of_input_before_accept_is_1006_too():
    wire = Lockstep(make_app([]), CONFIG)
    wire.receive(HANDSHAKE % b"late")
    wire.eof()
    wire.advance(1)
    assert wire.closed
    assert [record.level for record in wire.log if record.level == "error"] == []


def test_a_subprotocol_that_nobody_offered_is_a_500_and_the_connection_lives():
    wire = Lockstep(make_app([]), CONFIG)
    wire.receive(HANDSHAKE % b"unoffered")
    assert wire.take().startswith(b"HTTP/1.1 500 ")
    wire.receive(HANDSHAKE % b"return")
    assert wire.take().startswith(b"HTTP/1.1 101 ")


def test_input_after_the_end_is_discarded_up_to_its_bound():
    client = Client()
    client.send(close_frame(1000))
    client.wire.receive(b"x" * 50)
    assert not client.wire.closed
    client.wire.receive(b"x")
    assert client.wire.closed


# -- ping and pong --------------------------------------------------------------------------------


def test_we_ping_when_nothing_was_answered_for_a_while():
    client = Client(b"busy")
    client.wire.advance(5 - BEFORE)
    assert client.received() == []
    client.wire.advance(BEFORE)
    [(kind, payload)] = client.received()
    assert kind == "PING"
    client.send(frame(PONG, bytes(payload)))  # type: ignore[call-overload]
    client.wire.advance(5 - BEFORE)
    assert client.received() == []
    client.wire.advance(BEFORE)
    assert [kind for kind, _ in client.received()] == ["PING"]


def test_a_ping_that_is_not_answered_ends_the_session_with_1011():
    client = Client()
    client.wire.advance(5)
    client.received()
    client.send(frame(PONG, b"another"))
    client.wire.advance(6 - BEFORE)
    assert client.received() == []
    client.wire.advance(BEFORE)
    assert client.received() == [("CLOSE", (1011,))]
    assert client.seen == [1011]
    assert client.wire.eof_sent


def test_when_congested_only_the_latest_ping_is_answered():
    wire = Lockstep(make_app([]), CONFIG)
    wire.stall()
    wire.receive(HANDSHAKE % b"flood")
    wire.receive(frame(PING, b"1") + frame(PING, b"2"))
    wire.receive(frame(PING, b"3"))
    wire.resume()
    assert wire.take().count(b"\x8a") == wire.sent.count(b"\x8a\x013") == 1


# -- backpressure ---------------------------------------------------------------------------------


def test_a_send_waits_while_the_peer_is_behind():
    async def stream(ctx):
        ws = await ctx.accept()
        await ws.receive()
        for n in range(3):
            await ws.send(b"x" * 200)
            client.seen.append(n)

    client = Client(b"stream", handler=stream)
    client.wire.stall()
    client.wire.receive(frame(TEXT, b"go"))
    assert client.seen == [0]
    client.wire.resume()
    assert client.seen == [0, 1, 2]


def test_messages_that_nobody_receives_pause_reading():
    client = Client(b"busy")
    connection = client.wire._driver.connection
    for _ in range(2):
        client.send(frame(TEXT, b"x" * 10))
        assert connection.wants_read
    client.send(frame(TEXT, b"x" * 10))
    assert not connection.wants_read


def test_a_flood_of_empty_messages_pauses_it_too():
    client = Client(b"busy")
    client.send(frame(TEXT) * 4)
    assert not client.wire._driver.connection.wants_read


def test_reading_resumes_when_the_handler_has_caught_up():
    client = Client(b"slow")
    client.send(frame(TEXT, b"a") * 5)
    assert not client.wire._driver.connection.wants_read
    client.wire.advance(10)
    assert client.wire._driver.connection.wants_read
    assert [kind for kind, _ in client.received()].count("TEXT") == 5


def test_our_close_reads_on_so_that_the_peers_can_be_seen():
    client = Client(b"close")
    client.send(frame(TEXT, b"a") * 5)
    client.wire.receive(close_frame(1000))
    client.wire.advance(1)
    assert client.received() == [("CLOSE", (3000,))]
    assert client.seen == [1000]


def test_no_pong_is_expected_while_we_do_not_read():
    client = Client(b"busy")
    client.send(frame(TEXT) * 4)
    client.wire.advance(100)
    assert client.wire.closing is Closing.NO


def test_the_access_log_counts_what_messages_took_on_the_wire():
    lines: list[Any] = []
    wire = Lockstep(make_app([]), CONFIG)
    wire.world.server.access = lines.append
    wire.receive(HANDSHAKE % b"echo")
    wire.take()
    wire.receive(frame(TEXT, b"hello") + frame(PING, b"not counted") + frame(BINARY, b""))
    assert lines == []
    wire.receive(close_frame(1000))
    assert [(each.status, each.sent) for each in lines] == [(101, (2 + 5) + (2 + 0))]


# -- the cut does not matter ----------------------------------------------------------------------

CONVERSATION = b"".join(
    [
        frame(TEXT, b"hi"),
        frame(TEXT, b"h\xc3", fin=False),
        frame(PING, b"p"),
        frame(0, b"\xa9"),
        frame(BINARY, b"\0" * 10),
    ]
)


@pytest.mark.parametrize(
    "end",
    [
        b"",
        close_frame(1000, b"bye"),
        frame(TEXT, b"a\xff\xfe"),
        frame(BINARY, b"x" * 11),
        frame(TEXT, b"x", masked=False),
        frame(3),
    ],
)
def test_a_session_cut_at_every_byte_is_answered_alike(end):
    data = HANDSHAKE % b"echo" + CONVERSATION + end + frame(TEXT, b"no") * bool(end)

    def play(*pieces: bytes) -> bytes:
        wire = Lockstep(make_app([]), CONFIG)
        for piece in pieces:
            wire.receive(piece)
        # Control frames may overtake messages that the handler has still to answer.
        return wire.take().replace(b"\x8a\x01p", b"")

    whole = play(data)
    assert play(*[data[i : i + 1] for i in range(len(data))]) == whole
    for cut in range(1, len(data)):
        assert play(data[:cut], data[cut:]) == whole


@settings(deadline=None)
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=20),
            st.builds(
                frame,
                st.sampled_from([0, TEXT, BINARY, CLOSE, PING, PONG]),
                st.binary(max_size=12),
                fin=st.booleans(),
            ),
            st.sampled_from(["eof", "shutdown", "stall", "resume", 1.0, 10.0]),
        ),
        max_size=10,
    ),
    st.sampled_from([b"echo", b"slow", b"busy", b"close", b"late", b"return"]),
)
def test_whatever_happens_nothing_raises_and_at_most_one_close_is_sent(steps, path):
    wire = Lockstep(make_app([]), CONFIG)
    wire.receive(HANDSHAKE % path)
    for step in steps:
        if isinstance(step, bytes):
            wire.receive(step)
        elif isinstance(step, float):
            wire.advance(step)
        elif step == "shutdown":
            wire.world.server.shutdown()
        else:
            getattr(wire, step)()
    wire.resume()
    wire.advance(2000)
    assert wire.closed
    reader = FrameProtocol(client=True, extensions=[])
    reader.receive_bytes(wire.take().partition(b"\r\n\r\n")[2])
    kinds = [each.opcode for each in reader.received_frames()]
    assert Opcode.CLOSE not in kinds[:-1]
    assert [record.error for record in wire.log if record.level == "error"] == []


def test_a_close_is_answered_at_once_when_the_handler_has_asked_in_vain_for_more() -> None:
    """The handler owes no answer any more, whatever it does next."""
    room: Broadcast[str] = Broadcast()

    async def handler(ctx: Context) -> None:
        with room.subscribe() as subscription:
            ws = await ctx.accept()
            async for source, item in ctx.select(ws, subscription):
                if source is ws:
                    await ws.send(item)
                else:
                    await ctx.sleep(1000)

    client = Client(b"room", handler=handler)
    assert client.send(client.frames.send_data("?", fin=True)) == [("TEXT", "?")]
    room.send("be busy")
    client.wire.world.run()
    assert client.send(client.frames.close(1000))[0][0] == "CLOSE"
