"""Many connections of one server at once: never a byte of one on another."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from anylane.testing import Lockstep, World
from tests.conversations import (
    CONFIG,
    OnPurpose,
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
from tests.http_model import predict

APP = make_app(panic=True)
NAMES = ("AAAAAAAA", "BBBBBBBB", "CCCCCCCC", "DDDDDDDD")
"""What all tokens of a connection begin with; far enough apart to survive damage."""


def marks(data: bytes) -> set[bytes]:
    return set(re.findall(rb"A{5}|B{5}|C{5}|D{5}", data))


class Client:
    """One connection and what is still to happen on it.

    predicted: what it is to receive; None where it was damaged or vanishes.
    """

    def __init__(self, data: Any, world: World, name: str) -> None:
        self.name = name
        self.wire = Lockstep(world=world)
        said = data.draw(conversations(name, 3))
        kind = data.draw(st.sampled_from(["valid", "valid", "damaged", "vanishes", "half-closes"]))
        self.asks = [each.ask for each in said]
        self.predicted = predict(self.asks) if kind == "valid" else None
        self.steps: list[Step] = data.draw(scripts(said))
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

    def go_on(self) -> None:
        if not perform(self.wire, self.steps.pop(0)):
            self.steps.clear()

    def check(self) -> None:
        sent = self.wire.sent
        assert marks(sent) <= {self.name[:5].encode()}, f"{self.name} received {marks(sent)}"
        if self.predicted is not None:
            seen = list(parse(sent, (ask.method for ask in self.asks)))
            assert_as_predicted(seen, self.predicted)


@given(st.data())
def test_every_connection_is_answered_as_if_it_were_alone(data: Any) -> None:
    world = World(APP, CONFIG)
    clients = [Client(data, world, name) for name in NAMES[: data.draw(st.integers(2, 4))]]
    while waiting := [client for client in clients if client.steps]:
        data.draw(st.sampled_from(waiting)).go_on()
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
