"""Conditions of requests: entity tags, dates, and their order (RFC 9110 §13)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anylane import UsageError
from anylane.http.headers import Headers
from anylane.http.semantics.preconditions import (
    Validators,
    Verdict,
    is_etag,
    judge,
    matches_strong,
    matches_weak,
    parse_etags,
)

NOW = 1_800_000_000.0
BEFORE = "Sun, 06 Nov 1994 08:49:36 GMT"
SAME = "Sun, 06 Nov 1994 08:49:37 GMT"
AFTER = "Sun, 06 Nov 1994 08:49:38 GMT"
SECONDS = 784_111_777

ALPHABET = "!#~\x80\xffaW/,*"
TAGS = st.builds("{}{}".format, st.sampled_from(["", "W/"]), st.builds('"{}"'.format,
                 st.text(ALPHABET, max_size=6)))  # fmt: skip


@pytest.mark.parametrize(
    ("lines", "tags"),
    [
        (["*"], ["*"]),
        ([" * "], ["*"]),
        (['"a"'], ['"a"']),
        (['W/"a"'], ['W/"a"']),
        (['""'], ['""']),
        (['"a,b", "c"'], ['"a,b"', '"c"']),
        (['"a"', 'W/"b"'], ['"a"', 'W/"b"']),
        ([',, "a" ,,\t"b",'], ['"a"', '"b"']),
        # What is no tag says nothing, and does not spoil its neighbours.
        ([""], []),
        (["a"], []),
        (['w/"a"'], []),
        (['W/ "a"'], []),
        (['"a'], []),
        (['"a b", "c"'], ['"c"']),
        (['"a"b, "c"'], ['"c"']),
        (['*, "a"'], ['"a"']),
        (["*", "*"], []),
    ],
)
def test_lists_of_entity_tags(lines: list[str], tags: list[str]) -> None:
    assert parse_etags(lines) == tags


@given(st.lists(TAGS, min_size=1), st.sampled_from([", ", ",", " ,\t"]))
def test_every_list_of_tags_is_read_whole(tags: list[str], comma: str) -> None:
    assert parse_etags([comma.join(tags)]) == tags
    assert parse_etags(tags) == tags


@given(st.lists(st.text('"W/*, \tab', max_size=20), max_size=3))
def test_whatever_is_in_the_field_only_tags_come_out(lines: list[str]) -> None:
    assert all(tag == "*" or is_etag(tag) for tag in parse_etags(lines))


@pytest.mark.parametrize("noise", [",", " ", '"', '",', 'W/"', '"a', " ,", '"a" '])
def test_a_long_list_of_nothing_takes_little_time(noise: str) -> None:
    # 100,000 characters: a pattern that looked at each of them from each of them would take hours.
    assert len(parse_etags([noise * (100_000 // len(noise))])) < 100_000


@pytest.mark.parametrize(
    ("one", "other", "strong", "weak"),
    [  # RFC 9110 §8.8.3.2
        ('W/"1"', 'W/"1"', False, True),
        ('W/"1"', 'W/"2"', False, False),
        ('W/"1"', '"1"', False, True),
        ('"1"', '"1"', True, True),
        ('"1"', '"2"', False, False),
    ],
)
def test_the_two_comparisons(one: str, other: str, strong: bool, weak: bool) -> None:
    assert matches_strong([one], other) is matches_strong([other], one) is strong
    assert matches_weak([one], other) is matches_weak([other], one) is weak
    assert not matches_strong([one], None)
    assert not matches_weak([one], None)


NOTHING = Validators(None, None, exists=False)
UNKNOWN = Validators(None, None, exists=True)
TAGGED = Validators('"a"', None, exists=True)
WEAK = Validators('W/"a"', None, exists=True)
DATED = Validators(None, SECONDS, exists=True)
BOTH = Validators('"a"', SECONDS, exists=True)

GO_ON, NOT_MODIFIED, FAILED, NONE = (
    Verdict.GO_ON,
    Verdict.NOT_MODIFIED,
    Verdict.FAILED,
    Verdict.NONE,
)


@pytest.mark.parametrize(
    ("method", "headers", "current", "verdict"),
    [
        ("PUT", {}, BOTH, NONE),
        # If-Match: the strong comparison, and `*` is whatever exists.
        ("PUT", {"if-match": '"a"'}, TAGGED, GO_ON),
        ("PUT", {"if-match": '"b", "a"'}, TAGGED, GO_ON),
        ("PUT", {"if-match": '"b"'}, TAGGED, FAILED),
        ("PUT", {"if-match": 'W/"a"'}, TAGGED, FAILED),
        ("PUT", {"if-match": 'W/"a"'}, WEAK, FAILED),
        ("PUT", {"if-match": "*"}, TAGGED, GO_ON),
        ("PUT", {"if-match": "*"}, UNKNOWN, GO_ON),
        ("PUT", {"if-match": "*"}, NOTHING, FAILED),
        ("PUT", {"if-match": '"a"'}, NOTHING, FAILED),
        ("PUT", {"if-match": '"a"'}, UNKNOWN, FAILED),
        ("PUT", {"if-match": "nonsense"}, TAGGED, FAILED),
        ("GET", {"if-match": '"b"'}, TAGGED, FAILED),
        # If-Unmodified-Since, which If-Match makes mute.
        ("PUT", {"if-unmodified-since": BEFORE}, DATED, FAILED),
        ("PUT", {"if-unmodified-since": SAME}, DATED, GO_ON),
        ("PUT", {"if-unmodified-since": AFTER}, DATED, GO_ON),
        ("PUT", {"if-unmodified-since": BEFORE}, TAGGED, NONE),
        ("PUT", {"if-unmodified-since": BEFORE}, NOTHING, NONE),
        ("PUT", {"if-unmodified-since": "yesterday"}, DATED, NONE),
        ("PUT", {"if-match": '"a"', "if-unmodified-since": BEFORE}, BOTH, GO_ON),
        ("PUT", {"if-match": '"b"', "if-unmodified-since": AFTER}, BOTH, FAILED),
        # If-None-Match: the weak comparison.
        ("PUT", {"if-none-match": "*"}, NOTHING, GO_ON),
        ("PUT", {"if-none-match": "*"}, UNKNOWN, FAILED),
        ("PUT", {"if-none-match": '"a"'}, TAGGED, FAILED),
        ("PUT", {"if-none-match": 'W/"a"'}, TAGGED, FAILED),
        ("PUT", {"if-none-match": '"b"'}, TAGGED, GO_ON),
        ("PUT", {"if-none-match": "nonsense"}, TAGGED, NONE),
        ("GET", {"if-none-match": '"a"'}, WEAK, NOT_MODIFIED),
        ("HEAD", {"if-none-match": '"b", W/"a"'}, TAGGED, NOT_MODIFIED),
        ("GET", {"if-none-match": '"b"'}, TAGGED, GO_ON),
        ("GET", {"if-none-match": "*"}, TAGGED, NOT_MODIFIED),
        # If-Modified-Since, which If-None-Match makes mute.
        ("GET", {"if-modified-since": BEFORE}, DATED, GO_ON),
        ("GET", {"if-modified-since": SAME}, DATED, NOT_MODIFIED),
        ("HEAD", {"if-modified-since": AFTER}, DATED, NOT_MODIFIED),
        ("PUT", {"if-modified-since": AFTER}, DATED, NONE),
        ("GET", {"if-modified-since": AFTER}, TAGGED, NONE),
        ("GET", {"if-modified-since": "0"}, DATED, NONE),
        ("GET", {"if-none-match": '"b"', "if-modified-since": AFTER}, BOTH, GO_ON),
        ("GET", {"if-none-match": "nonsense", "if-modified-since": AFTER}, BOTH, NONE),
        ("GET", {"if-none-match": '"a"', "if-modified-since": BEFORE}, BOTH, NOT_MODIFIED),
        # The first two before the other two.
        ("GET", {"if-match": '"b"', "if-none-match": '"a"'}, TAGGED, FAILED),
        ("GET", {"if-match": '"a"', "if-none-match": '"a"'}, TAGGED, NOT_MODIFIED),
        ("PUT", {"if-match": '"a"', "if-none-match": '"b"'}, TAGGED, GO_ON),
        ("PUT", {"if-unmodified-since": SAME, "if-none-match": "*"}, BOTH, FAILED),
        # Methods that select nothing.
        ("OPTIONS", {"if-match": '"b"'}, TAGGED, NONE),
        ("TRACE", {"if-none-match": "*"}, TAGGED, NONE),
    ],
)
def test_conditions_are_judged_in_order(
    method: str, headers: dict[str, str], current: Validators, verdict: Verdict
) -> None:
    assert judge(method, Headers(headers), current, now=NOW) is verdict


def test_several_lines_are_one_list_of_tags_and_no_date() -> None:
    tags = Headers([("if-match", '"b"'), ("if-match", '"a"')])
    assert judge("PUT", tags, TAGGED, now=NOW) is GO_ON
    dates = Headers([("if-unmodified-since", BEFORE), ("if-unmodified-since", BEFORE)])
    assert judge("PUT", dates, DATED, now=NOW) is NONE


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((None, None), NOTHING),
        ((None, None, True), UNKNOWN),
        ((None, None, False), NOTHING),
        (('"a"', None), TAGGED),
        (('W/"a"', None), WEAK),
        (("a", None), TAGGED),
        ((None, SECONDS), DATED),
        ((None, SECONDS + 0.9), DATED),
        ((None, datetime(1994, 11, 6, 8, 49, 37, 999_999)), DATED),  # noqa: DTZ001  # no zone
        ((None, datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)), DATED),
        ((None, datetime(1994, 11, 6, 9, 49, 37, tzinfo=timezone(timedelta(hours=1)))), DATED),
    ],
)
def test_what_a_handler_knows(arguments: Any, expected: Validators) -> None:
    assert Validators.of(*arguments) == expected


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("a b", None), "expected an entity tag"),
        (('"a', None), "expected an entity tag"),
        ((1, None), "expected an entity tag"),
        ((b"a", None), "expected an entity tag"),
        ((None, "yesterday"), "expected a datetime"),
        ((None, True), "expected a datetime"),
        ((None, float("nan")), "expected a datetime"),
        ((None, float("inf")), "expected a datetime"),
        ((None, 1e18), "expected a datetime"),
        (("a", None, False), "exists=False"),
    ],
)
def test_what_is_no_tag_or_moment_is_refused(arguments: Any, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Validators.of(*arguments)


def test_the_header_lines_of_a_resource() -> None:
    assert NOTHING.headers() == UNKNOWN.headers() == []
    assert BOTH.headers() == [("etag", '"a"'), ("last-modified", SAME)]
