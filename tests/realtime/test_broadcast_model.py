"""Broadcast against a model that is too simple to be wrong: a list for each receiver."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
)

from anylane import Broadcast, Lagged, Subscription
from anylane.realtime.broadcast import OnLag
from anylane.realtime.source import ENDED, PENDING


class Receiver:
    """What a subscription should be."""

    def __init__(self, subscription: Subscription[int]) -> None:
        self.subscription = subscription
        self.items: list[int] = []
        self.open = True
        self.lagged = 0
        self.untold = 0

    def push(self, item: int, capacity: int, on_lag: str) -> None:
        if len(self.items) == capacity:
            self.lagged += 1
            if on_lag == "close":
                self.open = False
                return
            self.untold += 1
            self.items.pop(0)
        self.items.append(item)

    def poll(self) -> object:
        if self.items:
            return self.items.pop(0)
        return PENDING if self.open else ENDED


class BroadcastMachine(RuleBasedStateMachine):
    receivers = Bundle("receivers")

    @initialize(
        capacity=st.integers(1, 4), on_lag=st.sampled_from(["drop_oldest", "close", "error"])
    )
    def make(self, capacity: int, on_lag: OnLag) -> None:
        self.room: Broadcast[int] = Broadcast(capacity, on_lag)
        self.all: list[Receiver] = []
        self.sent = 0

    @rule(target=receivers)
    def subscribe(self) -> Receiver:
        receiver = Receiver(self.room.subscribe())
        self.all.append(receiver)
        return receiver

    @rule(times=st.integers(1, 6))
    def send(self, times: int) -> None:
        for _ in range(times):
            live = [receiver for receiver in self.all if receiver.open]
            assert self.room.send(self.sent) == len(live)
            for receiver in live:
                receiver.push(self.sent, self.room.capacity, self.room.on_lag)
            self.sent += 1

    @rule(receiver=receivers, times=st.integers(1, 6))
    def receive(self, receiver: Receiver, times: int) -> None:
        for _ in range(times):
            if self.room.on_lag == "error" and receiver.open and receiver.untold:
                # Not pytest.raises: it keeps the traceback, and with it the subscription.
                try:
                    told = receiver.subscription.poll()
                except Lagged as lagged:
                    told = lagged.count
                assert told == receiver.untold
                receiver.untold = 0
            assert receiver.subscription.poll() == receiver.poll()

    @rule(receiver=receivers)
    def unsubscribe(self, receiver: Receiver) -> None:
        receiver.subscription.close()
        receiver.open = False

    @rule(target=receivers, receiver=consumes(receivers))
    def vanish(self, receiver: Receiver) -> object:
        """Drop a subscription that was never closed."""
        self.all.remove(receiver)
        del receiver.subscription
        return multiple()

    @invariant()
    def everybody_has_what_he_should_have(self) -> None:
        if not hasattr(self, "room"):
            return
        room = self.room
        assert room.receivers == sum(receiver.open for receiver in self.all)
        for receiver in self.all:
            assert len(receiver.subscription) == len(receiver.items)
            assert receiver.subscription.lagged == receiver.lagged
        # Kept once, and no longer than for the slowest.
        assert len(room._items) == max(
            (len(receiver.items) for receiver in self.all if receiver.open), default=0
        )


TestBroadcast = BroadcastMachine.TestCase
TestBroadcast.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
