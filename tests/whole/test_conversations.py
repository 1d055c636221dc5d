"""Whole valid conversations against the reference model, however the network cuts them."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from anylane.testing import Lockstep, World
from tests.conversations import (
    CONFIG,
    OnPurpose,
    assert_as_predicted,
    conversations,
    make_app,
    parse,
    perform,
    scripts,
)
from tests.http_model import predict

APP = make_app()


@given(st.data())
def test_a_conversation_is_answered_as_the_model_says(data: Any) -> None:
    said = data.draw(conversations())
    steps = data.draw(scripts(said))
    half_closes = data.draw(st.booleans())
    asks = [each.ask for each in said]
    predicted = predict(asks)

    world = World(APP, CONFIG)
    wire = Lockstep(world=world)
    for step in steps:
        if not perform(wire, step):
            break
    wire.resume()  # Who closes while a stream is on its way to him is gone, not half-closed.
    if half_closes:
        wire.eof()
    wire.advance(100)

    seen = list(parse(wire.sent, (ask.method for ask in asks)))
    assert_as_predicted(seen, predicted)
    assert wire.eof_sent is (half_closes or not seen[-1].stays)
    wire.advance(200_000)  # Idle for longer than may be.
    assert wire.closed and not wire.reset_sent
    assert not world.drivers and not world.runnable and world.deadlines.next() is None
    assert all(isinstance(record.error, OnPurpose) for record in world.log)
