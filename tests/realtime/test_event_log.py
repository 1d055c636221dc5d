"""EventLog: what a client gets that comes again, and what it is told that came too late."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from anylane import App, Context, EventLog, LoggedEvent, UsageError
from anylane.testing import Lockstep, World
from anylane.testing.client.event_parser import EventParser


def app_of(log: EventLog) -> App:
    app = App()

    @app.get("/follow/{history:int}")
    async def follow(ctx: Context) -> None:
        async with ctx.event_stream() as events:
            await events.follow(log, history=ctx.params["history"])

    @app.get("/select")
    async def select(ctx: Context) -> None:
        with log.subscribe(ctx) as reader:
            async with ctx.event_stream() as events:
                async for _, item in ctx.select(reader):
                    await events.send(item, retry=7)

    return app


class Follower:
    """A client as the HTML standard has it. seen: what its page has shown: (type, data)."""

    def __init__(self, world: World, last_id: str = "", path: str = "/follow/0") -> None:
        self.wire = Lockstep(world=world)
        header = f"Last-Event-ID: {last_id}\r\n" if last_id else ""
        self.wire.receive(f"GET {path} HTTP/1.0\r\n{header}\r\n".encode())
        head, _, body = self.wire.take().partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 "), head
        self.parser = EventParser(last_id)
        self.seen: list[tuple[str, Any]] = []
        self._feed(body)

    def _feed(self, data: bytes) -> None:
        for event in self.parser.feed(data.decode()):
            self.seen.append((event.event, json.loads(event.data)))

    @property
    def last_id(self) -> str:
        return self.parser.last_event_id

    def read(self) -> list[tuple[str, Any]]:
        self._feed(self.wire.take())
        seen, self.seen = self.seen, []
        return seen


def messages(*numbers: int) -> list[tuple[str, Any]]:
    return [("message", number) for number in numbers]


def resync(reason: str, after: str, missed: int | None) -> tuple[str, Any]:
    return ("resync", {"reason": reason, "after": after, "missed": missed})


@pytest.fixture
def log() -> EventLog:
    return EventLog(3, epoch="e")


@pytest.fixture
def world(log: EventLog) -> World:
    return World(app_of(log))


def test_a_new_client_gets_what_is_sent_from_its_moment_on(log: EventLog, world: World) -> None:
    assert log.send(1) == 0
    client = Follower(world)
    assert log.receivers == 1
    assert log.send(2) == 1
    assert client.read() == messages(2)


def test_a_new_client_can_have_some_history(log: EventLog, world: World) -> None:
    for number in range(1, 6):
        log.send(number)
    assert Follower(world, path="/follow/2").read() == messages(4, 5)
    assert Follower(world, path="/follow/99").read() == messages(3, 4, 5)


def test_a_client_that_comes_again_gets_what_it_missed(log: EventLog, world: World) -> None:
    log.send(1)
    client = Follower(world, path="/follow/1")
    assert client.read() == messages(1)
    client.wire.lose()
    assert log.receivers == 0
    log.send(2)
    log.send(3)
    again = Follower(world, client.last_id)
    log.send(4)
    assert again.read() == messages(2, 3, 4)


def test_a_client_that_saw_no_event_misses_none_either(log: EventLog, world: World) -> None:
    client = Follower(world)
    client.read()
    assert client.last_id == "e-0"
    client.wire.lose()
    log.send(1)
    assert Follower(world, client.last_id).read() == messages(1)


def test_too_old_is_told_before_what_is_left(log: EventLog, world: World) -> None:
    for number in range(1, 7):
        log.send(number)
    assert Follower(world, "e-3").read() == messages(4, 5, 6)
    assert Follower(world, "e-2").read() == [resync("expired", "e-2", 1), *messages(4, 5, 6)]
    assert Follower(world, "e-0").read() == [resync("expired", "e-0", 3), *messages(4, 5, 6)]


@pytest.mark.parametrize(
    "strange", ["d-2", "e-7", "e-", "e", "-", "e--1", "e-²", "e-1x", "e-" + 30 * "1"]
)
def test_an_id_of_another_log_is_told_before_all_that_is_kept(
    log: EventLog, world: World, strange: str
) -> None:
    for number in range(1, 7):
        log.send(number)
    wire = strange.encode().decode("latin-1")
    client = Lockstep(world=world)
    client.receive(f"GET /follow/0 HTTP/1.0\r\nLast-Event-ID: {wire}\r\n\r\n".encode("latin-1"))
    events = EventParser().feed(client.take().partition(b"\r\n\r\n")[2].decode())
    assert [event.event for event in events] == ["resync", "message", "message", "message"]
    assert events[0].json() == {"reason": "unknown", "after": strange, "missed": None}
    assert events[0].id == "e-3"


def test_after_a_resync_a_client_is_up_to_date(log: EventLog, world: World) -> None:
    client = Follower(world, "before-9")
    assert client.read() == [resync("unknown", "before-9", None)]
    client.wire.lose()
    log.send(1)
    assert Follower(world, client.last_id).read() == messages(1)


def test_a_slow_client_is_told_what_it_lost(log: EventLog, world: World) -> None:
    client, quick = Follower(world), Follower(world)
    client.wire.stall()
    large = "x" * 70_000  # Over the outbound mark: the second waits.
    for number in range(8):
        log.send([number, large])
        assert quick.read() == [("message", [number, large])]
    client.wire.resume()
    assert client.read() == [
        ("message", [0, large]),
        ("message", [1, large]),  # It was in the handler's hand.
        resync("expired", "e-2", 3),
        *(("message", [number, large]) for number in (5, 6, 7)),
    ]


def test_bytes_are_bounded_and_the_newest_is_kept_whatever_its_size(world: World) -> None:
    log = EventLog(100, max_bytes=1000)
    for _ in range(50):
        log.send("x" * 92)  # 100 bytes on the wire
    assert len(log) == 10
    log.send("y" * 93)
    assert len(log) == 9
    log.send("z" * 5000)
    assert len(log) == 1


def test_events_can_be_selected(log: EventLog, world: World) -> None:
    client = Follower(world, path="/select")
    log.send({"a": 1}, "news")
    assert client.wire.take() == b'id: e-1\nevent: news\ndata: {"a":1}\n\n'.join(
        [b"retry: 7\n", b""]
    )


def test_an_event_that_was_read_before_its_news_came_keeps_nobody_from_hearing_of_the_next(
    log: EventLog, world: World
) -> None:
    client = Follower(world, path="/select")
    # The event is there first, and then what wakes: a reader may come in between, where another
    # thread sends, and finds the news later and nothing behind them.
    log._news.send(None)
    world.run()
    log.send(1)
    assert client.read() == messages(1)


def test_without_an_epoch_of_its_own_it_takes_the_servers_randomness() -> None:
    log = EventLog()
    first = Follower(World(app_of(log)))
    assert first.last_id == "000000000001-0"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"capacity": 0}, "capacity is 0"),
        ({"max_bytes": 0}, "max_bytes is 0"),
        ({"epoch": "a\nb"}, "id of an event is"),
    ],
)
def test_what_cannot_be_kept_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        EventLog(**options)


def test_what_cannot_be_sent_is_not_appended(log: EventLog) -> None:
    with pytest.raises(UsageError, match="data of an event is bytes"):
        log.send(b"raw")
    with pytest.raises(UsageError, match="has LF at 1"):
        log.send("x", "a\nb")
    with pytest.raises(TypeError):
        log.send(object())
    assert len(log) == 0


def test_threads_can_send_at_once() -> None:
    log = EventLog(10_000, epoch="e")
    world = World(app_of(log))
    client = Follower(world)

    def send(start: int) -> None:
        for number in range(start, start + 500):
            log.send(number)

    threads = [threading.Thread(target=send, args=(start,)) for start in (0, 1000, 2000, 3000)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seen = [number for _, number in client.read()]
    assert len(seen) == 2000
    for start in (0, 1000, 2000, 3000):
        of_one = [number for number in seen if start <= number < start + 1000]
        assert of_one == list(range(start, start + 500))


class ComingAndGoing(RuleBasedStateMachine):
    """Any number of clients that come, stall, leave and come again: what each page has shown is,
    but for what a resync has counted, every event since it first came, once and in order."""

    @initialize(capacity=st.integers(1, 6))
    def begin(self, capacity: int) -> None:
        self.log = EventLog(capacity, epoch="e")
        self.world = World(app_of(self.log))
        self.sent = 0
        self.clients: list[Follower] = []
        self.shown: list[int] = []
        self.expected: list[int] = []

    @rule()
    def come(self) -> None:
        if len(self.clients) < 4:
            self.clients.append(Follower(self.world))
            self.shown.append(self.sent)

    @rule(data=st.data(), size=st.sampled_from([0, 70_000]))
    def send(self, data: st.DataObject, size: int) -> None:
        for _ in range(data.draw(st.integers(1, 8))):
            self.sent += 1
            self.log.send([self.sent, "x" * size])

    @rule(which=st.integers(0, 3))
    def stall(self, which: int) -> None:
        if which < len(self.clients):
            self.clients[which].wire.stall()

    @rule(which=st.integers(0, 3))
    def resume(self, which: int) -> None:
        if which < len(self.clients):
            self.clients[which].wire.resume()

    @rule(which=st.integers(0, 3), meanwhile=st.integers(0, 8))
    def lose(self, which: int, meanwhile: int) -> None:
        if which < len(self.clients):
            self._look(which)
            client = self.clients[which]
            client.wire.lose()
            for _ in range(meanwhile):
                self.sent += 1
                self.log.send([self.sent, ""])
            self.clients[which] = Follower(self.world, client.last_id)

    @invariant()
    def no_gap_and_no_duplicate(self) -> None:
        for which in range(len(getattr(self, "clients", ()))):
            self._look(which)

    def _look(self, which: int) -> None:
        for kind, data in self.clients[which].read():
            if kind == "resync":
                assert data["reason"] == "expired"
                assert data["missed"] > 0
                self.shown[which] += data["missed"]
            else:
                assert data[0] == self.shown[which] + 1
                self.shown[which] = data[0]

    def teardown(self) -> None:
        for which, client in enumerate(getattr(self, "clients", ())):
            client.wire.resume()
            self._look(which)
            assert self.shown[which] == self.sent


TestComingAndGoing = ComingAndGoing.TestCase
TestComingAndGoing.settings = settings(max_examples=40, stateful_step_count=30)


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"])))
def test_any_last_event_id_is_answered(text: str) -> None:
    log = EventLog(2, epoch="e")
    log.send(1)
    client = Lockstep(app_of(log))
    value = text.encode("utf-8")
    client.receive(b"GET /follow/0 HTTP/1.0\r\nLast-Event-ID: x%b\r\n\r\n" % value)
    events = EventParser().feed(client.take().partition(b"\r\n\r\n")[2].decode())
    assert [event.event for event in events] == ["resync", "message"]


def test_a_logged_event_has_its_own_fields() -> None:
    app = App()

    @app.get("/")
    async def home(ctx: Context) -> None:
        async with ctx.event_stream() as events:
            item = LoggedEvent("x", None, "e-1", b"id: e-1\ndata: x\n\n")
            with pytest.raises(UsageError, match="an id of its own"):
                await events.send(item, id="2")
            await events.send(item)

    wire = Lockstep(app)
    wire.receive(b"GET / HTTP/1.0\r\n\r\n")
    assert wire.take().endswith(b"\r\n\r\nid: e-1\ndata: x\n\n")
