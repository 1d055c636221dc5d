"""Memory: what comes again is kept; bounded, whatever comes."""

from __future__ import annotations

from anylane.cache import RepeatCache


def test_what_was_offered_twice_is_kept_and_what_came_once_is_not() -> None:
    memory: RepeatCache[str, int] = RepeatCache(3)
    memory.offer("a", 1)
    assert memory.get("a") is None
    memory.offer("a", 2)
    assert memory.get("a") == 2
    assert memory.get("b") is None
    assert len(memory) == 1


def test_what_never_comes_again_takes_nobodys_place() -> None:
    memory: RepeatCache[int, str] = RepeatCache(3)
    for _ in range(2):
        memory.offer(0, "often")
    for once in range(1, 1000):
        memory.offer(once, "once")
        assert len(memory._seen) <= 3
    assert memory.get(0) == "often"
    assert len(memory) == 1


def test_a_full_memory_begins_anew() -> None:
    memory: RepeatCache[int, int] = RepeatCache(3)
    for key in range(4):
        for _ in range(2):
            memory.offer(key, key)
        assert len(memory) <= 3
    assert memory.get(3) == 3
    assert memory.get(0) is None
    memory.offer(0, 0)
    memory.offer(0, 0)
    assert memory.get(0) == 0


def test_what_is_kept_is_replaced_when_it_is_offered_again() -> None:
    memory: RepeatCache[str, int] = RepeatCache(2)
    for value in range(5):
        memory.offer("a", value)
        memory.offer("b", -value)
    assert memory.get("a") == 4
    assert memory.get("b") == -4
