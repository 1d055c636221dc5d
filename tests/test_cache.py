"""RepeatCache: a key is admitted when it is offered again, and the cache stays bounded."""

from __future__ import annotations

from anylane.cache import RepeatCache


def test_what_was_offered_twice_is_kept_and_what_came_once_is_not() -> None:
    cache: RepeatCache[str, int] = RepeatCache(3)
    cache.offer("a", 1)
    assert cache.get("a") is None
    cache.offer("a", 2)
    assert cache.get("a") == 2
    assert cache.get("b") is None
    assert len(cache) == 1


def test_keys_that_come_once_push_nothing_out() -> None:
    cache: RepeatCache[int, str] = RepeatCache(3)
    for _ in range(2):
        cache.offer(0, "often")
    for once in range(1, 1000):
        cache.offer(once, "once")
        assert len(cache._seen) <= 3
    assert cache.get(0) == "often"
    assert len(cache) == 1


def test_a_full_cache_is_cleared() -> None:
    cache: RepeatCache[int, int] = RepeatCache(3)
    for key in range(4):
        for _ in range(2):
            cache.offer(key, key)
        assert len(cache) <= 3
    assert cache.get(3) == 3
    assert cache.get(0) is None
    cache.offer(0, 0)
    cache.offer(0, 0)
    assert cache.get(0) == 0


def test_what_is_kept_is_replaced_when_it_is_offered_again() -> None:
    cache: RepeatCache[str, int] = RepeatCache(2)
    for value in range(5):
        cache.offer("a", value)
        cache.offer("b", -value)
    assert cache.get("a") == 4
    assert cache.get("b") == -4
