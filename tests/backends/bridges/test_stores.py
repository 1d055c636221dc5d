"""What several servers keep together in a real Valkey server, on every lane."""

from __future__ import annotations

import logging
import socket
import threading
import time
from contextlib import ExitStack
from typing import Any

import pytest

from anylane import App, Context, EventLog, UsageError
from anylane.middleware import RateLimit, Sessions
from anylane.middleware.rate_limit.gcra import Rate
from anylane.testing import TestClient
from anylane_backends.bridges import ValkeyBridge
from anylane_backends.bridges.stores.event_log import BATCH
from anylane_backends.bridges.stores.rates import SCRIPT
from tests.brokers import Broker
from tests.waiting import eventually

LANES = (None, "asyncio", "uvloop", "anyio", "trio", "curio", "threads")
SECRET = "s" * 32


class Site:
    """One server of a site. It stands for one of its processes."""

    def __init__(self, url: str, rate: str = "1000/minute", **settings: Any) -> None:
        when_away = settings.pop("when_away", {})
        self.bridge = ValkeyBridge(url, **settings)
        self.log = EventLog(100, store=self.bridge.event_store("news"))
        self.app = app = App()
        app.lifespan(self.bridge)
        app.use(Sessions(SECRET, store=self.bridge.session_store(**when_away)))
        app.use(RateLimit(rate, store=self.bridge.rate_store(**when_away)))

        @app.get("/count")
        async def count(ctx: Context) -> int:
            ctx.session["n"] = ctx.session.get("n", 0) + 1
            return int(ctx.session["n"])

        @app.get("/read")
        def read(ctx: Context) -> int:
            return int(ctx.session.get("n", 0))

        @app.get("/end")
        async def end(ctx: Context) -> None:
            ctx.session.clear()

        @app.get("/events")
        async def events(ctx: Context) -> None:
            async with ctx.event_stream() as stream:
                await stream.follow(self.log, history=3)


def sites(valkey: Broker, count: int = 2, **settings: Any) -> list[Site]:
    return [Site(valkey.url, **settings) for _ in range(count)]


@pytest.mark.parametrize("lane", LANES, ids=lambda lane: lane or "memory")
def test_a_session_is_found_whichever_server_answers(valkey: Broker, lane: str | None) -> None:
    one, two = sites(valkey)
    with TestClient(one.app, backend=lane) as here, TestClient(two.app, backend=lane) as there:
        assert here.get("/count").json() == 1
        there.cookies.update(here.cookies)
        assert there.get("/count").json() == 2
        assert here.get("/read").json() == 2
        assert there.get("/end").status == 204
        assert here.get("/read").json() == 0


@pytest.mark.parametrize("lane", LANES, ids=lambda lane: lane or "memory")
def test_requests_are_counted_together(valkey: Broker, lane: str | None) -> None:
    one, two = sites(valkey, rate="5/hour")
    with TestClient(one.app, backend=lane) as here, TestClient(two.app, backend=lane) as there:
        statuses = [client.get("/read").status for client in (here, there) * 3]
        assert statuses == [200] * 5 + [429]
        refused = there.get("/read")
        assert 710 <= int(refused.headers["retry-after"]) <= 720
        assert refused.headers["ratelimit"].startswith('"default";r=0;t=')


@pytest.mark.parametrize("lane", LANES[1:])
def test_a_client_of_a_log_may_come_again_to_another_server(valkey: Broker, lane: str) -> None:
    one, two = sites(valkey)
    with TestClient(one.app, backend=lane) as here, TestClient(two.app, backend=lane) as there:
        with here.events("/events") as events:
            one.log.send({"n": 1}, "note")
            eventually(lambda: len(two.log) == 1)
            two.log.send("two")
            first, second = next(events), next(events)
            assert (first.event, first.json()) == ("note", {"n": 1})
            assert (second.event, second.data) == ("message", "two")
            seen = events.last_event_id
        one.log.send(3)
        with there.events("/events", seen) as events:
            assert next(events).json() == 3
            two.log.send(4)
            assert next(events).json() == 4
            seen = events.last_event_id
    # All servers are started anew.
    (fresh,) = sites(valkey, 1)
    with TestClient(fresh.app, backend=lane) as client:
        fresh.log.send(5)
        with client.events("/events", seen) as events:
            assert next(events).json() == 5


# -- rates ----------------------------------------------------------------------------------------


def connect(valkey: Broker) -> Any:
    import valkey as library

    return library.Valkey(port=valkey.port)


def test_the_script_counts_as_python_does(valkey: Broker) -> None:
    rate = Rate.parse("50/second burst 20")
    with connect(valkey) as client:
        script = client.register_script(SCRIPT)
        until: float | None = None
        outcomes = set()
        for n in range(300):
            if n % 40 == 39:
                time.sleep(0.11)
            allowed, told, now = script(keys=["k"], args=[repr(rate.interval), repr(rate.window)])
            until, usage = rate.after_one(until, float(now))
            assert (bool(allowed), float(told)) == (usage.allowed, until)
            outcomes.add(bool(allowed))
        assert outcomes == {True, False}
        assert 0 < client.pttl("k") <= 401


def test_of_many_requests_at_once_as_many_pass_as_may(valkey: Broker) -> None:
    servers = sites(valkey, 3, rate="20/hour")
    passed: list[int] = []
    with ExitStack() as stack:
        clients = [stack.enter_context(TestClient(each.app, backend="threads")) for each in servers]

        def ask(client: TestClient) -> None:
            passed.extend(client.get("/read").status for _ in range(20))

        threads = [threading.Thread(target=ask, args=(client,)) for client in clients]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
    assert sorted(passed) == [200] * 20 + [429] * 40


# -- sessions -------------------------------------------------------------------------------------


def test_a_session_ends_by_the_servers_clock(valkey: Broker) -> None:
    (site,) = sites(valkey, 1)
    with TestClient(site.app, backend="asyncio") as client, connect(valkey) as server:
        client.get("/count")
        (key,) = server.keys("anylane:session:*")
        assert 14 * 86400 - 5 <= server.ttl(key) <= 14 * 86400
        server.delete(key)
        assert client.get("/read").json() == 0


# -- a server that is away ------------------------------------------------------------------------


@pytest.mark.parametrize("lane", ["asyncio", "trio", "curio", "threads"])
def test_by_default_sessions_are_refused_and_requests_not_counted(
    valkey: Broker, lane: str, caplog: pytest.LogCaptureFixture
) -> None:
    (site,) = sites(valkey, 1)
    with TestClient(site.app, backend=lane) as client:
        assert client.get("/count").json() == 1
        valkey.kill()
        refused = client.get("/read")
        assert (refused.status, refused.headers["retry-after"]) == (503, "2")
        client.cookies.clear()
        assert client.get("/read").status == 200
        assert client.get("/count").status == 503, "a session that is not kept is none"
        valkey.start()
        eventually(lambda: client.get("/count").status == 200)
    told = [each.getMessage() for each in caplog.records if "stores do not" in each.getMessage()]
    assert len(told) == 1


def test_the_choice_can_be_the_other_one(valkey: Broker) -> None:
    closed = Site(valkey.url, when_away={"when_away": "refuse"})
    lenient = Site(valkey.url, when_away={"when_away": "allow"})
    with TestClient(lenient.app) as there, TestClient(closed.app) as here:
        assert there.get("/count").json() == 1
        valkey.kill()
        assert there.get("/read").json() == 0, "as a client without a session"
        assert there.get("/count").status == 503
        assert there.get("/end").status in (204, 503)
        here.cookies.clear()
        assert here.get("/read").status == 503, "it cannot be counted"
    for wrong in ("open", None):
        with pytest.raises(UsageError, match="when_away of"):
            ValkeyBridge(valkey.url).session_store(when_away=wrong)  # type: ignore[arg-type]
        with pytest.raises(UsageError, match="when_away of"):
            ValkeyBridge(valkey.url).rate_store(when_away=wrong)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="prefix of rate_store is ''"):
        ValkeyBridge(valkey.url).rate_store("")


@pytest.mark.parametrize("lane", ["asyncio", "trio", "curio", "threads", None])
def test_a_server_that_stops_to_answer_costs_one_time_out_and_not_one_each(
    valkey: Broker, lane: str | None
) -> None:
    (site,) = sites(valkey, 1, timeout=0.3)
    with TestClient(site.app, backend=lane) as client:
        client.get("/count")
        valkey.suspend()
        try:
            began = time.monotonic()
            for _ in range(20):
                assert client.get("/read").status == 503
            assert 0.25 < time.monotonic() - began < 2
        finally:
            valkey.resume()
        eventually(lambda: client.get("/read").json() == 1)


def test_a_store_outside_of_its_servers_life_says_what_to_do(valkey: Broker) -> None:
    bridge = ValkeyBridge(valkey.url)
    app = App()
    app.use(RateLimit("5/minute", store=bridge.rate_store()))
    app.get("/")(lambda ctx: "")
    client = TestClient(app)
    assert client.get("/").status == 500
    assert "app.lifespan(bridge)" in str(client.log)
    with bridge:
        coroutine = bridge.rate_store().hit("k", Rate.parse("1/minute"))
        with pytest.raises(UsageError, match="none runs here"):
            coroutine.send(None)
        with pytest.raises(UsageError, match="before the server starts"):
            bridge.event_store("late")


# -- event logs -----------------------------------------------------------------------------------


def kept(log: EventLog) -> list[Any]:
    return [each.data for each in log._entries]


def numbers(log: EventLog) -> list[int]:
    return [*range(log._newest - len(log) + 1, log._newest + 1)]


def test_logs_of_several_processes_are_one_log(valkey: Broker) -> None:
    one, two = sites(valkey)
    with one.bridge, two.bridge:
        eventually(lambda: one.log._epoch is not None)

        def send(site: Site, name: str) -> None:
            for n in range(200):
                site.log.send([name, n])

        threads = [threading.Thread(target=send, args=each) for each in ((one, "a"), (two, "b"))]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        eventually(lambda: one.log._newest == two.log._newest == 400)
        assert kept(one.log) == kept(two.log)
        assert len(one.log) == 100
        for name in "ab":
            got = [n for who, n in kept(one.log) if who == name]
            assert got == sorted(got)
        with connect(valkey) as client:
            assert client.xlen("anylane:events:news") == 100, "the stream is bounded, too"


def test_events_that_are_sent_while_the_server_is_away_are_appended_when_it_is_back(
    valkey: Broker,
) -> None:
    one, two = sites(valkey)
    with one.bridge, two.bridge:
        eventually(lambda: one.log._epoch and one.log._epoch == two.log._epoch)
        one.log.send(1)
        eventually(lambda: len(two.log) == 1)
        epoch = two.log._epoch
        valkey.kill()
        eventually(lambda: not one.bridge.connected)
        one.log.send(2)
        one.log.send(3)
        valkey.start()  # It has no disk, so this is a new log.
        eventually(lambda: kept(two.log) == [2, 3])
        assert two.log._epoch != epoch
        eventually(lambda: kept(one.log) == [2, 3])


def test_a_log_that_was_made_before_the_start_waits_for_it(valkey: Broker) -> None:
    (site,) = sites(valkey, 1)
    for n in range(BATCH + 5):
        site.log.send(n)
    with site.bridge:
        eventually(lambda: site.log._newest == BATCH + 5)
    assert kept(site.log) == [*range(5, BATCH + 5)]


def test_what_waits_has_a_bound_and_the_rest_is_counted(valkey: Broker) -> None:
    bridge = ValkeyBridge(valkey.url, max_queue=3, max_payload=1024)
    store = bridge.event_store("news")
    log = EventLog(store=store)
    for n in range(5):
        log.send(n)
    assert store.lost == 2
    with pytest.raises(UsageError, match="an event has 1,025 bytes; max_payload"):
        log.send("x" * 1025)
    log.send("x" * 1024)
    with bridge:
        eventually(lambda: kept(log) == [3, 4, "x" * 1024])
    assert store.lost == 3
    with pytest.raises(UsageError, match="has an EventLog already"):
        EventLog(store=store)


def test_what_others_write_into_the_stream_is_left_out(
    valkey: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "anylane.bridge")
    one, two = sites(valkey)
    with one.bridge, two.bridge, connect(valkey) as client:
        one.log.send("before")
        eventually(lambda: kept(two.log) == ["before"])
        key = "anylane:events:news"
        client.xadd(key, {"what": "ever"}, id=f"{one.log._epoch}-*")
        client.xadd(key, {"k": "j", "e": "", "d": "{"}, id=f"{one.log._epoch}-*")
        client.xadd(key, {"k": "t", "e": "a\nb", "d": "x"}, id=f"{one.log._epoch}-*")
        two.log.send("after")
        eventually(lambda: kept(one.log) == kept(two.log) == ["after"])
        assert numbers(one.log) == [5]
    assert "none of ours" in caplog.text


def test_a_key_of_another_kind_is_told_and_ends_nothing(
    valkey: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    (site,) = sites(valkey, 1)
    with connect(valkey) as client:
        client.set("anylane:events:news", "text")
        with site.bridge, TestClient(site.app) as visitor:
            site.log.send("x")
            eventually(lambda: "cannot be followed" in caplog.text)
            assert visitor.get("/count").status == 200
            client.delete("anylane:events:news")
            eventually(lambda: site.log._epoch is not None)
            site.log.send("y")
            eventually(lambda: kept(site.log) == ["y"])


def test_a_server_that_forbids_ping_keeps_the_log(valkey: Broker) -> None:
    one, two = sites(valkey)
    with connect(valkey) as client:
        client.execute_command("ACL", "SETUSER", "default", "-ping")
    with one.bridge, two.bridge:
        eventually(lambda: one.log._epoch and one.log._epoch == two.log._epoch)
        for n in range(3):
            one.log.send(n)
        eventually(lambda: kept(two.log) == [0, 1, 2], 5)


def test_a_silent_server_holds_no_end_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        site = Site(f"valkey://127.0.0.1:{silent.getsockname()[1]}", timeout=0.2)
        with site.bridge:
            site.log.send("lost")
            began = time.monotonic()
        assert time.monotonic() - began < 1.5  # One, and what a busy machine adds.
    assert not any("anylane" in each.name for each in threading.enumerate())
