"""What a client would rather have. RFC 9110 §12.5.1 and §5.6."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anylane.http.parameters import split_list, split_parameters
from anylane.http.semantics.accept import coding_weights, preferred_coding, prefers_json

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], None),
        ([""], None),
        (["*/*"], None),
        ([BROWSER], None),
        (["image/png"], None),
        (["application/json"], True),
        (["application/problem+json"], True),
        (["APPLICATION/JSON ; Q=0.5"], True),
        (["application/vnd.api+json"], True),
        (["application/*"], True),
        (["text/plain"], False),
        (["text/*"], False),
        # The higher weight wins, and none is 1.
        (["application/json;q=0.1, text/plain"], False),
        (["application/json, text/plain;q=0.9"], True),
        (["application/json;q=0.5, text/plain;q=0.5, */*"], True),
        (["text/plain;q=0.2, application/json;q=0.3"], True),
        # The most specific range has the weight.
        (["application/json;q=0.1, */*;q=0.5"], False),
        (["text/plain;q=0.1, */*;q=0.5"], True),
        (["application/json;q=0, */*"], False),
        (["text/plain;q=0, */*"], True),
        (["application/*;q=0.9, application/json;q=0.2, text/*;q=0.3"], False),
        (["application/json;q=0"], None),
        (["application/json;q=0, text/plain;q=0"], None),
        # Equal weights: what is named by itself, then what is named first.
        (["application/json, */*"], True),
        (["*/*, text/plain"], False),
        (["application/json, text/plain, */*"], True),
        (["text/plain, application/json"], False),
        # All lines count.
        (["text/plain;q=0.5", "application/json"], True),
        (["image/png", "text/plain"], False),
        # Parameters, quotes and what cannot be read.
        (['text/plain;a="x, application/json";q=0.1, application/json;q=0.2'], True),
        (["application/json;charset=utf-8"], True),
        (["application/json;q=2, text/plain;q=0.1"], False),
        (["application/json;q=nan, text/plain;q=0.1"], False),
        ([",, ,application/json,,"], True),
        (["application/jsonish, json, text"], None),
    ],
)
def test_what_a_client_prefers(lines: list[str], expected: bool | None) -> None:
    assert prefers_json(lines) is expected


@pytest.mark.parametrize(
    ("value", "elements"),
    [
        ("", []),
        (" a , b,,c ", ["a", "b", "c"]),
        ('a;b="c,d", e', ['a;b="c,d"', "e"]),
        (r'a;b="c\",d", e', [r'a;b="c\",d"', "e"]),
        ('a, "b, c', ["a", '"b, c']),
    ],
)
def test_lists_are_split_at_commas_outside_of_quotes(value: str, elements: list[str]) -> None:
    assert list(split_list(value)) == elements


@pytest.mark.parametrize(
    ("value", "name", "parameters"),
    [
        ("a/b", "a/b", {}),
        (" a/b ; C=d;e = f", "a/b", {"c": "d"}),
        ("a/b;c=d;C=e", "a/b", {"c": "d"}),
        (r'a/b; c="d;e=\"f\\"; g=h', "a/b", {"c": 'd;e="f\\', "g": "h"}),
        ('a/b; x="; c=d"; c=e', "a/b", {"x": "; c=d", "c": "e"}),
        ('a/b; x="; c=d', "a/b", {}),
        ("a/b; c=", "a/b", {"c": ""}),
        ("a/b;;; ;c=d", "a/b", {"c": "d"}),
        ("a/b; junk; c=d", "a/b", {"c": "d"}),
        ("a/b; c=d e; f=g", "a/b", {"f": "g"}),
        ("a/b; c=----=_1/2; f=g", "a/b", {"c": "----=_1/2", "f": "g"}),
    ],
)
def test_parameters_are_split_outside_of_quotes(
    value: str, name: str, parameters: dict[str, str]
) -> None:
    assert split_parameters(value) == (name, parameters)


@pytest.mark.parametrize("part", ['"', ";", ',"', ';a="', '\\"', '"\\', ',;a="\\'])
def test_hostile_values_take_no_square_of_their_length(part: str) -> None:
    value = part * 10_000
    before = time.process_time()
    split_parameters(value)
    list(split_list(value))
    assert time.process_time() - before < 1


OURS = ("zstd", "br", "gzip")


@pytest.mark.parametrize(
    ("lines", "coding"),
    [
        ([], None),
        ([""], None),
        (["gzip"], "gzip"),
        (["gzip, br"], "br"),
        (["gzip", "br"], "br"),
        (["gzip, deflate, br, zstd"], "zstd"),
        (["gzip;q=1.0, br;q=0.9, zstd;q=0.8"], "gzip"),
        (["GZIP ; Q=0.5"], "gzip"),
        (["x-gzip"], "gzip"),
        (["x-gzip, gzip;q=0"], "gzip"),  # the first of two
        (["gzip;q=0, x-gzip"], None),
        (["*"], "zstd"),
        (["*, zstd;q=0"], "br"),
        (["*;q=0"], None),
        (["*;q=0, br"], "br"),
        (["gzip;q=0.5, *"], "zstd"),
        (["gzip;q=0"], None),
        (["gzip;q=0.000"], None),
        (["gzip;q=0.001"], "gzip"),
        # No coding is a coding, too.
        (["identity"], None),
        (["identity, gzip"], "gzip"),
        (["identity;q=0.5, gzip;q=0.4"], None),
        (["identity;q=0.5, gzip;q=0.5"], "gzip"),
        (["identity;q=0"], None),
        (["identity;q=0, gzip;q=0.1"], "gzip"),
        (["deflate, compress"], None),
        # What cannot be read says nothing.
        (["gzip;q=2"], None),
        (["gzip;q=-1"], None),
        (["gzip;q=0.1234"], None),
        (["gzip;q=nan, br;q=0.1"], "br"),
        ([";q=1, =, ,,gzip"], "gzip"),
        (["gzip br"], None),
        (['"gzip"'], None),
    ],
)
def test_the_coding_that_a_client_likes_best(lines: list[str], coding: str | None) -> None:
    assert preferred_coding(lines, OURS) == coding


def test_only_what_is_offered_is_chosen_and_our_order_decides_between_equals() -> None:
    assert preferred_coding(["*"], ("gzip",)) == "gzip"
    assert preferred_coding(["gzip, br"], ("gzip", "br")) == "gzip"
    assert preferred_coding(["gzip;q=0.5, *;q=1"], ("gzip",)) is None  # * is identity as well
    assert preferred_coding(["gzip"], ()) is None


WEIGHTS = st.integers(0, 1000)


@given(
    st.dictionaries(st.sampled_from([*OURS, "identity", "*", "deflate"]), WEIGHTS),
    st.permutations(OURS),
    st.randoms(use_true_random=False),
)
def test_the_choice_is_the_heaviest_by_the_letter_of_the_rfc(
    weights: dict[str, int], ours: list[str], random: Any
) -> None:
    elements = [f"{name};q={weight / 1000:.3f}" for name, weight in weights.items()]
    random.shuffle(elements)
    chosen = preferred_coding([", ".join(elements)], ours)

    def weight(name: str) -> int:
        return weights.get(name, weights.get("*", 0))

    heaviest = max(weight(name) for name in ours)
    if heaviest == 0 or weight("identity") > heaviest:
        assert chosen is None
    else:
        assert chosen == next(name for name in ours if weight(name) == heaviest)


@given(st.text(max_size=60))
def test_whatever_accept_encoding_holds_nothing_is_raised(value: str) -> None:
    assert preferred_coding([value], OURS) in (None, *OURS)
    assert all(0 <= weight <= 1 for weight in coding_weights([value]).values())
