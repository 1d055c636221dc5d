"""JSON has one meaning: with orjson, and with the standard library alone. API, "JSON"."""

from __future__ import annotations

import enum
import inspect
import json as standard
import math
import re
import sys
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from functools import cached_property
from typing import Any, ClassVar, NamedTuple
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anylane import json

MAX = json.MAX_DEPTH
WITH_ORJSON = json._orjson


@pytest.fixture(params=["orjson", "standard library"])
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "orjson":
        pytest.importorskip("orjson")
    else:
        monkeypatch.setattr(json, "_orjson", None)
    return str(request.param)


def both(function: Any, value: Any) -> list[Any]:
    """What each library makes of a value; the class of the error where it refuses it."""
    results: list[Any] = []
    for each in (WITH_ORJSON, None):
        json._orjson = each
        try:
            results.append(function(value))
        except (ValueError, TypeError) as exc:
            results.append(TypeError if isinstance(exc, TypeError) else ValueError)
        finally:
            json._orjson = WITH_ORJSON
    return results


def same(one: Any, other: Any) -> bool:
    """Whether two values are equal, kinds and signs of zero included."""
    return repr(one) == repr(other)


# --- reading


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[1,]",
        b"[1 2]",
        b'{"a" 1}',
        b'{"a":1,}',
        b"{1:2}",
        b"01",
        b"1.",
        b"\xff",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"[" * (MAX + 1) + b"]" * (MAX + 1),
        b"NaN",
        b"[Infinity]",
        b"-Infinity",
        b"1e999",
        b"-1e999",
        b"1234567890123456789012e400",
        b"9" * 5000,
        b'"\\ud800"',
        b'{"\\udc00": 1}',
        b'{"a": "\\ud800", "a": 1}',
        b'"\\udc00\\ud800"',
        b'"\\ud83dx"',
        b'"\xed\xa0\x80"',
        "1\ud800",
        '"\ud800"',
        b"\xef\xbb\xbf1",
        "\ufeff1",
        "1".encode("utf-16"),
        "[1]".encode("utf-16-le"),
        "[1]".encode("utf-32"),
        '"é"'.encode("latin-1"),
    ],
)
def test_what_is_not_json_is_a_value_error(library: str, text: bytes | str) -> None:
    """RFC 8259 §2, §8.1; RFC 7493 §2.1, §2.2."""
    with pytest.raises(ValueError):  # of whichever library
        json.loads(text)


@pytest.mark.parametrize(
    "whole", [2**63, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1, 10**18, 10**300]
)
@pytest.mark.parametrize("form", ["{}", " {} ", "[1,{}]", '{{"n":{}}}', "[{},0.5]"])
def test_integers_of_any_size_stay_integers(library: str, whole: int, form: str) -> None:
    text = form.format(whole)
    found = standard.loads(text)
    assert same(json.loads(text.encode()), found)
    assert same(json.loads(text), found)
    assert json.dumps(found) == text.replace(" ", "").encode()


def test_a_run_of_digits_is_found_wherever_it_begins(library: str) -> None:
    for before in range(40):
        text = " " * before + str(-(2**63) - 1) + " " * 40
        assert json.loads(text) == -(2**63) - 1


def test_a_text_may_be_as_deep_as_the_bound_at_any_depth_of_the_stack(library: str) -> None:
    def deep(levels: int) -> None:
        if levels:
            return deep(levels - 1)
        for opening, closing in (("[", "]"), ('{"a":', "}"), ('[0,{"]":', ',"b":"}"}]')):
            times = MAX // (opening.count("{") + opening.count("["))
            text = opening * times + "7" + closing * times
            found = json.loads(text)
            assert json.dumps(found) == text.encode()
            for wrong in (text[:-1], text + "]", text.replace("7", "NaN"), text.replace("7", ",")):
                with pytest.raises(ValueError):
                    json.loads(wrong)
        return None

    deep(0)
    deep(sys.getrecursionlimit() // 3)


def test_a_value_goes_out_where_the_stack_leaves_little_room(library: str) -> None:
    value: Any = None
    for _ in range(200):
        value = [value]

    def deep(levels: int) -> bytes:
        return deep(levels - 1) if levels else json.dumps(value)

    room = sys.getrecursionlimit() - len(inspect.stack(0))
    assert deep(room - 100) == b"[" * 200 + b"null" + b"]" * 200


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(JSON_VALUES, st.booleans(), st.sampled_from([None, 1, "\t"]))
def test_what_json_knows_is_read_alike_and_comes_back(
    value: Any, ascii_only: bool, indent: Any
) -> None:
    text = standard.dumps(value, ensure_ascii=ascii_only, indent=indent)
    for read in both(json.loads, text) + both(json.loads, text.encode()):
        assert same(read, standard.loads(text))
    for written in both(json.dumps, value):
        assert same(json.loads(written), standard.loads(text))


TOKENS = st.sampled_from(
    ["[", "]", "{", "}", ",", ":", '"a"', '"', "\\", "u", "\\u", "d83d", "\\ud83d", "\\ude00",
     "\\udc00", "\\\\ud800", "1", "-", "0", ".", "e", "E+", "99", "9999999999999999999", "e400",
     "true", "null", "NaN", "-Infinity", " ", "\n", "\r", "\t", "\x0c", "\xa0", "\ufeff", "\0",
     "\x1f", "\x7f", "é", "\ud800", "/", "//", "'"]
)  # fmt: skip


@given(st.lists(TOKENS, max_size=12).map("".join))
def test_any_text_is_read_alike_or_refused_alike(text: str) -> None:
    one, other = both(json.loads, text)
    assert same(one, other)


@given(st.lists(TOKENS, max_size=6).map("".join))
def test_any_string_is_read_alike_or_refused_alike(inside: str) -> None:
    one, other = both(json.loads, f'["{inside}"]')
    assert same(one, other)


@given(
    st.binary(max_size=8) | JSON_VALUES.map(lambda value: standard.dumps(value).encode("utf-16"))
)
def test_any_bytes_are_read_alike_or_refused_alike(data: bytes) -> None:
    one, other = both(json.loads, data)
    assert same(one, other)


# --- writing


class Colour(enum.Enum):
    RED = "red"
    PRICE = Decimal("1.50")


class Level(enum.IntEnum):
    LOW = 1


class Word(enum.StrEnum):
    YES = "yes"


class Pair(NamedTuple):
    a: Any
    b: Any


class Fraction(float):
    pass


class Moment(datetime):
    pass


@dataclass
class Point:
    kind: ClassVar[str] = "no field"
    x: Any
    _hidden: int = 2
    rest: list[Any] = field(default_factory=list)

    @cached_property
    def cached(self) -> int:
        return 3


@dataclass(slots=True)
class Slotted:
    x: Any


def point() -> Point:
    made = Point(Slotted(None), rest=[Pair(1, 2)])
    assert made.cached == 3
    return made


WHEN = datetime(2026, 1, 2, 3, 4, 5, 60, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (WHEN, '"2026-01-02T03:04:05.000060+00:00"'),
        (WHEN.replace(tzinfo=None, microsecond=0), '"2026-01-02T03:04:05"'),
        (WHEN.replace(tzinfo=timezone(timedelta(hours=-3, minutes=-30))),
         '"2026-01-02T03:04:05.000060-03:30"'),
        (datetime(1900, 1, 1, tzinfo=timezone(timedelta(minutes=19, seconds=32))),
         '"1900-01-01T00:00:00+00:19:32"'),
        (time(0, 0, 0, 10000), '"00:00:00.010000"'),
        (Moment(2026, 1, 2), '"2026-01-02T00:00:00"'),
        (date(2026, 1, 2), '"2026-01-02"'),
        (time(3, 4), '"03:04:00"'),
        (time(3, 4, 5, 60, tzinfo=UTC), '"03:04:05.000060+00:00"'),
        (UUID(int=5), '"00000000-0000-0000-0000-000000000005"'),
        (Decimal("1.50"), '"1.50"'),
        (timedelta(days=1, hours=2, minutes=30), '"P1DT2H30M"'),
        (timedelta(weeks=-2), '"-P14D"'),
        (timedelta(seconds=-1.5), '"-PT1.5S"'),
        ([timedelta(0), timedelta(microseconds=60)], '["PT0S","PT0.00006S"]'),
        ([Colour.RED, Colour.PRICE, Level.LOW, Word.YES], '["red","1.50",1,"yes"]'),
        (point(), '{"x":{"x":null},"_hidden":2,"rest":[[1,2]]}'),
        ((1, Pair(1, 2), Fraction(1.5)), "[1,[1,2],1.5]"),
        (OrderedDict(a=1), '{"a":1}'),
        ({1: 1, 1.5: 2, None: 3, False: 4, Level.LOW: 5, Word.YES: 6, Colour.RED: 7},
         '{"1":5,"1.5":2,"null":3,"false":4,"yes":6,"red":7}'),
        ({WHEN: 1, UUID(int=5): 2, date(2026, 1, 2): 3, time(3, 4, tzinfo=UTC): 4,
          Decimal("1.5"): 5, 2**70: 6, 1e-7: 7},
         ('{"2026-01-02T03:04:05.000060+00:00":1,"00000000-0000-0000-0000-000000000005":2,'
          '"2026-01-02":3,"03:04:00+00:00":4,"1.5":5,"1180591620717411303424":6,"1e-07":7}')),
        ("é\u2028\x7f\0\n", '"é\u2028\x7f\\u0000\\n"'),
        ([2**64, None, "null", 0.1], '[18446744073709551616,null,"null",0.1]'),
    ],
)  # fmt: skip
def test_what_goes_out(library: str, value: Any, text: str) -> None:
    assert json.dumps(value).decode() == text
    assert json.dumps([value, 2**70]).decode() == f"[{text},{2**70}]"


@pytest.mark.parametrize(
    ("value", "place"),
    [
        (math.nan, ""),
        ({"prices": [1.0, {"net": math.inf}]}, "['prices'][1]['net']"),
        ([None, "null", -math.inf], "[2]"),
        ({math.nan: 1}, "[nan]"),
        (Point(math.nan), "['x']"),
        ([Slotted([math.nan])], "[0]['x'][0]"),
        ({1: math.nan}, "[1]"),
        ([Fraction("nan")], "[0]"),
        ((1, (None, math.nan)), "[1][1]"),
        ({"a": object()}, "['a']"),
        ({"a": b"bytes"}, "['a']"),
        ({"a": {1, 2}}, "['a']"),
        ({(1, 2): 1}, "[(1, 2)]"),
        (["\ud800"], "[0]"),
        ({"\ud800": 1}, "['\\ud800']"),
        ([10**5000], "[0]"),
    ],
)
def test_what_has_no_form_is_a_type_error_that_says_where(
    library: str, value: Any, place: str
) -> None:
    with pytest.raises(TypeError, match=re.escape(f"the value{place} cannot be JSON: ")):
        json.dumps(value)


def test_what_is_too_deep_or_holds_itself_is_a_type_error(library: str) -> None:
    ring: list[Any] = []
    ring.append(ring)
    nested: Any = 1
    for _ in range(MAX + 1):
        nested = {"a": nested}
    json.dumps(nested["a"])
    for value in (ring, nested):
        with pytest.raises(TypeError, match=f"deeper than {MAX} levels"):
            json.dumps(value)


def test_an_app_may_say_what_it_makes_of_the_rest(library: str) -> None:
    def default(value: Any) -> Any:
        if isinstance(value, set):
            return sorted(value)
        if isinstance(value, complex):
            return math.nan
        if value == b"":
            raise LookupError("no bytes here")
        return value

    token = json.json_default.set(default)
    try:
        assert json.dumps({"a": {2, 1}, "b": [{2**70}], 3: {4}}) == (
            b'{"a":[1,2],"b":[[%d]],"3":[4]}' % 2**70
        )
        for refused, kind, why in (
            (1j, TypeError, "nan has no form"),
            (object(), TypeError, "either"),
            (b"", LookupError, "no bytes"),
        ):
            with pytest.raises(kind, match=why):
                json.dumps(["null", refused])
    finally:
        json.json_default.reset(token)


def test_fragments_of_orjson_stay_what_they_are() -> None:
    orjson = pytest.importorskip("orjson")
    assert json.dumps([orjson.Fragment(b"[null]"), 2**70]) == b"[[null],%d]" % 2**70
    assert json.dumps({"a": orjson.Fragment(b"null")}) == b'{"a":null}'


def test_models_of_msgspec(library: str) -> None:
    msgspec = pytest.importorskip("msgspec")
    kind = msgspec.defstruct(
        "Kind", [("when", Any), ("some_name", Any)], rename="camel", namespace={}
    )
    value = [kind(WHEN, [Point(Decimal("1.50")), 2**70])]
    assert json.dumps(value) == (
        b'[{"when":"2026-01-02T03:04:05.000060+00:00","someName":'
        b'[{"x":"1.50","_hidden":2,"rest":[]},%d]}]' % 2**70
    )
    with pytest.raises(TypeError, match=re.escape("['someName'] cannot be JSON: nan")):
        json.dumps(kind(1, math.nan))
    with pytest.raises(TypeError, match="object has no form"):
        json.dumps(kind(1, object()))


def test_models_of_pydantic(library: str) -> None:
    pydantic = pytest.importorskip("pydantic")
    model = pydantic.create_model(
        "Model", price=(Decimal, ...), whole=(int, 2**70), part=(float, 1)
    )
    assert json.dumps({"a": model(price="1.50")}) == (
        b'{"a":{"price":"1.50","whole":%d,"part":1.0}}' % 2**70
    )
    with pytest.raises(TypeError, match=re.escape("['part'] cannot be JSON: nan")):
        json.dumps(model(price=1, part=math.nan))


class Answer(enum.Enum):
    YES = "yes"
    NONE = None
    UNKNOWN = math.nan


def test_what_has_fields_is_written_at_once_though_one_is_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("orjson")
    msgspec = pytest.importorskip("msgspec")
    kind = msgspec.defstruct("Kind", ["x"])
    monkeypatch.setattr(json, "_write", None)  # Ten times as slow for eight fields.
    assert json.dumps(Slotted([None, 1.5])) == b'{"x":[null,1.5]}'
    assert json.dumps([kind(None), Point(Decimal("1.50"))]) == (
        b'[{"x":null},{"x":"1.50","_hidden":2,"rest":[]}]'
    )
    assert json.dumps({"a": Answer.YES, "b": Answer.NONE}) == b'{"a":"yes","b":null}'


@pytest.mark.parametrize("wrong", [math.nan, [math.inf], Slotted(-math.inf), Answer.UNKNOWN])
def test_nan_is_found_in_what_has_fields_beside_none(library: str, wrong: Any) -> None:
    msgspec = pytest.importorskip("msgspec")
    kind = msgspec.defstruct("Kind", ["x"])
    for value in (Slotted([None, wrong]), kind([None, wrong]), [None, {"a": kind(wrong)}]):
        with pytest.raises(TypeError, match="has no form in JSON"):
            json.dumps(value)


ZONES = st.none() | st.builds(timezone, st.timedeltas(timedelta(hours=-14), timedelta(hours=14)))
SIMPLE = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text()
    | st.datetimes(timezones=ZONES)
    | st.dates()
    | st.times()
    | st.uuids()
    | st.decimals(allow_nan=False)
    | st.sampled_from([Colour.RED, Colour.PRICE, Level.LOW, Word.YES, Fraction(1.5), object()])
    | st.text(st.characters(categories=["Cs", "Ll"]), max_size=3)
)
VALUES = st.recursive(
    SIMPLE,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(SIMPLE, inner, max_size=4)
        | st.dictionaries(st.text(max_size=3), inner, max_size=4)
        | st.tuples(inner, inner)
        | st.builds(Pair, inner, inner)
        | st.builds(Point, inner)
        | st.builds(Slotted, inner)
    ),
    max_leaves=15,
)


@given(VALUES)
def test_any_value_goes_out_alike_or_is_refused_alike(value: Any) -> None:
    one, other = both(json.dumps, value)
    if isinstance(one, bytes) and isinstance(other, bytes):
        one, other = standard.loads(one), standard.loads(other)
    assert same(one, other)
