"""Headers: case-insensitive, several of a name, in order; and nothing that splits a response."""

from __future__ import annotations

import copy
import pickle
from datetime import UTC, datetime, timedelta, timezone
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anylane import Headers, UsageError
from anylane.http.headers import RequestHeaders, http_date
from anylane.protocol.request_head import Fields, split_section
from tests.heads import plain_sections


def test_names_are_found_in_any_case_and_keep_their_own():
    headers = Headers([("Content-Type", "a")])
    assert headers.get("content-TYPE") == headers["CONTENT-type"] == "a"
    assert "content-type" in headers
    assert list(headers) == ["Content-Type"]


def test_several_values_of_a_name_keep_their_order():
    headers = Headers([("X", "1"), ("y", "2"), ("x", "3")])
    assert headers.get("x") == "1"
    assert headers.get_all("X") == ["1", "3"]
    assert headers.items() == [("X", "1"), ("y", "2"), ("x", "3")]
    assert len(headers) == 3


def test_set_replaces_all_in_the_place_of_the_first():
    headers = Headers([("a", "0"), ("X", "1"), ("y", "2"), ("x", "3")])
    headers.set("x", "4")
    assert headers.items() == [("a", "0"), ("x", "4"), ("y", "2")]
    headers.set("z", "5")
    assert headers.items()[-1] == ("z", "5")


def test_remove_takes_every_value_and_a_missing_name_is_harmless():
    headers = Headers({"X": "1"})
    headers.add("x", "2")
    headers.remove("X")
    headers.remove("X")
    assert headers.items() == []


def test_what_is_missing_is_none_the_default_or_a_key_error():
    headers = Headers()
    assert headers.get("x") is None
    assert headers.get("x", "y") == "y"
    assert headers.get_all("x") == []
    assert 1 not in headers
    with pytest.raises(KeyError):
        headers["x"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x", "a\r\nb: c"),
        ("x", "a\n"),
        ("x", "\0"),
        ("x", "☃"),
        ("x y", "a"),
        ("", "a"),
        ("x:", ""),
    ],
)
@pytest.mark.parametrize(
    "put",
    [
        lambda name, value: Headers([(name, value)]),
        lambda name, value: Headers({name: value}),
        lambda name, value: Headers().set(name, value),
        lambda name, value: Headers().add(name, value),
    ],
    ids=["list", "mapping", "set", "add"],
)
def test_what_must_not_go_on_the_wire_is_refused_where_it_is_set(name, value, put):
    with pytest.raises(UsageError):
        put(name, value)


def test_headers_from_the_wire_are_latin_1():
    assert Headers.from_wire([(b"x", b"\xe9")])["x"] == "é"


def test_equal_headers_are_equal():
    assert Headers([("x", "1")]) == Headers({"x": "1"}) != Headers()
    assert Headers() != object()


def test_a_requests_headers_are_to_be_read_only():
    headers = RequestHeaders(Fields(b"", [(b"accept", b"text/html"), (b"accept", b"*/*")]))
    assert headers.get("Accept") == "text/html"
    assert headers.get_all("ACCEPT") == ["text/html", "*/*"]
    assert headers.get("x", "none") == "none"
    for change in (
        lambda: headers.set("accept", "x"),
        lambda: headers.add("x", "y"),
        lambda: headers.remove("accept"),
    ):
        with pytest.raises(UsageError, match="came from the peer and cannot be changed"):
            change()
    assert len(headers) == 2
    mine = Headers(headers.items())
    mine.set("Accept", "x")
    assert mine.get_all("accept") == ["x"]


OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(["set", "add", "remove", "discard", "default"]),
        st.integers(0, 14).map(lambda n: f"name-{n}")
        | st.integers(0, 14).map(lambda n: f"Name-{n}"),
        st.sampled_from("ab"),
    ),
    max_size=60,
)


@given(OPERATIONS)
def test_many_headers_are_kept_as_few_are(operations):
    """Compare with a plain list that is searched each time."""
    headers = Headers()
    model: list[tuple[str, str]] = []
    for operation, name, value in operations:
        same = [item for item in model if item[0].lower() == name.lower()]
        if operation == "set" and same:
            at = model.index(same[0])
            rest = [item for item in model[at + 1 :] if item[0].lower() != name.lower()]
            model[at:] = [(name, value), *rest]
        elif operation in ("set", "add"):
            model.append((name, value))
        elif operation == "default":
            model += [] if same else [(name.lower(), value)]
        else:
            gone = [item for item in same if operation == "remove" or item[1] == value]
            model = [item for item in model if item not in gone]
        if operation == "remove":
            headers.remove(name)
        else:
            lower = name.lower() if operation == "default" else name
            getattr(headers, operation)(lower, value)
        assert headers.items() == model


def test_setting_many_headers_looks_at_none_of_the_others():
    asked = []

    class Name(str):
        __slots__ = ()

        def lower(self):
            asked.append(self)
            return str.lower(self)

    headers = Headers()
    for number in range(100):
        headers.append(Name(f"a-{number}"), "x")
    for number in range(100):
        headers.set(f"b-{number}", "x")
    assert len(asked) == 100


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda headers: headers.add("Late", "1"), ["2"]),
        (lambda headers: headers.default("late", "1"), ["2"]),
        (lambda headers: (headers.set("late", "1"), headers.remove("LATE")), ["2"]),
        (lambda headers: (headers.set("late", "1"), headers.discard("Late", "1")), ["2"]),
    ],
    ids=["add", "default", "remove", "discard"],
)
def test_setting_one_of_many_replaces_it_whatever_was_done_before(change, expected):
    headers = Headers([(f"a-{number}", "x") for number in range(20)])
    headers.set("b", "x")
    change(headers)
    headers.set("late", "2")
    assert headers.get_all("late") == expected
    assert len(headers) == 22


@pytest.mark.parametrize(
    "shrink",
    [
        lambda headers: headers.remove("a-0"),
        lambda headers: headers.discard("a-0", "x"),
        lambda headers: (headers.add("a-1", "x"), headers.remove("a-0"), headers.set("a-1", "x")),
    ],
    ids=["remove", "discard", "set"],
)
def test_what_is_set_while_there_are_few_is_replaced_when_there_are_many_again(shrink):
    headers = Headers([(f"a-{number}", "x") for number in range(7)])
    headers.set("a-7", "x")
    headers.set("a-7", "y")  # Now there are eight, and it is known which.
    shrink(headers)
    headers.set("late", "1")
    headers.set("late", "2")
    assert headers.get_all("late") == ["2"]


@pytest.mark.parametrize(
    "take", [copy.copy, copy.deepcopy, lambda headers: pickle.loads(pickle.dumps(headers))]
)
def test_a_requests_headers_can_be_copied_and_given_to_another_process(take):
    """The copy is a plain Headers that may be changed."""
    headers = RequestHeaders(Fields(b"Host: a\r\nX: \xe9\r\n\r\n"))
    mine = take(headers)
    assert mine == headers
    mine.set("x", "1")
    assert (mine.get("x"), headers.get("x")) == ("1", "\xe9")


NAMES = st.sampled_from(["host", "Host", "x", "X", "accept", "cookie", "", ":", "x:", "a\r\nx", "é",
                         "\u212aey", "x-y", "content-length", "\0", "ı"])  # fmt: skip


@given(plain_sections(), st.lists(NAMES, max_size=12))
def test_a_search_finds_what_decoding_does(section, names):
    """Some names are searched for; after that the section is decoded whole. Both agree."""
    headers = RequestHeaders(Fields(section))
    decoded = Headers.from_wire(split_section(section))
    present = list(decoded)
    for number, name in enumerate((*names, *map(str.upper, present))):
        assert headers.get_all(name) == decoded.get_all(name)
        assert headers.get(name) == decoded.get(name)
        assert headers.get(name, "none") == decoded.get(name, "none")
        assert (name in headers) is (name in decoded)
        if number % 3 == 2:
            headers = RequestHeaders(Fields(section))
    assert headers == decoded
    assert headers.items() == decoded.items()
    assert repr(headers) == repr(decoded)
    assert headers.get_all("X") == decoded.get_all("X")


def test_few_reads_decode_nothing_and_many_decode_once():
    section = b"Host: a\r\nX: 1\r\nx: 2\r\n\r\n"
    fields = Fields(section)
    headers = RequestHeaders(fields)
    for _ in range(8):
        assert fields._headers is None
        assert headers["x"] == "1"
    assert headers.get_all("X") == ["1", "2"]
    assert fields._headers is not None
    lines = headers.lines
    assert headers.get("host") == "a"
    assert headers.lines is lines


@given(st.integers(-2_000_000_000, 200_000_000_000))
def test_a_date_is_what_the_standard_library_makes_of_it(seconds):
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    assert http_date(moment) == formatdate(seconds, usegmt=True)
    assert http_date(moment.replace(tzinfo=None)) == http_date(moment)


def test_a_date_is_in_gmt_whatever_the_zone_of_the_moment():
    moment = datetime(2026, 11, 1, 1, 0, 0, tzinfo=timezone(timedelta(hours=2)))
    assert http_date(moment) == "Sat, 31 Oct 2026 23:00:00 GMT"
