"""Many connections of one server at once: never a byte of one on another."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import zip_longest
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto.events import TextMessage

from anylane import App, Context
from anylane.testing import Lockstep, World
from anylane_conformance.harness.websocket_peer import WebSocketPeer
from anylane_conformance.harness.wires import Cutter, LockstepPeer
from tests.conversations import (
    CONFIG,
    OnPurpose,
    Spelled,
    Step,
    assert_as_predicted,
    conversations,
    cut,
    make_app,
    parse,
    perform,
    scripts,
)
from tests.damage import damaged
from tests.http_model import ROUTES, Ask, predict

APP = make_app(panic=True)
NAMES = ("AAAAAAAA", "BBBBBBBB", "CCCCCCCC", "DDDDDDDD")
"""What all tokens of a connection begin with; far enough apart to survive damage."""


def marks(data: bytes) -> set[bytes]:
    return set(re.findall(rb"A{5}|B{5}|C{5}|D{5}", data))


def assert_no_strangers(sent: bytes, name: str) -> None:
    strangers = marks(sent) - {name[:5].encode()}
    assert not strangers, f"client {name} received what belongs to {strangers}: {sent!r}"


class Client:
    """One connection and what is still to happen on it.

    predicted: what it is to receive; None where it was damaged or vanishes.
    """

    def __init__(self, data: Any, world: World, name: str) -> None:
        self.name = name
        self.wire = Lockstep(world=world)
        said = data.draw(conversations(name, 3), label=f"{name} says")
        kinds = st.sampled_from(["valid", "valid", "damaged", "vanishes", "half-closes"])
        kind = data.draw(kinds, label=f"{name} is")
        self.asks = [each.ask for each in said]
        self.predicted = predict(self.asks) if kind == "valid" else None
        self.steps: list[Step] = data.draw(scripts(said), label=f"{name} does")
        sent = b"".join(each.head + each.body for each in said)
        match kind:
            case "damaged":
                sent = data.draw(damaged(sent, sent))
                self.steps = data.draw(cut(sent)) if sent else []
            case "vanishes":
                at = data.draw(st.integers(0, len(self.steps)))
                self.steps = [*self.steps[:at], ("lose", None)]
            case "half-closes":
                at = data.draw(st.integers(0, len(self.steps)))
                self.steps.insert(at, ("eof", None))
            case _:
                pass

    def __repr__(self) -> str:
        return f"client {self.name}"

    def go_on(self) -> None:
        if not perform(self.wire, self.steps.pop(0)):
            self.steps.clear()

    def check(self) -> None:
        sent = self.wire.sent
        assert_no_strangers(sent, self.name)
        if self.predicted is not None:
            seen = list(parse(sent, (ask.method for ask in self.asks)))
            assert_as_predicted(seen, self.predicted)


@given(st.data())
def test_every_connection_is_answered_as_if_it_were_alone(data: Any) -> None:
    world = World(APP, CONFIG)
    clients = [Client(data, world, name) for name in NAMES[: data.draw(st.integers(2, 4))]]
    while waiting := [client for client in clients if client.steps]:
        data.draw(st.sampled_from(waiting), label="goes on").go_on()
    for client in clients:
        client.wire.resume()
    world.advance(100)
    for client in clients:
        client.check()
    errors = [record.error for record in world.log if record.level == "error"]
    assert all(isinstance(error, OnPurpose) for error in errors)
    world.advance(1_000_000)
    assert all(client.wire.closed for client in clients)
    assert not world.drivers and not world.runnable and world.deadlines.next() is None


# --- in step: nothing is left to chance ----------------------------------------------------------

KINDS = [
    Ask(method, route, "", body=body, chunks=chunks, trailer=trailer)
    for route, each in ROUTES.items()
    for method in each.methods
    for body, chunks, trailer in (
        [(None, None, None)] if method == "GET" else [(b"", None, None), (b"", (3, 5), "")]
    )
]
"""Every route as it is meant to be used, with each way to send a body."""


def conversation(kind: Ask, name: str) -> list[Spelled]:
    """Twice on one connection, so that what the first leaves behind meets the second."""
    asks = []
    for number in range(2):
        token = f"{name}{number}"
        body = None if kind.body is None else f"<{token}>".encode() * 3
        trailer = None if kind.trailer is None else token
        asks.append(Spelled(replace(kind, token=token, body=body, trailer=trailer)))
    return asks[: len(predict(each.ask for each in asks))]


def in_bytes(said: list[Spelled]) -> list[bytes]:
    return [bytes((byte,)) for each in said for byte in each.head + each.body]


def head_by_head(said: list[Spelled]) -> list[bytes]:
    """Heads whole, as the express lane takes them."""
    pieces = []
    for each in said:
        pieces += [each.head, *(bytes((byte,)) for byte in each.body)]
    return pieces


@pytest.mark.parametrize("pieces", [in_bytes, head_by_head])
@pytest.mark.parametrize(
    "kind", KINDS, ids=lambda ask: f"{ask.method} {ask.route}" + " chunked" * bool(ask.chunks)
)
def test_clients_in_step_get_each_their_own_answers(kind: Ask, pieces: Any) -> None:
    world = World(APP, CONFIG)
    wires = {name: Lockstep(world=world) for name in NAMES[:3]}
    said = {name: conversation(kind, name) for name in wires}
    for together in zip_longest(*(pieces(each) for each in said.values()), fillvalue=b""):
        for wire, piece in zip(wires.values(), together, strict=True):
            wire.receive(piece)
    world.advance(20)
    for name, wire in wires.items():
        assert_no_strangers(wire.sent, name)
        asks = [each.ask for each in said[name]]
        assert_as_predicted(list(parse(wire.sent, (ask.method for ask in asks))), predict(asks))


@pytest.mark.parametrize("size", [1, 1000])
def test_websockets_in_step_get_each_their_own_messages(size: int) -> None:
    app = App()

    @app.websocket("/echo")
    async def echo(ctx: Context) -> None:
        ws = await ctx.accept()
        async for message in ws:
            await ws.send(message)

    world = World(app)
    peers = {name: LockstepPeer(Lockstep(world=world), Cutter()) for name in NAMES[:3]}
    offer = "Sec-WebSocket-Extensions: permessage-deflate"
    sockets = {name: WebSocketPeer.open(peer, "/echo", offer) for name, peer in peers.items()}
    messages = {name: [f"{name} {n}" * 3 for n in range(3)] for name in peers}
    frames = {
        name: b"".join(
            ws.frame(TextMessage(each[:9], message_finished=False))
            + ws.frame(TextMessage(each[9:]))
            for each in messages[name]
        )
        for name, ws in sockets.items()
    }
    for at in range(0, max(map(len, frames.values())), size):
        for name, peer in peers.items():
            peer.send(frames[name][at : at + size])
    for name, ws in sockets.items():
        assert [ws.receive() for _ in range(3)] == messages[name]
