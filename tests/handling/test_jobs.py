"""@app.every: periodic jobs, here in virtual time."""

from __future__ import annotations

import contextvars
from collections.abc import AsyncGenerator, Generator
from itertools import pairwise
from math import inf, nan
from types import SimpleNamespace
from typing import Any

import pytest

from anylane import App, Broadcast, Context, ServerConfig, UsageError
from anylane.config.limits import Timeouts
from anylane.errors import RegistrationError
from anylane.lane.life.schedule import MAX_INTERVAL, MIN_INTERVAL, Periodic, Schedule
from anylane.lane.server_core import ServerCore
from anylane.lane.wake_queue import WakeQueue
from anylane.protocol.exchange import Interrupt
from anylane.testing import Lockstep, TestClient, World
from anylane.testing.client.errors import Silence


def test_the_first_turn_comes_after_one_interval_and_the_others_one_after_each_other() -> None:
    app, turns = App(), []

    @app.every(60)
    async def job(ctx: Context) -> None:
        turns.append(ctx.now())

    with TestClient(app) as client:
        client.advance(59.5)
        assert turns == []
        client.advance(200)
    assert turns == [60, 120, 180, 240]


def test_lockstep_advances_jobs_too() -> None:
    app, turns = App(), []

    @app.every(0.5)
    def job() -> None:
        turns.append("def")

    wire = Lockstep(app)
    wire.advance(1.6)
    assert turns == ["def"] * 3


def test_turns_are_counted_from_the_start_whatever_they_take() -> None:
    app, turns = App(), []

    @app.every(10)
    async def job(ctx: Context) -> None:
        turns.append(ctx.now())
        await ctx.sleep(4)

    with TestClient(app) as client:
        client.advance(35)
    assert turns == [10, 20, 30]


def test_a_long_turn_leaves_out_those_it_covers() -> None:
    app, turns = App(), []

    @app.every(10)
    async def job(ctx: Context) -> None:
        turns.append(ctx.now())
        await ctx.sleep(25)

    with TestClient(app) as client:
        client.advance(100)
    assert turns == [10, 40, 70, 100]


class Unprintable(BaseException):
    def __repr__(self) -> str:
        raise SystemExit


@pytest.mark.parametrize("failure", [ValueError("no"), SystemExit(3), Unprintable()])
@pytest.mark.parametrize("kind", ["async", "def"])
def test_a_failure_is_logged_and_the_next_turn_comes(failure: BaseException, kind: str) -> None:
    app, turns = App(), []

    def fail() -> None:
        turns.append(1)
        raise failure

    async def fail_later() -> None:
        fail()

    app.every(1)(fail if kind == "def" else fail_later)
    with TestClient(app) as client:
        client.advance(3.5)
        lines = [each.message for each in client.log if each.level == "error"]
    assert len(turns) == len(lines) == 3
    assert all("the job " in line and "fail" in line and "failed" in line for line in lines)


def test_a_turn_has_a_context_of_its_own_with_what_the_lifespan_set() -> None:
    base = contextvars.ContextVar("base", default="unset")
    own = contextvars.ContextVar("own", default="unset")
    app, seen = App(), []

    @app.lifespan
    async def life() -> AsyncGenerator[None]:
        base.set("by the lifespan")
        app.state.db = "open"
        yield

    @app.every(1)
    def job() -> None:
        seen.append((base.get(), own.get(), app.state.db))
        own.set("by a turn")

    with TestClient(app) as client:
        client.advance(2)
    assert seen == [("by the lifespan", "unset", "open")] * 2


def test_a_job_reaches_clients() -> None:
    app: App = App()
    room: Broadcast[int] = Broadcast()

    @app.every(60)
    async def tick(ctx: Context) -> None:
        await ctx.sleep(1)
        room.send(int(ctx.now()))

    @app.get("/ticks")
    async def ticks(ctx: Context) -> None:
        with room.subscribe() as subscription:
            async with ctx.event_stream() as events:
                async for item in subscription:
                    await events.send(item)

    client = TestClient(app)
    with client.events("/ticks") as events:
        assert [next(events).data for _ in range(3)] == ["61", "121", "181"]


def test_a_client_that_waits_in_vain_is_told_although_there_are_jobs() -> None:
    app, turns = App(), []

    @app.every(1)
    def job() -> None:
        turns.append(1)

    @app.websocket("/")
    async def never(ctx: Context) -> None:
        ws = await ctx.accept()
        with Broadcast[str]().subscribe() as subscription:
            await ws.send(await anext(subscription))

    with TestClient(app).websocket("/") as ws, pytest.raises(Silence):
        ws.receive()
    assert len(turns) >= 1000


def test_the_jobs_of_mounted_apps_run_too_and_know_where_they_are() -> None:
    app, inner, seen = App(), App(), []

    @inner.get("/there")
    async def there(_ctx: Context) -> None: ...

    @inner.every(5)
    async def job(ctx: Context) -> None:
        seen.append((ctx.app is inner, ctx.path_for("there"), inner.state.x))

    @inner.on_startup
    def start() -> None:
        inner.state.x = 1

    app.mount("/one", inner)
    app.mount("/two", inner)
    with TestClient(app) as client:
        client.advance(6)
    assert seen == [(True, "/one/there", 1)]


def test_each_server_has_turns_of_its_own() -> None:
    app, seen = App(), []

    @app.lifespan
    def life() -> Generator[None]:
        app.state.turns = 0
        yield
        seen.append(app.state.turns)

    @app.every(1)
    def job() -> None:
        app.state.turns += 1

    with TestClient(app) as one, TestClient(app) as two:
        one.advance(3)
        two.advance(5)
    assert seen == [5, 3]


def test_a_drain_waits_for_a_turn_and_begins_no_more() -> None:
    app, seen = App(), []

    @app.every(1)
    async def job(ctx: Context) -> None:
        seen.append("begins")
        await ctx.sleep(5)
        seen.append("ends")

    world = World(app)
    world.advance(2)
    world.server.shutdown()
    world.run()
    overs = [world.server.over]
    world.advance(10)
    overs.append(world.server.over)
    assert overs == [False, True]
    assert seen == ["begins", "ends"]


def test_a_drain_interrupts_a_turn_in_the_end() -> None:
    app, seen = App(), []

    @app.every(1)
    def job(ctx: Context) -> None:
        try:
            ctx.call(ctx.sleep, 3600)
        finally:
            seen.append(ctx.interrupted)

    @app.every(1)
    async def of_async(ctx: Context) -> None:
        try:
            await ctx.sleep(3600)
        finally:
            seen.append(ctx.interrupted)

    app.jobs = app.jobs[1:]  # In memory a `def` that waits holds the world.
    world = World(app, ServerConfig(timeouts=Timeouts(drain=3)))
    world.advance(1.5)
    world.server.shutdown()
    world.advance(5)
    assert world.server.over
    assert seen == ["shutdown"]
    assert any("cut off" in each.message for each in world.log)


def test_background_of_a_job_runs_after_its_turn() -> None:
    app, seen = App(), []

    async def later(ctx: Context) -> None:
        await ctx.sleep(1)
        seen.append("later")

    def broken() -> None:
        raise ValueError

    @app.every(10)
    async def job(ctx: Context) -> None:
        ctx.background(broken)
        ctx.background(later, ctx)
        seen.append("turn")

    with TestClient(app) as client:
        client.advance(25)
        (*_, line) = [each.message for each in client.log]
    assert seen == ["turn", "later"] * 2
    assert "broken" in line
    assert "after the job" in line


def test_nothing_to_answer_in_a_job() -> None:
    app, seen = App(), []

    @app.every(1)
    async def job(ctx: Context) -> None:
        with pytest.raises(UsageError, match="no request to answer"):
            await ctx.send()
        seen.append("asked")

    with TestClient(app) as client:
        client.advance(1)
    assert seen == ["asked"]


# --- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [0, -1, nan, inf, -inf, True, "60", None, 0.009, 1_000_001])
def test_bad_intervals(seconds: Any) -> None:
    with pytest.raises(UsageError, match=r"interval of @app\.every is .*; expected seconds, from"):
        App().every(seconds)


@pytest.mark.parametrize("seconds", [MIN_INTERVAL, MAX_INTERVAL, 1, 0.5])
def test_the_bounds_themselves_are_good(seconds: float) -> None:
    app, turns = App(), []

    @app.every(seconds)
    def job() -> None:
        turns.append(1)

    with TestClient(app) as client:
        client.advance(seconds * 1.5)
    assert turns == [1]


def test_other_mistakes() -> None:
    app: Any = App()

    def job() -> None: ...

    with pytest.raises(UsageError, match=r"write @app\.every\(60\)"):
        app.every(job)
    with pytest.raises(UsageError, match="expected 'each' or 'one'"):
        app.every(1, workers="all")
    with pytest.raises(UsageError, match="write \\(\\) or \\(ctx\\)"):
        app.every(1)(lambda a, b: None)
    with pytest.raises(UsageError, match="expected a function"):
        app.every(1)(3)

    def generator() -> Generator[None]:
        yield

    async def async_generator() -> AsyncGenerator[None]:
        yield

    for each in (generator, async_generator):
        with pytest.raises(UsageError, match="has a `yield`"):
            app.every(1)(each)
    assert app.jobs == []
    TestClient(app).start()
    with pytest.raises(RegistrationError):
        app.every(1)(job)


def test_a_lane_that_cannot_run_jobs_says_so() -> None:
    app = App()
    app.every(1)(lambda: None)
    server = ServerCore(
        app.freeze(),
        ServerConfig(),
        time=lambda: 0.0,
        date=lambda: b"",
        token=bytes,
        log=lambda *_: None,
        lane="mine",
    )
    with pytest.raises(UsageError, match="the mine lane cannot run them"):
        server.attach(WakeQueue(lambda: None), lambda: None)


# --- one worker of several -----------------------------------------------------------------------


class Ring:
    def __init__(self, at: float, call: Any) -> None:
        self.at = at
        self.call = call

    def cancel(self) -> None:
        self.call = None


class Bench:
    """A lane by hand."""

    def __init__(self) -> None:
        self.time = 0.0
        self.rings: list[Ring] = []
        self.errands: list[Any] = []
        self.link: Any = SimpleNamespace(exchange=SimpleNamespace(interrupt=None))

    def clock(self) -> float:
        return self.time

    def arm(self, at: float, call: Any) -> Ring:
        self.rings.append(Ring(at, call))
        return self.rings[-1]

    def run_errand(self, errand: Any) -> None:
        self.errands.append(errand(self.link))

    def advance(self, seconds: float) -> None:
        self.time += seconds
        rings, self.rings = self.rings, []
        for ring in rings:
            if ring.call is None:
                continue
            if ring.at <= self.time:
                ring.call()
            else:
                self.rings.append(ring)

    def finish(self) -> None:
        for errand in self.errands:
            with pytest.raises(StopIteration):
                errand.send(None)
        self.errands.clear()


class Held:
    def __init__(self) -> None:
        self.is_ours = False
        self.released = 0

    def take(self) -> bool:
        return self.is_ours

    def release(self) -> None:
        self.released += 1


async def nothing(_link: Any) -> None: ...


def test_a_job_for_one_worker_waits_for_its_turn_to_lead() -> None:
    bench, lead = Bench(), Held()
    schedule = Schedule([Periodic(1, nothing, True), Periodic(1, nothing, False)], print)
    schedule.lead = lead
    schedule.start(bench)
    bench.advance(1)
    assert len(bench.errands) == 1
    bench.finish()
    lead.is_ours = True
    bench.advance(1)
    assert len(bench.errands) == 2
    schedule.end()
    assert lead.released == 0  # Another worker must not begin while this one still runs.
    bench.finish()
    assert lead.released > 0
    bench.advance(10)
    assert bench.errands == []


def test_a_job_that_is_cut_off_keeps_the_lead_because_its_function_may_still_run() -> None:
    bench, lead = Bench(), Held()
    schedule = Schedule([Periodic(1, nothing, True)], print)
    schedule.lead, lead.is_ours = lead, True
    schedule.start(bench)
    bench.advance(1)
    schedule.end()
    bench.link.exchange.interrupt = Interrupt.SHUTDOWN
    bench.finish()
    assert lead.released == 0


def test_a_lead_that_fails_is_logged_and_the_next_turn_comes() -> None:
    bench, said = Bench(), []

    class Broken(Held):
        def take(self) -> bool:
            raise OSError("no locks here")

    schedule = Schedule([Periodic(1, nothing, True)], lambda *line: said.append(line[1]))
    schedule.lead = Broken()
    schedule.start(bench)
    bench.advance(1)
    bench.advance(1)
    assert len(said) == 2
    assert "no locks here" in said[0]


def test_a_lane_that_rings_late_or_early_keeps_the_beat() -> None:
    bench = Bench()
    begun: list[float] = []
    schedule = Schedule([Periodic(10, nothing, False)], print)
    schedule.start(bench)
    for step in (10, 10.5, 9.5, 35, 5, 10):
        bench.advance(step)
        begun.extend(bench.time for _ in bench.errands)
        bench.finish()
    assert begun == [10, 20.5, 30, 65, 70, 80]
    assert all(b > a for a, b in pairwise(begun))


def test_a_server_that_was_told_to_stop_before_has_no_turns() -> None:
    bench = Bench()
    schedule = Schedule([Periodic(1, nothing, False)], print)
    schedule.end()
    schedule.start(bench)
    assert bench.rings == []
