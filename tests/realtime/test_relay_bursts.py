"""What comes together in a room is passed on in one step, and nobody can tell by the bytes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from anylane import App, Broadcast, Context, Limits, ServerConfig, UsageError
from anylane.protocol.outgoing import MAX_JOINED, Framed, join
from anylane.realtime.item_forms import ItemForms
from anylane.realtime.position import Position
from anylane.realtime.source import ENDED, PENDING
from anylane.testing import Lockstep

UPGRADE = (
    b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
GET = b"GET /events HTTP/1.%d\r\nHost: a\r\n\r\n"
OPENINGS = {"ws": UPGRADE, "events": GET % 1, "events to HTTP/1.0": GET % 0}


def forms_of(*texts: bytes, joins: bool = True) -> ItemForms:
    forms = ItemForms(join if joins else None)
    for number, text in enumerate(texts):
        forms.keep(number, Framed.of([text]), 0)
    return forms


def test_forms_are_joined_once_for_all_that_have_come_as_far() -> None:
    forms = forms_of(b"one", b"two", b"three")
    burst = forms.at_once(0, 3, 100)
    assert burst == Framed([b"onetwothree"], 11, 11)
    assert forms.at_once(0, 3, 11) is burst
    assert forms.at_once(1, 3, 100) == Framed([b"twothree"], 8, 8)


def test_a_single_form_is_given_as_it_is() -> None:
    """It may go beyond the space, as an item that is polled may: the next one waits."""
    forms = forms_of(b"one", joins=False)
    assert forms.at_once(0, 1, 0) is forms.made[0]


@pytest.mark.parametrize(
    ("start", "end", "space"),
    [
        (0, 0, 100),  # Nothing waits.
        (1, 4, 100),  # The last one is still to be made.
        (3, 4, 100),
        (0, 3, 10),  # It does not fit.
    ],
)
def test_what_cannot_be_given_at_once_is_left_where_it_is(start: int, end: int, space: int) -> None:
    assert forms_of(b"one", b"two", b"three").at_once(start, end, space) is None


def test_messages_of_a_host_stay_apart() -> None:
    assert forms_of(b"one", b"two", joins=False).at_once(0, 2, 100) is None


@pytest.mark.parametrize(("size", "joined"), [(MAX_JOINED - 1, True), (MAX_JOINED, False)])
def test_no_more_is_joined_than_is_worth_its_copy(size: int, joined: bool) -> None:
    found = join([Framed.of([b"x" * (size - 9), b"y" * 9], 7), Framed.of([b"z"])])
    if joined:
        assert found is not None
        assert (
            found[0].body == 8 and found[1] == found[0].size == len(found[0].chunks[0]) == size + 1
        )
    else:
        assert found is None


def test_a_burst_goes_with_its_items() -> None:
    forms = forms_of(b"one", b"two", b"three")
    assert forms.at_once(0, 3, 100)
    forms.drop(2)
    assert forms._burst is None and [*forms.made] == [2]


def test_a_burst_is_joined_once_whatever_else_asks() -> None:
    joined = []

    def counted(several: list[Framed]) -> tuple[Framed, int] | None:
        joined.append(len(several))
        return join(several)

    forms = ItemForms(counted)
    for number in range(4):
        forms.keep(number, Framed.of([b"x" * 30_000]), 0)
    for _ in range(3):
        assert forms.at_once(0, 2, 100_000) is not None
        assert forms.at_once(2, 2, 100_000) is None  # Who has taken all.
        assert forms.at_once(0, 5, 100_000) is None  # Who comes before a form is made.
    assert joined == [2]
    for _ in range(3):
        assert forms.at_once(0, 4, 1_000_000) is None  # Too many bytes: they are not counted again.
    assert joined == [2, 4]


@pytest.mark.parametrize("on_lag", ["drop_oldest", "close", "error"])
@pytest.mark.parametrize("capacity", [4, 100])
@pytest.mark.parametrize("change", ["send", "send more", "close", "subscribe"])
def test_a_change_that_interrupts_is_made_behind(on_lag: Any, capacity: int, change: str) -> None:
    """As by a signal handler or a finalizer, which may run wherever Python code does."""
    room: Broadcast[str] = Broadcast(capacity, on_lag)
    one, two = room.subscribe(), room.subscribe()
    more = []

    def interrupted(several: list[Framed]) -> tuple[Framed, int] | None:
        match change:
            case "send":
                room.send("x")
            case "send more":
                room.send("x")
                room.send("y")
            case "close":
                one.close()
            case _:
                more.append(room.subscribe())
        return join(several)

    forms = one.forms("kind", interrupted)
    for number in range(4):
        room.send(f"{number};")
    for _ in range(4):
        item = two.poll()
        two.form(forms, lambda item=item: Framed.of([item.encode()]))  # type: ignore[misc]
    assert one.poll_all(forms, 1000) == Framed([b"0;1;2;3;"], 8, 8)
    sent = {"send": ["x"], "send more": ["x", "y"]}.get(change, [])
    room.send("z")
    left = [*sent, "z"]
    assert [two.poll() for _ in range(len(left) + 1)] == [*left, PENDING]
    if change == "close":
        assert one.poll() is ENDED
    else:
        assert [one.poll() for _ in range(len(left) + 1)] == [*left, PENDING]
    for each in more:
        assert [each.poll(), each.poll()] == ["z", PENDING]
    assert room.lagged == 0
    assert sum(room._at) == room.receivers == (1 if change == "close" else 2 + len(more))
    assert not room._items and len(room._at) == 1


@pytest.mark.parametrize("kind", [Broadcast, "a subscription"])
def test_a_relay_of_an_event_stream_is_refused_outside_of_its_block(kind: Any) -> None:
    app, room = App(), Broadcast[str]()
    told: list[str] = []

    @app.get("/events")
    async def events(ctx: Context) -> None:
        stream = ctx.event_stream()
        with room.subscribe() as subscription:
            source = room if kind is Broadcast else subscription
            for _ in range(2):
                try:
                    await stream.relay(source)
                except UsageError as exc:
                    told.append(str(exc))
            assert room.receivers == 1
            async with stream as events:
                await events.relay(source)

    wire = Lockstep(app)
    wire.receive(OPENINGS["events"])
    assert told == ["the event stream is not open: relay inside of its `with` block"] * 2
    room.send("item")
    assert b"data: item" in wire.take()


# --- the same bytes ------------------------------------------------------------------------------


def listening(room: Broadcast[Any]) -> App:
    app = App()

    @app.websocket("/ws")
    async def ws(ctx: Context) -> None:
        ws = await ctx.accept()
        await ws.relay(room)

    @app.get("/events")
    async def events(ctx: Context) -> None:
        async with ctx.event_stream() as events:
            await events.relay(room)

    return app


STEPS = st.one_of(
    st.tuples(st.just("send"), st.lists(st.sampled_from([0, 100, 300, 70_000]), max_size=8)),
    st.tuples(st.sampled_from(["stall", "resume", "some"]), st.integers(0, 5)),
    st.tuples(st.just("open"), st.sampled_from([*OPENINGS])),
)


def played(steps: list[tuple[str, Any]], on_lag: Any, high: int) -> list[Any]:
    """Every byte that each client has after each step, and how the connections stand at the end."""
    room: Broadcast[str] = Broadcast(capacity=6, on_lag=on_lag)
    config = ServerConfig(limits=Limits(outbound_high=high, outbound_low=high // 2))
    base = Lockstep(listening(room), config)
    wires = []
    seen: list[Any] = []
    for opening in [*OPENINGS.values()] * 2:  # The first of each kind makes the forms.
        wires.append(base.open())
        wires[-1].receive(opening)
    for number, (step, what) in enumerate(steps):
        match step:
            case "send":  # All at once: the loop has its turn when the bytes are looked at.
                for size in what:
                    room.send(f"{number} " + "x" * size)
            case "stall":
                wires[what].stall()
            case "resume":
                wires[what].resume()
            case "some":
                wires[what].resume(400)
            case _:
                wires.append(base.open())
                wires[-1].receive(OPENINGS[what])
        taken = [(wire.take(), wire.closed) for wire in wires]
        seen.append([taken, [wire._driver.connection.unsent for wire in wires]])
    for wire in wires:
        wire.resume()
    return [seen, [(wire.take(), wire.closing) for wire in wires], room.lagged, room.receivers]


SLOW = [("stall", 3), *[("send", [300])] * 4, ("send", [300] * 3), ("some", 3), ("send", [300] * 7)]
"""The second WebSocket reads nothing for a while."""


@example(SLOW, "drop_oldest", 600)
@example(SLOW, "close", 600)
@example([*SLOW, *SLOW, ("resume", 3), ("send", [0, 0])], "error", 600)
@example([("stall", 3), ("send", [100] * 6), ("send", [100] * 6)], "drop_oldest", 600)
@settings(deadline=None, max_examples=200)
@given(
    st.lists(STEPS, min_size=1, max_size=30),
    st.sampled_from(["drop_oldest", "close", "error"]),
    st.sampled_from([600, 65_536]),
)
def test_what_comes_together_is_the_same_to_the_byte(
    steps: list[tuple[str, Any]], on_lag: str, high: int
) -> None:
    together = played(steps, on_lag, high)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Position, "poll_all", lambda *_: None)  # Item by item.
        assert played(steps, on_lag, high) == together


def test_the_play_above_takes_the_short_way(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = []
    before: Any = Position.poll_all

    def poll_all(*given: Any) -> Any:
        taken.append(before(*given))
        return taken[-1]

    monkeypatch.setattr(Position, "poll_all", poll_all)
    played([("open", "ws"), ("send", [0, 1])], "drop_oldest", 65_536)
    sizes = [each.size for each in taken if isinstance(each, Framed)]
    assert sizes == [9, 31, 9]  # A WebSocket, a stream in chunks, one more WebSocket.
