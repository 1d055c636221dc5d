"""Rooms: broadcasts by key."""

from __future__ import annotations

import gc
from weakref import ref

import pytest

from anylane import Rooms, UsageError


def test_a_key_names_one_room_for_everybody() -> None:
    rooms: Rooms[int] = Rooms(capacity=7, on_lag="close")
    with rooms["a"].subscribe() as subscription, rooms[("b", 2)].subscribe():
        assert rooms["a"].send(1) == 1
        assert subscription.poll() == 1
        assert rooms["a"] is rooms["a"]
        assert rooms["a"] is not rooms["b", 2]
        assert (rooms["a"].capacity, rooms["a"].on_lag) == (7, "close")


def test_a_pair_has_no_order() -> None:
    rooms: Rooms[int] = Rooms()
    with rooms.pair("a", "b").subscribe():
        assert rooms.pair("b", "a").send(1) == 1
        assert rooms.pair("a", "c").send(1) == 0
        assert rooms.pair("a", "a").receivers == 0


def test_rooms_are_counted_while_somebody_is_in() -> None:
    rooms: Rooms[int] = Rooms()
    held = rooms["held"]
    with rooms["a"].subscribe(), rooms["a"].subscribe(), rooms["b"].subscribe():
        assert (len(rooms), set(rooms), rooms.receivers) == (2, {"a", "b"}, 3)
        assert "a" in rooms
        assert "held" not in rooms
    assert (len(rooms), list(rooms), rooms.receivers) == (0, [], 0)
    assert rooms["held"] is held


def test_an_empty_room_that_nobody_holds_vanishes() -> None:
    rooms: Rooms[int] = Rooms()
    with rooms["a"].subscribe():
        watched = ref(rooms["a"])
    for n in range(100):
        rooms[n].send(n)
    gc.collect()
    assert watched() is None
    assert len(rooms._rooms) == 0


def test_bad_options_are_told_at_once() -> None:
    with pytest.raises(UsageError, match="capacity is 0"):
        Rooms(capacity=0)


def test_a_key_has_to_be_hashable() -> None:
    with pytest.raises(TypeError, match="unhashable"):
        Rooms()[["a"]]  # type: ignore[index]
