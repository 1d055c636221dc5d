"""RateLimit: how many pass, when the next one does, and whose requests count together."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from anylane import App, Context, ServerConfig, UsageError
from anylane.lane.link import current_link
from anylane.middleware import BearerAuth, RateLimit
from anylane.middleware.rate_limit.gcra import MAX_WINDOW, Rate, Usage
from anylane.middleware.rate_limit.memory_rates import MemoryRates
from anylane.testing import ClientResponse, Rejected, TestClient


def served(*parts: Any, config: ServerConfig | None = None) -> TestClient:
    app = App()
    for part in parts:
        app.use(part)

    @app.get("/")
    async def home(ctx: Context) -> str:
        return "in"

    @app.get("/fails")
    async def fails(ctx: Context) -> None:
        raise ValueError("x")

    @app.get("/stream")
    async def stream(ctx: Context) -> None:
        async with ctx.stream() as out:
            await out.write(b"x")

    @app.websocket("/ws")
    async def ws(ctx: Context) -> None:
        await ctx.accept()

    return TestClient(app, config)


PROXIED = ServerConfig(proxy_headers=True, forwarded_allow_ips=("*",))


def of(client: TestClient, address: str) -> ClientResponse:
    return client.get("/", headers={"x-forwarded-for": address})


def test_so_many_pass_and_then_one_each_interval() -> None:
    client = served(RateLimit("10/minute"))
    answers = [client.get("/") for _ in range(12)]
    assert [each.status for each in answers] == [200] * 10 + [429] * 2
    assert [each.headers["ratelimit"] for each in answers[:3]] == [
        '"default";r=9;t=6',
        '"default";r=8;t=12',
        '"default";r=7;t=18',
    ]
    assert answers[9].headers["ratelimit"] == '"default";r=0;t=60'
    assert answers[0].headers["ratelimit-policy"] == '"default";q=10;w=60'
    refused = answers[11]
    assert refused.headers["retry-after"] == "6"
    assert refused.headers["ratelimit"] == '"default";r=0;t=60'
    assert refused.headers["ratelimit-policy"] == '"default";q=10;w=60'
    client.advance(5.9)
    assert client.get("/").headers["retry-after"] == "1"
    client.advance(0.1)
    assert [client.get("/").status for _ in range(2)] == [200, 429]
    client.advance(60)
    assert [client.get("/").status for _ in range(11)] == [200] * 10 + [429]


def test_a_burst_is_apart_from_the_rate() -> None:
    client = served(RateLimit("1/second burst 3"))
    answers = [client.get("/") for _ in range(4)]
    assert [each.status for each in answers] == [200, 200, 200, 429]
    assert answers[0].headers["ratelimit-policy"] == '"default";q=3;w=3'
    client.advance(1)
    assert [client.get("/").status for _ in range(2)] == [200, 429]


def test_every_form_of_answer_has_the_fields() -> None:
    client = served(RateLimit("100/minute"))
    for path in ("/", "/fails", "/stream", "/nowhere"):
        assert "ratelimit" in client.get(path).headers, path
    with client.websocket("/ws") as ws:
        assert ws.response.headers["ratelimit"] == '"default";r=95;t=3'


def test_handshakes_count() -> None:
    client = served(RateLimit("1/minute"))
    client.websocket("/ws").close()
    with pytest.raises(Rejected) as rejected:
        client.websocket("/ws")
    assert rejected.value.response.status == 429
    assert rejected.value.response.headers["retry-after"] == "60"


def test_preflights_do_not() -> None:
    client = served(RateLimit("1/minute"))
    ask = {"origin": "https://a", "access-control-request-method": "POST"}
    answers = [client.options("/", headers=ask) for _ in range(3)]
    assert [each.status for each in answers] == [204] * 3
    assert "ratelimit" not in answers[0].headers
    assert [client.options("/").status for _ in range(2)] == [204, 429]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("2001:db8::1", "2001:db8::2", True),
        ("2001:db8::1", "2001:db8:0:0:ffff::2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("2001:DB8::1", "2001:0db8::1", True),
    ],
)
def test_clients_are_told_apart_by_their_network(one: str, other: str, same: bool) -> None:
    client = served(RateLimit("1/minute"), config=PROXIED)
    assert of(client, one).status == 200
    assert of(client, one).status == 429
    assert of(client, other).status == (429 if same else 200)


def users(ctx: Context, token: str) -> Any:
    return {
        "claims": {"sub": "1"},
        "claims2": {"sub": "2"},
        "claims3": {"sub": "1", "iss": "other"},
        "text": "ada",
        "number": 7,
        "object": SimpleNamespace(id=9),
        "none": {"name": "x"},
        "flag": True,
        "anything": object(),
    }.get(token)


@pytest.mark.parametrize("token", ["claims", "claims2", "claims3", "text", "number", "object"])
def test_users_are_told_apart(token: str) -> None:
    client = served(BearerAuth(users), RateLimit("1/minute", "user"), config=PROXIED)
    for name in ("claims", "claims2", "claims3", "text", "number", "object"):
        headers = {"authorization": f"Bearer {name}", "x-forwarded-for": "192.0.2.1"}
        assert client.get("/", headers=headers).status == 200, name
    headers = {"authorization": f"Bearer {token}", "x-forwarded-for": "192.0.2.9"}
    assert client.get("/", headers=headers).status == 429


def test_a_user_that_cannot_be_told_apart_is_an_error() -> None:
    client = served(BearerAuth(users), RateLimit("1/minute", "user"))
    for token in ("none", "flag", "anything"):
        assert client.get("/", headers={"authorization": f"Bearer {token}"}).status == 500
        assert "cannot tell users apart" in client.log[-1].message
    assert served(RateLimit("1/minute", "user")).get("/").status == 500


def test_anonymous_users_count_by_their_network() -> None:
    client = served(BearerAuth(users, optional=True), RateLimit("1/minute", "user"), config=PROXIED)
    answers = [of(client, address).status for address in ("192.0.2.1", "192.0.2.1", "192.0.2.2")]
    assert answers == [200, 429, 200]
    assert client.get("/", headers={"authorization": "Bearer text"}).status == 200


def test_a_function_says_what_counts_together() -> None:
    async def by_key(ctx: Context) -> str | None:
        return ctx.request.headers.get("x-key")

    for key in (by_key, lambda ctx: ctx.request.headers.get("x-key")):
        client = served(RateLimit("1/minute", key))
        assert [client.get("/").status for _ in range(3)] == [200] * 3
        for name in ("a", "b", "a" * 3000, "a" * 3001):
            answers = [client.get("/", headers={"x-key": name}).status for _ in range(2)]
            assert answers == [200, 429], name
    client = served(RateLimit("1/minute", lambda ctx: object()))  # type: ignore[arg-type, return-value]
    assert client.get("/").status == 500
    assert "returned <object" in client.log[0].message


def test_limits_of_an_app_and_a_route_are_apart() -> None:
    app = App()
    app.use(RateLimit("10/minute"))

    async def home(ctx: Context) -> str:
        return "in"

    app.get("/", name="home")(home)
    app.get("/login", name="login", middleware=[RateLimit("1/minute", scope="login")])(home)
    client = TestClient(app)
    first, second = client.get("/login"), client.get("/login")
    assert (first.status, second.status) == (200, 429)
    assert second.headers.get_all("ratelimit") == ['"login";r=0;t=60', '"default";r=8;t=12']
    assert client.get("/").headers["ratelimit"] == '"default";r=7;t=18'


def test_one_limit_at_two_places_counts_once() -> None:
    app, limit = App(), RateLimit("2/minute")
    app.use(limit)

    @app.get("/", middleware=[limit])
    async def home(ctx: Context) -> str:
        return "in"

    client = TestClient(app)
    assert [client.get("/").status for _ in range(3)] == [200, 200, 429]


def test_each_server_counts_for_itself() -> None:
    """As state is: so a test of an app is not limited by the one before, on another clock."""
    app = App()
    app.use(RateLimit("1/minute"))
    app.get("/")(lambda ctx: "in")
    for _ in range(2):
        with TestClient(app) as client:
            client.advance(1000)
            assert [client.get("/").status for _ in range(2)] == [200, 429]


def test_a_store_may_be_shared_and_a_failing_one_is_a_500() -> None:
    store = MemoryRates()
    first = served(RateLimit("1/minute", scope="a", store=store))
    second = served(RateLimit("1/minute", scope="a", store=store))
    third = served(RateLimit("1/minute", scope="b", store=store))
    assert [each.get("/").status for each in (first, second, third)] == [200, 429, 200]

    class Broken:
        async def hit(self, key: str, rate: Rate) -> Usage:
            raise OSError("away")

    assert served(RateLimit("1/minute", store=Broken())).get("/").status == 500


def test_the_memory_is_bounded() -> None:
    store = MemoryRates(max_keys=3)
    client = served(RateLimit("1/minute", store=store), config=PROXIED)
    for last in (1, 2, 3, 1, 4):
        of(client, f"192.0.2.{last}")
    assert len(store) == 3
    assert of(client, "192.0.2.1").status == 429  # It has asked later than the second.
    assert of(client, "192.0.2.2").status == 200
    client.advance(61)
    for last in range(10, 13):
        of(client, f"192.0.2.{last}")
    assert len(store) <= 3


def test_threads_count_one_after_the_other() -> None:
    store, inside, overlaps = MemoryRates(), 0, 0
    both = threading.Barrier(2)

    class Watched:
        def after_one(self, until: float | None, now: float) -> tuple[float, Usage]:
            nonlocal inside, overlaps
            inside += 1
            overlaps += inside > 1
            with contextlib.suppress(threading.BrokenBarrierError):
                both.wait(0.1)  # Lets the other thread in, if it can come in.
            inside -= 1
            return (until or 0.0) + 1.0, Usage(True, 0, 0.0, 1.0)

    def hit() -> None:
        link: Any = SimpleNamespace(now=lambda: 0.0)
        current_link.set(link)
        rate: Any = Watched()
        with contextlib.suppress(StopIteration):
            store.hit("key", rate).send(None)

    threads = [threading.Thread(target=hit) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert overlaps == 0
    assert store._table.get("key", 1.5) == 2.0


RATES = st.builds(
    Rate,
    st.integers(1, 1000),
    st.sampled_from([1.0, 7.0, 60.0, 3600.0, 86400.0]),
    st.integers(1, 50),
)


class TestRate:
    @given(RATES, st.lists(st.floats(0, 100), max_size=200), st.floats(0, 1e9))
    def test_no_stretch_of_time_has_more_than_it_may(
        self, rate: Rate, pauses: list[float], now: float
    ) -> None:
        until: float | None = None
        passed: list[float] = []
        for pause in pauses:
            now += pause * rate.interval / 10
            until, usage = rate.after_one(until, now)
            if usage.allowed:
                passed.append(now)
                assert usage.remaining < rate.burst
        for first, start in enumerate(passed):
            for last in range(first, len(passed)):
                took = passed[last] - start
                assert last - first + 1 <= rate.burst + took / rate.interval + 0.01

    @given(RATES, st.integers(1, 100), st.floats(0, 1e6))
    def test_what_it_says_is_true(self, rate: Rate, count: int, now: float) -> None:
        until, usage = rate.after_one(None, now)
        for _ in range(count):
            until, usage = rate.after_one(until, now)
        again = until
        for _ in range(usage.remaining):
            again, each = rate.after_one(again, now)
            assert each.allowed
        again, each = rate.after_one(again, now)
        assert not each.allowed and each.remaining == 0
        assert 0 < each.wait <= rate.interval + 1e-6
        assert rate.after_one(again, now + each.wait)[1].allowed
        assert rate.after_one(until, now + usage.reset)[1].remaining == rate.burst - 1

    @given(
        st.integers(1, 10**5),
        st.integers(1, 99),
        st.sampled_from("second seconds minute minutes hour hours day days s m min h d".split()),
        st.none() | st.integers(1, 10**9),
        st.sampled_from(["", " "]),
    )
    def test_what_it_reads(
        self, limit: int, count: int, unit: str, burst: int | None, space: str
    ) -> None:
        seconds = {"s": 1, "m": 60, "h": 3600, "d": 86400}[unit[0]]
        assume((burst or limit) * count * seconds <= limit * MAX_WINDOW)
        text = f"{limit}{space}/{space}{count}{space}{unit}"
        rate = Rate.parse(text.upper() + (f" burst {burst}" if burst else ""))
        assert rate == Rate(limit, count * seconds, burst or limit)

    @given(st.text() | st.from_regex(r"\d+/\d*[a-z]*( burst \d+)?", fullmatch=True))
    def test_anything_else_is_refused(self, text: str) -> None:
        try:
            rate = Rate.parse(text)
        except UsageError:
            return
        assert rate.limit >= 1 and rate.period >= 1 and rate.burst >= 1
        assert rate.interval >= 1e-5


rate_limit: Any = RateLimit
memory_rates: Any = MemoryRates


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: rate_limit("10"), "the rate is '10'; expected e.g. '10/minute'"),
        (lambda: rate_limit(10), "the rate is 10"),
        (lambda: rate_limit("0/minute"), "expected 1 to 1000000000 requests"),
        (lambda: rate_limit("1/0 minutes"), "the rate is '1/0 minutes'"),
        (lambda: rate_limit("1/367 days"), "366 days"),
        (lambda: rate_limit("1/minute burst 0"), "the rate is"),
        (lambda: rate_limit("1/366 days burst 1000000000"), "more than 999999999999999 seconds"),
        (lambda: rate_limit("1/week"), "the rate is"),
        (lambda: rate_limit("100001/second"), "100000 requests a second at most"),
        (lambda: rate_limit("1/minute", "ip"), "key of RateLimit is 'ip'"),
        (lambda: rate_limit("1/minute", 5), "key of RateLimit is 5"),
        (lambda: rate_limit("1/minute", lambda: ""), r"write \(ctx\)"),
        (lambda: rate_limit("1/minute", scope='a"b'), "scope is"),
        (lambda: rate_limit("1/minute", scope=None), "scope is None"),
        (lambda: rate_limit("1/minute", store={}), "expected an object with `async def hit"),
        (lambda: memory_rates(max_keys=0), "max_keys of MemoryRates is 0"),
    ],
)
def test_what_cannot_be_right_is_refused_at_once(make: Callable[[], object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make()
