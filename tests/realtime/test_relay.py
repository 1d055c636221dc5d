"""Relays: what is made once, what is left behind, and what harms nothing."""

from __future__ import annotations

import gc
import socket
import threading
import weakref
from contextlib import ExitStack
from typing import Any

import pytest
from websockets.sync.client import connect

from anylane import App, Broadcast, Context, Deflate, Server, ServerConfig, Timeouts, UsageError
from anylane.lane.errand import NoConnection
from anylane.protocol.channel.message_socket import ChannelWebSocket
from anylane.protocol.websocket.frame_writer import FrameWriter
from anylane.realtime.item_forms import ItemForms
from anylane.testing import Lockstep, TestClient
from tests.waiting import eventually

LANES = ("asyncio", "uvloop", "anyio", "trio", "curio", "threads")
UPGRADE = (
    b"GET /%s HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


GET = b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n"


def listening(room: Broadcast[Any], encode: Any = None) -> App:
    app = App()

    @app.websocket("/ws")
    async def ws(ctx: Context) -> None:
        ws = await ctx.accept()
        await ws.relay(room, encode)

    @app.get("/events")
    async def events(ctx: Context) -> None:
        async with ctx.event_stream() as events:
            await events.relay(room, encode)

    return app


def is_left(room: Broadcast[Any]) -> bool:
    """Whether nothing waits in the room."""
    return not room.receivers and not room._waiters._runtimes


@pytest.mark.parametrize("path", ["/ws", "/events"])
def test_the_form_of_an_item_is_made_once_for_all_receivers(path: str) -> None:
    made: list[object] = []

    def encode(item: object) -> str:
        made.append(item)
        return str(item)

    room: Broadcast[int] = Broadcast()
    base = Lockstep(listening(room, encode))
    wires = [base, *(base.open() for _ in range(4))]
    for wire in wires:
        wire.receive(UPGRADE % b"ws" if path == "/ws" else GET)
        wire.take()
    for number in range(3):
        assert room.send(number) == 5
    base.advance(0)
    assert made == [0, 1, 2]
    frames = [wire.take() for wire in wires]
    assert frames == [frames[0]] * 5 and b"2" in frames[0]


def test_a_compressed_form_is_made_once_where_no_context_is_taken_over() -> None:
    room: Broadcast[str] = Broadcast()
    deflate = Deflate(server_no_context_takeover=True, threshold=1)
    base = Lockstep(listening(room), ServerConfig(deflate=deflate))
    offer = b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
    wires = [base, *(base.open() for _ in range(3))]
    for wire in wires:
        wire.receive((UPGRADE % b"ws")[:-2] + offer)
        wire.take()
    forms = [*room._forms.values()]
    assert len(forms) == 1
    room.send("again and again and again")
    base.advance(0)
    assert len(forms[0].made) == 1
    assert len({wire.take() for wire in wires}) == 1


def test_forms_of_items_that_are_gone_are_dropped() -> None:
    forms = ItemForms()
    for number in range(100):
        forms.keep(number, [number], max(0, number - 3))
        assert forms.made[number] == [number]
        assert len(forms.made) <= 4
    assert forms.keep(5, "late", 200) == [[96], [97], [98], [99], "late"]
    assert not forms.made


def test_what_makes_a_form_may_fail_and_is_asked_again() -> None:
    room: Broadcast[str] = Broadcast()

    def fail() -> None:
        raise ValueError("no form")

    with room.subscribe() as subscription, room.subscribe():
        forms = subscription.forms("a kind")
        room.send("item")
        subscription.poll()
        with pytest.raises(ValueError, match="no form"):
            subscription.form(forms, fail)
        assert subscription.form(forms, lambda: "form") == "form"
        assert subscription.form(forms, fail) == "form"


def test_a_function_without_a_hash_can_be_given_as_encode() -> None:
    class Prefix:
        __hash__ = None  # type: ignore[assignment]

        def __call__(self, item: str) -> str:
            return f"prefix {item}"

    room: Broadcast[str] = Broadcast()
    wire = Lockstep(listening(room, Prefix()))
    wire.receive(UPGRADE % b"ws")
    room.send("item")
    assert b"prefix item" in wire.sent


def test_a_burst_leaves_no_forms_behind() -> None:
    """What the items hold is freed with the last receiver's turn, and not with the next item."""
    room: Broadcast[str] = Broadcast()
    base = Lockstep(listening(room))
    wires = [base, base.open(), base.open()]
    for path, wire in zip((b"ws", b"ws", b"events"), wires, strict=True):
        wire.receive(UPGRADE % b"ws" if path == b"ws" else GET)
    for number in range(100):
        room.send(str(number))
    base.advance(0)
    assert not room._items
    assert [len(forms.made) <= 1 for forms in room._forms.values()] == [True, True]


def test_a_host_and_a_lane_of_our_own_share_no_forms() -> None:
    """Under an ASGI server a message is no frame, and one room may have receivers under both."""
    carrier: Any = NoConnection(ServerConfig())
    exchange: Any = None
    channel = ChannelWebSocket(carrier, lambda _: None, exchange, None)
    assert channel.framing != FrameWriter().framing


@pytest.mark.parametrize("what", ["room", 7, None, [Broadcast()]])
def test_only_rooms_can_be_relayed(what: Any) -> None:
    app = App()

    @app.websocket("/")
    async def handler(ctx: Context) -> None:
        ws = await ctx.accept()
        with pytest.raises(UsageError, match=r"relay\(\) got .*; expected a Broadcast"):
            ws.relay(what)
        await ws.send("refused")

    with TestClient(app) as client, client.websocket("/") as ws:
        assert ws.receive() == "refused"


def test_a_relay_is_used_once() -> None:
    app = App()
    room: Broadcast[str] = Broadcast()

    @app.websocket("/")
    async def handler(ctx: Context) -> None:
        ws = await ctx.accept()
        relay = ws.relay(room)
        async with relay:
            with pytest.raises(UsageError, match="used once"):
                await relay
        with pytest.raises(UsageError, match="used once"):
            await relay
        await ws.send("refused")

    with TestClient(app) as client, client.websocket("/") as ws:
        assert ws.receive() == "refused"


def test_a_subscription_is_relayed_once() -> None:
    """Two connections that take from it in turn would take forms under wrong numbers."""
    app = App()
    room: Broadcast[str] = Broadcast()

    @app.websocket("/")
    async def handler(ctx: Context) -> None:
        with room.subscribe() as subscription:
            ws = await ctx.accept()
            async with ws.relay(subscription):
                with pytest.raises(UsageError, match="relayed already"):
                    await ws.relay(subscription)
                room.send("goes on")
            await ws.send("refused")

    with TestClient(app) as client, client.websocket("/") as ws:
        assert [ws.receive(), ws.receive()] == ["goes on", "refused"]
    assert is_left(room)


def test_an_event_type_that_is_none_is_refused_at_once() -> None:
    app = App()

    @app.get("/")
    async def handler(ctx: Context) -> None:
        async with ctx.event_stream() as events:
            with pytest.raises(UsageError, match="which has LF"):
                events.relay(Broadcast(), event="a\nb")
            await events.send("refused")

    with TestClient(app) as client:
        assert client.get("/").text == "data: refused\n\n"


@pytest.mark.parametrize("how", ["returns", "raises", "cancels", "client leaves", "client resets"])
def test_nothing_of_a_relay_is_left(how: str) -> None:
    app = App()
    room: Broadcast[str] = Broadcast()
    forms: list[weakref.ref[Any]] = []

    class Plain:
        def __call__(self, item: str) -> str:
            return item

    @app.websocket("/ws")
    async def handler(ctx: Context) -> None:
        ws = await ctx.accept()
        try:
            form = Plain()
            forms.append(weakref.ref(form))
            async with ctx.timeout(1), ws.relay(room, form):
                await ws.receive()
                if how == "raises":
                    raise ValueError("as it is meant to")
                if how == "cancels":
                    await ctx.sleep(5)
        except TimeoutError:
            pass

    wire = Lockstep(app)
    wire.receive(UPGRADE % b"ws")
    assert room.send("one") == 1
    wire.advance(0)
    assert b"one" in wire.take()
    match how:
        case "client leaves":
            wire.eof()
        case "client resets":
            wire.lose()
        case _:
            wire.receive(b"\x81\x81\0\0\0\0a")
    wire.advance(2)
    assert is_left(room)
    wire.world.log.clear()  # A failure has a traceback, with all variables.
    gc.collect()
    assert forms[0]() is None


@pytest.mark.parametrize("kind", [ValueError, SystemExit, KeyboardInterrupt, GeneratorExit])
@pytest.mark.parametrize("lane", LANES)
def test_whatever_a_form_raises_ends_its_own_receivers_alone(lane: str, kind: Any) -> None:
    room: Broadcast[str] = Broadcast()

    def encode(item: str) -> str:
        if item == "bad":
            raise kind("no form")
        return item

    app = listening(room, encode)

    @app.websocket("/plain")
    async def plain(ctx: Context) -> None:
        ws = await ctx.accept()
        await ws.relay(room)

    server = Server(app, ServerConfig(port=0), lane, log=lambda *_: None)
    server.start().wait_ready()
    url = f"ws://127.0.0.1:{server.addresses[0][1]}"
    try:
        with connect(f"{url}/ws") as bad, connect(f"{url}/plain") as good:
            eventually(lambda: room.receivers == 2)
            room.send("bad")
            assert good.recv(10) == "bad"
            with pytest.raises(Exception, match="1011"):
                bad.recv(10)
            eventually(lambda: room.receivers == 1)
            room.send("on")
            assert good.recv(10) == "on"
    finally:
        server.shutdown()
        assert server.wait(10)


@pytest.mark.parametrize("lane", LANES)
def test_senders_on_many_threads_reach_all_in_their_own_order(lane: str) -> None:
    room: Broadcast[str] = Broadcast(capacity=100_000)
    server = Server(listening(room), ServerConfig(port=0), lane)
    server.start().wait_ready()
    url = f"ws://127.0.0.1:{server.addresses[0][1]}/ws"
    count, senders = 300, 4

    def send(name: int) -> None:
        for number in range(count):
            room.send(f"{name} {number}")

    try:
        with ExitStack() as stack:
            clients = [stack.enter_context(connect(url)) for _ in range(8)]
            eventually(lambda: room.receivers == len(clients))
            threads = [threading.Thread(target=send, args=(name,)) for name in range(senders)]
            for thread in threads:
                thread.start()
            for client in clients:
                got = [str(client.recv(20)).split() for _ in range(count * senders)]
                for name in range(senders):
                    mine = [int(number) for who, number in got if who == str(name)]
                    assert mine == [*range(count)]
            for thread in threads:
                thread.join()
        eventually(lambda: is_left(room))
    finally:
        server.shutdown()
        assert server.wait(10)


@pytest.mark.parametrize("lane", LANES)
def test_a_handler_that_sends_itself_is_not_held_up_by_a_busy_room(lane: str) -> None:
    """Its own message comes behind what was sent before, and not behind all that ever comes."""
    app = App()
    room: Broadcast[str] = Broadcast(capacity=16)
    stop = threading.Event()

    @app.websocket("/")
    async def handler(ctx: Context) -> None:
        ws = await ctx.accept()
        async with ws.relay(room):
            async for text in ws:
                await ws.send(f"own {text!s}")

    def busy() -> None:
        while not stop.wait(0.0005):
            room.send("x" * 5000)

    server = Server(app, ServerConfig(port=0), lane)
    server.start().wait_ready()
    thread = threading.Thread(target=busy)
    try:
        with connect(f"ws://127.0.0.1:{server.addresses[0][1]}/") as ws:
            eventually(lambda: room.receivers == 1)
            thread.start()
            for number in range(20):
                ws.send(str(number))
                while not str(message := ws.recv(10)).startswith("own"):
                    pass
                assert message == f"own {number}"
    finally:
        stop.set()
        thread.join()
        server.shutdown()
        assert server.wait(10)


@pytest.mark.parametrize("lane", LANES)
def test_a_client_that_reads_nothing_holds_no_more_than_the_room(lane: str) -> None:
    """Its relay neither queues on nor hinders the others, and ends with the stall."""
    room: Broadcast[bytes] = Broadcast(capacity=8)
    config = ServerConfig(port=0, timeouts=Timeouts(write_stall=1.0))
    server = Server(listening(room), config, lane, log=lambda *_: None)
    server.start().wait_ready()
    address = server.addresses[0][:2]
    try:
        with (
            socket.create_connection(address) as slow,
            connect(f"ws://127.0.0.1:{address[1]}/ws") as quick,
        ):
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            slow.sendall(UPGRADE % b"ws")
            eventually(lambda: room.receivers == 2)
            for number in range(60):
                room.send(b"%d" % number + b"x" * 300_000)
                message = quick.recv(10)
                assert isinstance(message, bytes) and message.startswith(b"%d" % number)
            held = sum(
                driver.connection.unsent for driver in [*server.core.drivers] if driver.links
            )
            assert held < 2_000_000
            eventually(lambda: room.receivers == 1)
    finally:
        server.shutdown()
        assert server.wait(10)
