"""Patterns: what may be written, what each converter reads, and the way back to a path."""

from __future__ import annotations

import time
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anylane.errors import RouteError
from anylane.routing.patterns.converters import Kind
from anylane.routing.patterns.matcher import Matcher
from anylane.routing.patterns.pattern import Pattern
from anylane.routing.patterns.pattern_syntax import decode_segment

KEY = UUID("12345678-1234-5678-1234-567812345678")


class Place:
    where = "tests.place (test_pattern.py:1)"


def read(pattern: str, path: str) -> dict[str, Any] | None:
    matcher: Matcher[Place] = Matcher()
    matcher.add(Pattern.parse(pattern), Place())
    found = matcher.find(path)
    return None if found is None else found[1]


@pytest.mark.parametrize(
    ("pattern", "kinds"),
    [
        ("/", [Kind.STATIC]),
        ("/a/b", [Kind.STATIC, Kind.STATIC]),
        ("/a/", [Kind.STATIC, Kind.STATIC]),
        ("/{k:uuid}/{n:int}/{x:float}", [Kind.UUID, Kind.INT, Kind.FLOAT]),
        ("/{word:[a-z]+}/{any}/{rest:path}", [Kind.REGEX, Kind.PLAIN, Kind.TAIL]),
        ("/{name}.{suffix}", [Kind.REGEX]),
        ("/{a:x/y}/{b}", [Kind.REGEX, Kind.PLAIN]),
    ],
)
def test_each_segment_has_one_class(pattern: str, kinds: list[Kind]) -> None:
    assert [segment.kind for segment in Pattern.parse(pattern).segments] == kinds


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("", "empty; the root of the site is '/'"),
        ("a/b", "does not start with '/'; write '/a/b'"),
        ("/{id", "'{' that is never closed, at 1"),
        ("/id}", "'}' without a '{' before it, at 3"),
        ("/{}", "expected a Python name"),
        ("/{ id }", "expected a Python name"),
        ("/{1:int}", "expected a Python name"),
        ("/{id:}", "nothing behind the colon of {id:}; write {id}"),
        ("/{id}/{id}", "two parameters 'id'; rename one"),
        ("/{id}-{id}", "two parameters 'id'; rename one"),
        ("/{id:integer}", "expected one of int, float, uuid, path, or a regular expression"),
        ("/{id:integer}", "(the word itself is written {id:(?:integer)})"),
        ("/{id:str}", "{id} takes any text"),
        ("/{id:[a-z}", "'[' that is never closed, at 5, in the regular expression of the '{' at 1"),
        ("/{id:(}", "bad regular expression '(': "),
        ("/{id:a{2,1}}", "bad regular expression 'a{2,1}': "),
        ("/{rest:path}/a", "must be the last segment"),
        ("/{rest:path}/", "must be the last segment"),
        ("/a-{rest:path}", "must stand alone"),
        ("/{a}{b}", "'a' and 'b' with nothing between them"),
        ("/x-{a:(b)}", "write it as (?:...)"),
        ("/a?x=1", "'?', which ends the path of a URL"),
        ("/a#b", "'#', which ends the path of a URL"),
        ("/100%", "a plain '%' is written %25"),
        ("/%FF", "wrong percent-encoding in '%FF'"),
        # What other frameworks write.
        ("/<id>", "write {id} (as plain text it is written %3Cid%3E)"),
        ("/<int:id>", "write {id:int} (as"),
        ("/<id:int>/x", "write {id:int} (as"),
        ("/<string:name>", "write {name} (as"),
        ("/<path:rest>", "write {rest:path} (as"),
        ("/a-<id>", "has '<', which no path has as it is; write {id} (as"),
        ("/a>b", "has '>', which no path has as it is; a parameter is written {name}"),
        ("/:id", "write {id} (as plain text it is written %3Aid)"),
        ("/users/:id/posts", "write {id} (as"),
        ("/:id.json", "write {id} (as"),
        ("/*", "write {rest:path} (as plain text it is written %2A)"),
        ("/files/*", "write {rest:path} (as"),
        ("/files/*rest", "write {rest:path} (as"),
        ("/files/*path", "write {path:path} (as"),
        ("/files/**", "write {rest:path} (as"),
        ("/[id]", "write {id} (as plain text it is written %5Bid%5D)"),
        ("/[...rest]", "write {rest:path} (as"),
        ("/{int:id}", "the name comes first: write {id:int}"),
        ("/{path:rest}", "the name comes first: write {rest:path}"),
        ("/{rest:*}", "bad regular expression"),
    ],
)
def test_a_bad_pattern_is_refused_with_what_was_seen_and_what_to_do(
    pattern: str, says: str
) -> None:
    with pytest.raises(RouteError) as raised:
        Pattern.parse(pattern)
    assert says in str(raised.value)
    assert repr(pattern) in str(raised.value) or pattern == ""


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("/%3Cid%3E", "/<id>"),
        ("/%3Aid", "/:id"),
        ("/p:list", "/p:list"),
        ("/{id}:list", "/7:list"),
        ("/12:30", "/12:30"),
        ("/a*", "/a*"),
        ("/%2A", "/*"),
        ("/:", "/:"),
        ("/:-)", "/:-)"),
    ],
)
def test_plain_text_with_such_letters_matches_itself(pattern: str, path: str) -> None:
    assert read(pattern, path) is not None


def test_a_decorator_without_parentheses_is_noticed() -> None:
    with pytest.raises(RouteError, match=r"write the path: @app\.get\('/path'\)"):
        Pattern.parse(test_a_decorator_without_parentheses_is_noticed)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("spec", "text", "value"),
    [
        (":int", "0", 0),
        (":int", "007", 7),
        (":int", "9" * 640, int("9" * 640)),
        (":int", "9" * 641, None),
        (":int", "-1", None),
        (":int", "+1", None),
        (":int", "1_0", None),
        (":int", "\u0661", None),
        (":int", "%D9%A1", None),
        (":int", "1%0A", None),
        (":int", "%31", 1),
        (":float", "1", 1.0),
        (":float", "1.50", 1.5),
        (":float", "1.", None),
        (":float", ".5", None),
        (":float", "1e5", None),
        (":float", "nan", None),
        (":float", "-1.5", None),
        (":float", "9" * 400, None),
        (":uuid", str(KEY), KEY),
        (":uuid", str(KEY).upper(), KEY),
        (":uuid", KEY.hex, None),
        (":uuid", f"{{{KEY}}}", None),
        ("", "a b", "a b"),
        ("", "a%2Fb", "a/b"),
        ("", "caf%C3%A9", "caf\u00e9"),
        ("", "100%", None),
        ("", "%zz", None),
        ("", "%FF", None),
        ("", "%ED%A0%80", None),
        (r":\d{2}", "12", "12"),
        (r":\d{2}", "123", None),
        (r":\d{2}", "12%0A", None),
        (r":[^{}/]+", "a", "a"),
        (r":\}", "%7D", "}"),
        (r":[]}]", "}", "}"),
        (":a|b", "b", "b"),
        (":(?i)abc", "ABC", "ABC"),
        (":(?:integer)", "integer", "integer"),
    ],
)
def test_what_a_parameter_reads(spec: str, text: str, value: object) -> None:
    found = read(f"/x/{{p{spec}}}/y", f"/x/{text}/y")
    assert found == (None if value is None else {"p": value})
    if found is not None:
        assert type(found["p"]) is type(value)


@pytest.mark.parametrize("spec", ["", ":int", ":float", ":uuid", ":[a-z]+"])
def test_a_parameter_does_not_match_an_empty_segment(spec: str) -> None:
    assert read(f"/x/{{p{spec}}}", "/x/") is None
    assert read(f"/x/{{p{spec}}}/y", "/x//y") is None


@pytest.mark.parametrize(
    ("pattern", "path", "params"),
    [
        ("/f/{rest:path}", "/f/", {"rest": ""}),
        ("/f/{rest:path}", "/f", None),
        ("/f/{rest:path}", "/f/a/b/", {"rest": "a/b/"}),
        ("/f/{rest:path}", "/f//a", {"rest": "/a"}),
        ("/f/{rest:path}", "/f/a%2Fb/%zz", None),
        ("/{rest:path}", "/", {"rest": ""}),
        ("/f/{rest:.*}", "/f/", {"rest": ""}),
        ("/f/{rest:.+}", "/f/a/b", {"rest": "a/b"}),
        ("/f/{rest:[a-z]+}", "/f/a/b", None),
        ("/f/{rest:[a-z]+/[a-z]+}", "/f/a/b", {"rest": "a/b"}),
        ("/f/{rest:[a-z]+/[a-z]+}/x", "/f/a/b/x", None),
    ],
)
def test_a_tail_or_a_last_regex_takes_the_rest(
    pattern: str, path: str, params: dict[str, str] | None
) -> None:
    assert read(pattern, path) == params


@pytest.mark.parametrize(
    ("pattern", "path", "params"),
    [
        ("/a-{id}", "/a-b-c", {"id": "b-c"}),
        ("/a-{id}", "/a-", None),
        ("/{name}.{suffix}", "/x.tar.gz", {"name": "x", "suffix": "tar.gz"}),
        ("/{name}.{suffix}", "/x", None),
        ("/{a}--{b}", "/x-y--z", {"a": "x-y", "b": "z"}),
        ("/v{major:int}.{minor:int}", "/v1.22", {"major": 1, "minor": 22}),
        ("/v{major:int}.{minor:int}", "/v1.x", None),
        ("/{x:float}.{suffix}", "/1.png", {"x": 1.0, "suffix": "png"}),
        ("/{x:float}.{suffix}", "/1.5.png", {"x": 1.5, "suffix": "png"}),
        ("/{key:uuid}.json", f"/{KEY}.json", {"key": KEY}),
        ("/{file}.{kind:json|xml}", "/a.xml", {"file": "a", "kind": "xml"}),
        ("/%7Bx%7D{id}", "/%7Bx%7Dy", {"id": "y"}),
        ("/@{user}", "/@%E2%98%83", {"user": "\u2603"}),
    ],
)
def test_text_and_parameters_can_be_mixed_in_a_segment(
    pattern: str, path: str, params: dict[str, object] | None
) -> None:
    assert read(pattern, path) == params


def test_a_mixed_segment_takes_linear_time() -> None:
    # 60 KB without the end that the pattern wants; quadratic work would take minutes.
    start = time.perf_counter()
    for pattern in ("/{a}-{b}-{c}-{d}.x", "/{a:int}-{b:int}-{c:float}-{d}.x"):
        for path in ("/" + "a-" * 30_000, "/" + "-" * 60_000, "/" + "1-" * 30_000):
            assert read(pattern, path) is None
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize(
    ("pattern", "params", "path"),
    [
        ("/", {}, "/"),
        ("/caf%c3%a9/\u00fc/a b", {}, "/caf%C3%A9/%C3%BC/a%20b"),
        ("/u/{id}", {"id": "a/b c?#%"}, "/u/a%2Fb%20c%3F%23%25"),
        ("/u/{id}", {"id": "a@b:c;d=e,f"}, "/u/a@b:c;d=e,f"),
        ("/u/{id}", {"id": 42}, "/u/42"),
        ("/u/{id}", {"id": KEY}, f"/u/{KEY}"),
        ("/u/{id:int}", {"id": 42}, "/u/42"),
        ("/u/{id:int}", {"id": "42"}, "/u/42"),
        ("/u/{x:float}", {"x": 1e22}, "/u/10000000000000000000000"),
        ("/u/{x:float}", {"x": 1e-7}, "/u/0.0000001"),
        ("/u/{x:float}", {"x": 3}, "/u/3"),
        ("/u/{k:uuid}", {"k": KEY}, f"/u/{KEY}"),
        ("/f/{rest:path}", {"rest": "a/b c/"}, "/f/a/b%20c/"),
        ("/f/{rest:path}", {"rest": ""}, "/f/"),
        ("/f/{rest:.+}", {"rest": "a/b"}, "/f/a/b"),
        ("/f/{rest:.+}/x", {"rest": "a/b"}, "/f/a%2Fb/x"),
        ("/{name}.{suffix}", {"name": "a", "suffix": "b.c"}, "/a.b.c"),
        ("/{self}/{name}", {"self": 1, "name": 2}, "/1/2"),
    ],
)
def test_format_writes_the_path(pattern: str, params: dict[str, object], path: str) -> None:
    assert Pattern.parse(pattern).format(**params) == path


@pytest.mark.parametrize(
    ("pattern", "params", "says"),
    [
        ("/{a}/{b}", {"a": 1}, "needs the parameters 'a', 'b', got 'a'"),
        ("/a", {"b": 1}, "needs the parameters none, got 'b'"),
        ("/{a}", {"a": ""}, "expected text that is not empty"),
        ("/{a}", {"a": None}, "parameter 'a' of '/{a}' is None"),
        ("/{a}", {"a": True}, "is True; expected text"),
        ("/{a}", {"a": b"x"}, "is b'x'; expected text"),
        ("/{a:int}", {"a": -1}, "expected 1 to 640 ASCII digits without a sign"),
        ("/{a:int}", {"a": 10**5000}, "expected 1 to 640 ASCII digits"),
        ("/{a:float}", {"a": float("inf")}, "is inf; expected digits"),
        ("/{a:uuid}", {"a": "x"}, "is 'x'; expected a UUID with hyphens"),
        ("/{a:[a-z]+}", {"a": "A"}, "expected text that matches '[a-z]+'"),
        ("/{a}.{b}", {"a": "x.y", "b": "z"}, "would not be read back"),
        ("/{a}", {"a": ".."}, "'.' or '..', which clients remove"),
        ("/f/{a:path}", {"a": "x/../y"}, "'.' or '..', which clients remove"),
        ("/{a:path}", {"a": "/evil.example"}, "would be read as the name of a host"),
        ("/{a}", {"a": "\ud800"}, "cannot be written in UTF-8"),
    ],
)
def test_format_refuses_what_would_not_come_back(
    pattern: str, params: dict[str, object], says: str
) -> None:
    with pytest.raises(RouteError) as raised:
        Pattern.parse(pattern).format(**params)
    assert says in str(raised.value)


VALUES = {
    "{p}": st.text(min_size=1),
    "{p:int}": st.integers(min_value=0),
    "{p:float}": st.floats(min_value=0, allow_infinity=False, allow_nan=False),
    "{p:uuid}": st.uuids(),
    "{p:path}": st.text(),
    "{p:(?s:.+)}": st.text(min_size=1),
    "a-{p}": st.text(min_size=1),
    "{p}.x": st.text(min_size=1),
}


@settings(deadline=None)
@given(st.sampled_from(sorted(VALUES)).flatmap(lambda p: st.tuples(st.just(p), VALUES[p])))
def test_what_format_writes_is_read_back(pair: tuple[str, object]) -> None:
    # Invariant: format() either refuses or gives a path in ASCII that has the same parameters.
    segment, value = pair
    pattern = f"/x/{segment}"
    try:
        path = Pattern.parse(pattern).format(p=value)
    except RouteError:
        return
    assert path.isascii()
    assert read(pattern, path) == {"p": value}


@settings(deadline=None)
@given(st.text())
def test_parsing_any_text_gives_a_pattern_or_a_route_error(text: str) -> None:
    try:
        pattern = Pattern.parse("/" + text)
    except RouteError:
        return
    assert Pattern.parse(pattern.text) == pattern


@settings(deadline=None)
@given(st.text("%0123456789abcdefABCDEFxyz\u00e9\ud800"))
def test_decoding_never_raises(text: str) -> None:
    decoded = decode_segment(text)
    assert decoded is None or "%" in text or decoded == text
