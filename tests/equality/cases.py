"""The cases: what is asked of each framework."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tests.equality.verdicts import F

JSON = ("content-type", "application/json")
FORM = ("content-type", "application/x-www-form-urlencoded")
KEY = "12345678-1234-5678-1234-567812345678"
MULTIPART = ("content-type", "multipart/form-data; boundary=b")


@dataclass(frozen=True)
class Case:
    """One request."""

    what: str
    """What is tried: unique in its chapter."""
    method: str
    target: str
    body: bytes = b""
    headers: Sequence[tuple[str, str]] = ()
    then: str = ""
    """A target that is asked for afterwards, whose answer belongs to the outcome."""
    secret: str = ""
    """What the answer must not have in it."""
    lacks: tuple[str, ...] = ()
    """Which frameworks cannot declare it."""


def get(what: str, target: str, **more: object) -> Case:
    return Case(what, "GET", target, **more)  # type: ignore[arg-type]


def post(what: str, target: str, body: bytes | str, **more: object) -> Case:
    data = body.encode() if isinstance(body, str) else body
    headers = more.pop("headers", (JSON,))
    return Case(what, "POST", target, data, headers, **more)  # type: ignore[arg-type]


ITEM = '{"name":"a","price":1.5}'


def multipart(*parts: tuple[str, str]) -> bytes:
    """Return a multipart body of parts, each with its disposition and content."""
    pieces = [
        f"--b\r\nContent-Disposition: form-data; {disposition}\r\n\r\n{content}\r\n"
        for disposition, content in parts
    ]
    return ("".join(pieces) + "--b--\r\n").encode()


CHAPTERS: dict[str, list[Case]] = {
    "The path": [
        get("an integer", "/path/int/7"),
        get("a negative one", "/path/int/-7"),
        get("no integer", "/path/int/x"),
        get("of 700 digits", "/path/int/" + "9" * 700),
        get("with a plus sign", "/path/int/+7"),
        get("with an underscore", "/path/int/1_000"),
        get("in Arabic digits", "/path/int/%D9%A3"),
        get("written as 7.0", "/path/int/7.0"),
        get("a text with a space and %2F", "/path/str/a%20b%2Fc"),
        get("UTF-8", "/path/str/%E2%82%AC"),
        get("invalid UTF-8", "/path/str/%FF"),
        get("an empty segment", "/path/str/"),
        get("a number", "/path/float/1.5"),
        get("a number with an exponent", "/path/float/1e3"),
        get("NaN", "/path/float/nan"),
        get("a UUID", f"/path/uuid/{KEY}"),
        get("a UUID without hyphens", "/path/uuid/" + KEY.replace("-", "")),
        get("above its bound", "/path/bounded/10"),
        get("a tail", "/path/tail/a/b.txt"),
        get("no integer for a converter", "/path/converted/x"),
        get("a trailing slash", "/path/int/7/"),
    ],
    "The query": [
        get("an integer", "/query/int?value=7"),
        get("missing", "/query/int"),
        get("without a value", "/query/int?value"),
        get("empty", "/query/int?value="),
        get("no integer", "/query/int?value=x"),
        get("1.0 for an integer", "/query/int?value=1.0"),
        get("1_0 for an integer", "/query/int?value=1_0"),
        get("an integer with spaces", "/query/int?value=%207%20"),
        get("`+7`, which is a space", "/query/int?value=+7"),
        get("`%2B7`", "/query/int?value=%2B7"),
        get("an integer of 30 digits", "/query/int?value=" + "9" * 30),
        get("an integer of 5,000 digits", "/query/int?value=" + "9" * 5000),
        get("twice where one is expected", "/query/int?value=1&value=2"),
        get("another name beside it", "/query/int?value=7&unknown=1"),
        get("a number", "/query/float?value=1.5e3"),
        get("NaN", "/query/float?value=nan"),
        get("infinity", "/query/float?value=inf"),
        get("1e999", "/query/float?value=1e999"),
        get("`true`", "/query/bool?value=true"),
        get("`ON`", "/query/bool?value=ON"),
        get("`0`", "/query/bool?value=0"),
        get("`t`", "/query/bool?value=t"),
        get("`maybe`", "/query/bool?value=maybe"),
        get("a flag without a value", "/query/bool?value"),
        get("an empty text", "/query/str?value="),
        get("`a+b%2Bc`", "/query/str?value=a+b%2Bc"),
        get("UTF-8", "/query/str?value=%E2%82%AC"),
        get("invalid UTF-8", "/query/str?value=%FF"),
        get("a semicolon", "/query/str?value=a;b"),
        get("a stray percent sign", "/query/str?value=100%"),
        get("a value of an Enum", "/query/enum?value=red"),
        get("its name", "/query/enum?value=RED"),
        get("a value of an IntEnum", "/query/level?value=2"),
        get("a Literal", "/query/literal?value=b"),
        get("no such Literal", "/query/literal?value=c"),
        get("a UUID", f"/query/uuid?value={KEY}"),
        get("a UUID in braces", "/query/uuid?value=%7B" + KEY + "%7D"),
        get("a moment with Z", "/query/datetime?value=2026-11-30T12:30:00Z"),
        get("a moment without a zone", "/query/datetime?value=2026-11-30T12:30:00"),
        get("a moment with `+01:00` unescaped", "/query/datetime?value=2026-11-30T12:30:00+01:00"),
        get("a moment with `%2B01:00`", "/query/datetime?value=2026-11-30T12:30:00%2B01:00"),
        get("seconds since 1970 for a moment", "/query/datetime?value=1764505845"),
        get("the year 10000", "/query/datetime?value=10000-01-01T00:00:00Z"),
        get("a date", "/query/date?value=2026-11-30"),
        get("no such date", "/query/date?value=2026-02-30"),
        get("a moment for a date", "/query/date?value=2026-11-30T00:00:00"),
        get("a time", "/query/time?value=12:30"),
        get("a duration", "/query/timedelta?value=P1DT2H"),
        get("a number for a duration", "/query/timedelta?value=90"),
        get("too long a duration", "/query/timedelta?value=P999999999999D"),
        get("a decimal number", "/query/decimal?value=1.10"),
        get("NaN for a decimal number", "/query/decimal?value=NaN"),
        get("1e999999999 for a decimal number", "/query/decimal?value=1e999999999"),
        get("optional, and missing", "/query/optional"),
        get("optional, and empty", "/query/optional?value="),
        get("`null` for an optional one", "/query/optional?value=null"),
        get("a union, as its narrower type", "/query/union?value=7"),
        get("a union, as its wider type", "/query/union?value=x"),
        get("a default", "/query/default"),
        get("a list", "/query/list?value=1&value=2"),
        get("a list of one", "/query/list?value=1"),
        get("a list with commas", "/query/list?value=1,2"),
        get("a list that is missing", "/query/list"),
        get("a list with a wrong item", "/query/list?value=1&value=x"),
        get("an optional list that is missing", "/query/texts"),
        get("a set", "/query/set?value=1&value=1&value=2"),
        get("a tuple", "/query/tuple?value=1&value=a"),
        get("a tuple of a wrong length", "/query/tuple?value=1"),
        get("within all bounds", "/query/bounds?n=9&m=10&s=abcd&p=z"),
        get("outside of all bounds", "/query/bounds?n=10&m=7&s=a&p=Z"),
        get("a text that ends in a line feed", "/query/bounds?p=a%0A"),
        get("another name than the parameter's", "/query/named?the-page=3"),
        get("the parameter's name instead", "/query/named?page=3"),
        get("several faults at once", "/query/several?n=x&day=2026-13-01"),
        get(
            "a wrong header beside a right query",
            "/query/several?q=a&n=1&day=2026-11-30",
            headers=[("x-key", "none")],
        ),
    ],
    "Headers and cookies": [
        get("a header", "/header", headers=[("x-count", "7")]),
        get("missing", "/header"),
        get("no integer", "/header", headers=[("x-count", "seven")]),
        get("twice", "/header", headers=[("x-count", "7"), ("x-count", "8")]),
        get("a list of two lines", "/header/list", headers=[("x-tag", "a"), ("x-tag", "b")]),
        get("a list in one line", "/header/list", headers=[("x-tag", "a, b")]),
        get("a cookie", "/cookie", headers=[("cookie", "other=1; sid=abc")]),
        get("no cookie", "/cookie"),
        get("too short a cookie", "/cookie", headers=[("cookie", "sid=ab")]),
        get("a cookie in quotes", "/cookie", headers=[("cookie", 'sid="a b"')]),
    ],
    "Bodies": [
        post("a dataclass", "/body/item", ITEM),
        post("a missing field", "/body/item", '{"name":"a"}'),
        post("an unknown field", "/body/item", '{"name":"a","price":1.5,"more":1}'),
        post("null in an optional field", "/body/item", '{"name":"a","price":1.5,"note":null}'),
        post("null in another", "/body/item", '{"name":null,"price":1.5}'),
        post('`"1"` for an integer', "/body/item", '{"name":"a","price":1.5,"count":"1"}'),
        post("`1.0` for an integer", "/body/item", '{"name":"a","price":1.5,"count":1.0}'),
        post("`1.5` for an integer", "/body/item", '{"name":"a","price":1.5,"count":1.5}'),
        post("`true` for an integer", "/body/item", '{"name":"a","price":1.5,"count":true}'),
        post("`1` for a float", "/body/item", '{"name":"a","price":1}'),
        post('`"1.5"` for a float', "/body/item", '{"name":"a","price":"1.5"}'),
        post("`1` for a text", "/body/item", '{"name":1,"price":1.5}'),
        post("2**70 for an integer", "/body/item", f'{{"name":"a","price":1,"count":{2**70}}}'),
        post(
            "an integer of 5,000 digits",
            "/body/item",
            '{"name":"a","price":1,"count":' + "9" * 5000 + "}",
        ),
        post("1e999 for a float", "/body/item", '{"name":"a","price":1e999}'),
        post("NaN for a float", "/body/item", '{"name":"a","price":NaN}'),
        post("several faults at once", "/body/item", '{"price":"x","count":"y","tags":[1]}'),
        post("a name twice", "/body/item", '{"name":"a","name":"b","price":1}'),
        post("another object", "/body/item", "[]"),
        post("null", "/body/item", "null"),
        post("broken JSON", "/body/item", '{"name":'),
        post("JSON and more behind it", "/body/item", ITEM + "x"),
        post("no body", "/body/item", "", headers=()),
        post("an empty body", "/body/item", ""),
        post("no media type", "/body/item", ITEM, headers=()),
        post("text/plain", "/body/item", ITEM, headers=[("content-type", "text/plain")]),
        post("a form", "/body/item", "name=a&price=1.5", headers=[FORM]),
        post(
            "application/problem+json",
            "/body/item",
            ITEM,
            headers=[("content-type", "application/problem+json")],
        ),
        post(
            "a charset in the media type",
            "/body/item",
            ITEM,
            headers=[("content-type", "application/json; charset=utf-8")],
        ),
        post("a byte order mark", "/body/item", b"\xef\xbb\xbf" + ITEM.encode()),
        post("UTF-16", "/body/item", ITEM.encode("utf-16-le")),
        post("invalid UTF-8", "/body/item", b'{"name":"\xff","price":1}'),
        post("half of a surrogate pair", "/body/item", '{"name":"\\ud800","price":1}'),
        post("a TypedDict", "/body/row", '{"a":1}'),
        post("a wrong TypedDict", "/body/row", '{"a":"1"}'),
        post("a Struct", "/body/point", '{"x":1}', lacks=(F,)),
        post("a pydantic model", "/body/person", '{"name":"Ada","age":36,"born":"1815-12-10"}'),
        post("a wrong pydantic model", "/body/person", '{"age":-1}'),
        post('`"36"` for an integer of pydantic', "/body/person", '{"name":"Ada","age":"36"}'),
        post(
            "nested",
            "/body/order",
            f'{{"item":{ITEM},"others":[{ITEM}],"by_name":{{"x":{ITEM}}}}}',
        ),
        post(
            "faults in nested ones",
            "/body/order",
            '{"item":{"name":"a","price":"x"},"others":[{"name":1,"price":1}],'
            '"by_name":{"x":{"price":1}}}',
        ),
        post("a list of models", "/body/items", f"[{ITEM},{ITEM}]"),
        post("a wrong list of models", "/body/items", f'[{ITEM},{{"name":"a"}}]'),
        post("an optional body", "/body/optional", ITEM),
        post("an optional body, null", "/body/optional", "null"),
        post("an optional body, missing", "/body/optional", "", headers=()),
        post("a bare dict", "/body/dict", '{"a":[1,null,"x"]}'),
        post("an array for a dict", "/body/dict", "[1]"),
        post(
            "every scalar",
            "/body/event",
            '{"at":"2026-11-30T12:30:00Z","day":"2026-11-30","hour":"12:30:00","length":"PT1H",'
            f'"cost":"1.10","key":"{KEY}","color":"red","public":true}}',
        ),
        post("a moment without a zone", "/body/event", '{"at":"2026-11-30T12:30:00"}'),
        post("a moment without seconds", "/body/event", '{"at":"2026-11-30T12:30Z"}'),
        post("seconds since 1970", "/body/event", '{"at":1764505845}'),
        post(
            "a number for a decimal number",
            "/body/event",
            '{"at":"2026-11-30T12:30:00Z","cost":1.10}',
        ),
        post(
            "a decimal number of exponent 999999999",
            "/body/event",
            '{"at":"2026-11-30T12:30:00Z","cost":"1e999999999"}',
        ),
        post('`"true"` for a bool', "/body/event", '{"at":"2026-11-30T12:30:00Z","public":"true"}'),
        post("`1` for a bool", "/body/event", '{"at":"2026-11-30T12:30:00Z","public":1}'),
        post("a tree", "/body/tree", '{"value":1,"children":[{"value":2}]}'),
        post(
            "a tree of 150 levels",
            "/body/tree",
            '{"value":1,"children":[' * 150 + '{"value":2}' + "]}" * 150,
        ),
        post("2,000 arrays in each other", "/body/dict", '{"a":' + "[" * 2000 + "]" * 2000 + "}"),
        post(
            "a wrong password",
            "/body/login",
            '{"user":"ada","password":"hunter2"}',
            secret="hunter2",
        ),
        Case(
            "path, query, header and body at once",
            "PUT",
            "/body/both/7?verbose=1",
            ITEM.encode(),
            [JSON, ("x-key", KEY)],
        ),
        Case(
            "faults in all of them",
            "PUT",
            "/body/both/7?verbose=x",
            b"{}",
            [JSON, ("x-key", "none")],
        ),
    ],
    "Forms and files": [
        post("a form", "/form", "a=5&b=x+y&tags=1&tags=2", headers=[FORM]),
        post("one value of a list", "/form", "a=5&tags=1", headers=[FORM]),
        post("a wrong form", "/form", "b=x", headers=[FORM]),
        post("above its bound", "/form", "a=10", headers=[FORM]),
        post("an empty field", "/form", "a=", headers=[FORM]),
        post("an empty text", "/form", "a=5&b=", headers=[FORM]),
        post("JSON for a form", "/form", '{"a":5}'),
        post("a model", "/form/person", "name=Ada&age=36", headers=[FORM]),
        post("a wrong model", "/form/person", "age=x", headers=[FORM]),
        post(
            "a file",
            "/upload",
            multipart(('name="paper"; filename="a.txt"', "text"), ('name="note"', "hi")),
            headers=[MULTIPART],
        ),
        post(
            "no file",
            "/upload",
            multipart(
                ('name="note"', "hi"),
            ),
            headers=[MULTIPART],
        ),
        post("a text for a file", "/upload", multipart(('name="paper"', "x")), headers=[MULTIPART]),
        post(
            "an input without a file",
            "/upload",
            multipart(('name="paper"; filename=""', "")),
            headers=[MULTIPART],
        ),
        post(
            "an empty file",
            "/upload",
            multipart(('name="paper"; filename="a.txt"', "")),
            headers=[MULTIPART],
        ),
        post(
            "no boundary",
            "/upload",
            "",
            headers=[("content-type", "multipart/form-data")],
        ),
    ],
    "Dependencies": [
        get("nested, and one value a request", "/depends/nested?page=3", then="/depends/log"),
        get("a generator", "/depends/generator", then="/depends/log"),
        get(
            "one that fails behind a generator",
            "/depends/failing",
            headers=[("x-key", "wrong")],
            then="/depends/log",
        ),
        get(
            "faults of the handler and of dependencies",
            "/depends/wrong?n=x&page=y&size=z",
            then="/depends/log",
        ),
    ],
    "Answers": [
        post("status=201", "/answer/created", ""),
        get("a subclass with one more field", "/answer/subclass"),
        get("a subclass in a list", "/answer/list"),
        get("a dict with one more field", "/answer/dict"),
        get("a text for an integer", "/answer/text"),
        get("a field is missing", "/answer/missing"),
        get("None where it is allowed", "/answer/none"),
        get("NaN", "/answer/nan"),
        get("a moment, a duration, a decimal number, an Enum", "/answer/event"),
    ],
    "Methods": [
        Case("HEAD of a GET route", "HEAD", "/query/default"),
        Case("OPTIONS", "OPTIONS", "/query/default"),
        Case("POST to a GET route", "POST", "/query/default"),
        Case("DELETE of a POST route", "DELETE", "/body/item"),
        Case("no such path", "GET", "/none"),
    ],
}


def all_cases() -> dict[str, Case]:
    """Return each case by its name, `Chapter: what`."""
    return {f"{title}: {each.what}": each for title, cases in CHAPTERS.items() for each in cases}
