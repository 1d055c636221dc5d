"""Broadcasts and subscriptions, and what `ctx.select` makes of them."""

from __future__ import annotations

import pytest

from anylane import App, Broadcast, Context, Lagged, Rooms, UsageError
from anylane.source import ENDED, PENDING
from anylane.testing import Lockstep


def drain(subscription: object) -> list[object]:
    items = []
    while (item := subscription.poll()) not in (PENDING, ENDED):  # type: ignore[attr-defined]
        items.append(item)
    return items


def test_a_subscription_gets_what_is_sent_from_its_moment_on() -> None:
    room: Broadcast[int] = Broadcast()
    assert room.send(1) == 0
    with room.subscribe() as one:
        assert room.send(2) == 1
        with room.subscribe() as two:
            assert room.send(3) == 2
            assert room.receivers == 2
        assert drain(one) == [2, 3]
        assert drain(two) == [3]
    assert room.receivers == 0


def test_drop_oldest_counts_what_was_lost() -> None:
    room: Broadcast[int] = Broadcast(capacity=2)
    with room.subscribe() as subscription:
        assert [room.send(n) for n in range(2)] == [1, 1]
        assert subscription.lagged == 0
        assert room.send(2) == 1
        assert subscription.lagged == 1
        assert drain(subscription) == [1, 2]


def test_close_ends_a_receiver_that_lags_after_what_it_has() -> None:
    room: Broadcast[int] = Broadcast(capacity=2, on_lag="close")
    with room.subscribe() as subscription:
        counts = [room.send(n) for n in range(4)]
        assert counts == [1, 1, 1, 0]
        assert [subscription.poll() for _ in range(3)] == [0, 1, ENDED]


def test_error_is_raised_once_and_the_rest_still_comes() -> None:
    room: Broadcast[int] = Broadcast(capacity=2, on_lag="error")
    with room.subscribe() as subscription:
        for n in range(5):
            room.send(n)
        with pytest.raises(Lagged, match="lost 3 items"):
            subscription.poll()
        assert drain(subscription) == [3, 4]


def test_an_item_that_sends_when_it_is_dropped_does_not_lock_the_room() -> None:
    room: Broadcast[object] = Broadcast(capacity=1)

    class Last:
        def __del__(self) -> None:
            room.send("last words")

    with room.subscribe() as subscription:
        room.send(Last())
        room.send("next")
        assert drain(subscription) == ["last words"]
        assert subscription.lagged == 2


def test_select_goes_on_after_a_source_has_raised() -> None:
    app = App()
    room: Broadcast[str] = Broadcast(capacity=1, on_lag="error")

    @app.get("/")
    async def handler(ctx: Context) -> str:
        with room.subscribe() as subscription:
            room.send("lost")
            room.send("kept")
            select = ctx.select(subscription)
            with pytest.raises(Lagged):
                await anext(select)
            _, item = await anext(select)
            return str(item)

    wire = Lockstep(app)
    wire.receive(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert wire.sent.endswith(b"kept")


@pytest.mark.parametrize("options", [{"capacity": 0}, {"capacity": "1"}, {"on_lag": "wait"}])
def test_bad_options_say_what_was_expected(options: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="expected"):
        Broadcast(**options)  # type: ignore[arg-type]


def test_rooms_are_made_when_asked_for_and_a_pair_has_no_order() -> None:
    rooms: Rooms[int] = Rooms()
    assert rooms["a"] is rooms["a"]
    assert rooms["a"] is not rooms["b"]
    assert rooms.pair("a", "b") is rooms.pair("b", "a")
    with rooms["a"].subscribe():
        assert rooms.prune() == 2
        assert len(rooms) == 1


def test_an_app_that_serves_takes_no_more_routes() -> None:
    app = App()

    @app.get("/users/{id:int}", name="user")
    async def user(ctx: Context) -> None: ...

    assert app.path_for("user", id=7) == "/users/7"

    @app.get("/more")
    async def more(ctx: Context) -> None: ...

    Lockstep(app)
    with pytest.raises(UsageError, match="already serves"):

        @app.get("/late")
        async def late(ctx: Context) -> None: ...
