"""EventLogs over one store: the same log in every process, as far as a client can tell."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from anylane import EventLog, UsageError
from anylane.realtime.event_store import SharedLog
from anylane.testing import World
from tests.realtime.test_event_log import Follower, app_of, messages, resync


class Store:
    """A store for several logs. What is sent waits until `pass_on`, as it does on a network.

    epoch: names its ids. kept: its events in order, of which it keeps as many as the logs do.
    """

    def __init__(self) -> None:
        self.epoch = "e"
        self.logs: list[SharedLog] = []
        self.waiting: list[tuple[Any, str | None]] = []
        self.kept: list[tuple[int, Any, str | None]] = []
        self.number = 0

    def open(self, log: SharedLog) -> None:
        self.logs.append(log)

    def append(self, data: str | bytes, event: str | None) -> None:
        self.waiting.append((data if isinstance(data, str) else int(data), event))

    def pass_on(self, *logs: SharedLog) -> None:
        """Give what waits a place, and hand it to these logs; to all if none is named."""
        for data, event in self.waiting:
            self.number += 1
            self.kept = [*self.kept, (self.number, data, event)][-3:]
            for log in logs or self.logs:
                log.receive(self.epoch, self.number, data, event)
        self.waiting.clear()

    def load(self, log: SharedLog) -> None:
        """Hand a log all that is kept."""
        for number, data, event in self.kept:
            log.receive(self.epoch, number, data, event)
        log.stands_at(self.epoch, self.number)


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def logs(store: Store) -> list[EventLog]:
    made = [EventLog(3, store=store) for _ in range(2)]
    for log in made:
        store.load(log)
    return made


def send(store: Store, log: EventLog, *numbers: int) -> None:
    for number in numbers:
        log.send(number)
    store.pass_on()


def test_what_one_log_is_sent_all_have_in_one_order(store: Store, logs: list[EventLog]) -> None:
    clients = [Follower(World(app_of(log))) for log in logs]
    assert logs[0].send(1) == 1
    assert clients[0].read() == [], "not before it has a place"
    logs[1].send(2)
    store.pass_on()
    assert [client.read() for client in clients] == [messages(1, 2)] * 2
    assert {client.last_id for client in clients} == {"e-2"}


def test_a_client_may_come_again_to_another_log(store: Store, logs: list[EventLog]) -> None:
    client = Follower(World(app_of(logs[0])))
    send(store, logs[0], 1)
    assert client.read() == messages(1)
    client.wire.lose()
    send(store, logs[0], 2, 3)
    again = Follower(World(app_of(logs[1])), client.last_id)
    send(store, logs[1], 4)
    assert again.read() == messages(2, 3, 4)


def test_a_log_that_begins_anew_goes_on_where_the_store_is(
    store: Store, logs: list[EventLog]
) -> None:
    send(store, logs[0], 1, 2, 3, 4, 5)
    fresh = EventLog(3, store=store)
    client = Follower(World(app_of(fresh)), "e-3")
    assert client.read() == [], "it does not know yet where it stands"
    store.load(fresh)
    assert client.read() == messages(4, 5)
    assert Follower(World(app_of(fresh)), "e-1").read() == [
        resync("expired", "e-1", 1), *messages(3, 4, 5)
    ]  # fmt: skip


def test_a_new_client_of_a_log_that_is_not_loaded_gets_what_comes_then(store: Store) -> None:
    log = EventLog(3, store=store)
    client = Follower(World(app_of(log)))
    with_history = Follower(World(app_of(log)), path="/follow/1")
    assert client.last_id == ""
    store.number = 1
    store.kept.append((1, 1, None))
    store.load(log)
    send(store, log, 2)
    assert client.read() == messages(2)
    assert with_history.read() == messages(1, 2)


def test_what_comes_twice_is_taken_once(store: Store, logs: list[EventLog]) -> None:
    client = Follower(World(app_of(logs[0])))
    send(store, logs[0], 1, 2)
    store.load(logs[0])
    logs[0].receive("e", 1, 1, None)
    send(store, logs[0], 3)
    assert client.read() == messages(1, 2, 3)
    assert len(logs[0]) == 3


def test_a_log_that_was_cut_off_tells_what_it_missed(store: Store, logs: list[EventLog]) -> None:
    away = logs[1]
    client = Follower(World(app_of(away)))
    send(store, logs[0], 1)
    assert client.read() == messages(1)
    for number in range(2, 8):
        logs[0].send(number)
    store.pass_on(logs[0])
    store.load(away)
    assert client.read() == [resync("expired", "e-1", 3), *messages(5, 6, 7)]
    assert client.last_id == "e-7"


def test_a_log_that_missed_a_little_misses_nothing(store: Store, logs: list[EventLog]) -> None:
    client = Follower(World(app_of(logs[1])))
    for number in (1, 2):
        logs[0].send(number)
    store.pass_on(logs[0])
    store.load(logs[1])
    assert client.read() == messages(1, 2)


def test_a_store_that_begins_anew_is_told_as_a_restart(store: Store, logs: list[EventLog]) -> None:
    clients = [Follower(World(app_of(log))) for log in logs]
    send(store, logs[0], 1, 2)
    assert [client.read() for client in clients] == [messages(1, 2)] * 2
    store.epoch, store.number, store.kept = "f", 0, []
    store.load(logs[0])
    send(store, logs[1], 3)
    for client in clients:
        assert client.read() == [resync("unknown", "e-2", None), *messages(3)]
        assert client.last_id == "f-1"
    assert Follower(World(app_of(logs[0])), "e-2").read() == [
        resync("unknown", "e-2", None), *messages(3)
    ]  # fmt: skip


def test_an_epoch_that_begins_without_events_is_told_too(
    store: Store, logs: list[EventLog]
) -> None:
    client = Follower(World(app_of(logs[0])))
    send(store, logs[0], 1)
    client.read()
    store.epoch, store.number, store.kept = "f", 0, []
    store.load(logs[0])
    assert client.read() == [resync("unknown", "e-1", None)]
    assert client.last_id == "f-0"


def test_a_reader_counts_what_its_client_has_not_had_in_an_epoch_that_is_new_to_it(
    store: Store, logs: list[EventLog]
) -> None:
    send(store, logs[0], 1, 2, 3)
    follower: Any = SimpleNamespace(last_event_id="e-2")
    with logs[0].subscribe(follower) as reader:
        assert len(reader) == 1
        reader.poll()
        assert len(reader) == 0
        store.epoch, store.number, store.kept = "f", 0, []
        send(store, logs[1], 4)
        assert len(reader) == 1
        assert reader.poll().event == "resync"
        assert len(reader) == 1
        assert reader.poll().data == 4
        assert len(reader) == 0


def test_what_cannot_be_stored_is_refused(store: Store) -> None:
    for wrong in (object(), "store"):
        with pytest.raises(UsageError, match="EventLog store is"):
            EventLog(store=wrong)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="an epoch and a store"):
        EventLog(epoch="e", store=store)
    log = EventLog(store=store)
    for data, event in ((b"bytes", None), ("text", "two\nlines")):
        with pytest.raises(UsageError):
            log.send(data, event)
    assert store.waiting == []
