"""Which pattern a path belongs to, whatever the order of registration."""

from __future__ import annotations

import itertools
import random
import re
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anylane.errors import RouteError
from anylane.routing.patterns.converters import Kind
from anylane.routing.patterns.matcher import Matcher
from anylane.routing.patterns.pattern import Pattern
from anylane.routing.patterns.pattern_syntax import Parameter

KEY = "12345678-1234-5678-1234-567812345678"


@dataclass
class End:
    text: str

    @property
    def where(self) -> str:
        return f"handler of {self.text}"


def matcher_of(*patterns: str) -> Matcher[End]:
    matcher: Matcher[End] = Matcher()
    for pattern in patterns:
        matcher.add(Pattern.parse(pattern), End(pattern))
    return matcher


def found(matcher: Matcher[End], path: str) -> str | None:
    match = matcher.find(path)
    return None if match is None else match[0].text


ALL_CLASSES = ("/1", "/{k:uuid}", "/{n:int}", "/{x:float}", "/{r:[0-9a-z]+}", "/{p}", "/{t:path}")


@pytest.mark.parametrize(
    ("path", "pattern"),
    [
        ("/1", "/1"),
        (f"/{KEY}", "/{k:uuid}"),
        ("/2", "/{n:int}"),
        ("/2.5", "/{x:float}"),
        ("/2a", "/{r:[0-9a-z]+}"),
        ("/A", "/{p}"),
        ("/A/b", "/{t:path}"),
        ("/", "/{t:path}"),
    ],
)
def test_the_most_specific_class_wins_in_any_order(path: str, pattern: str) -> None:
    shuffled = random.Random(1)
    for _ in range(20):
        patterns = shuffled.sample(ALL_CLASSES, len(ALL_CLASSES))
        assert found(matcher_of(*patterns), path) == pattern


def test_find_all_gives_every_match_in_the_order_of_the_classes() -> None:
    matcher = matcher_of(*reversed(ALL_CLASSES))
    assert [end.text for end, _ in matcher.find_all("/1")] == [
        "/1", "/{n:int}", "/{x:float}", "/{r:[0-9a-z]+}", "/{p}", "/{t:path}",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("patterns", "path", "pattern"),
    [
        (("/a/{x}/c", "/{y}/b/d"), "/a/b/d", "/{y}/b/d"),
        (("/a/{x}/c", "/{y}/b/d"), "/a/b/c", "/a/{x}/c"),
        (("/u/me", "/u/{id}"), "/u/me", "/u/me"),
        (("/u/me", "/u/{id}"), "/u/you", "/u/{id}"),
        (("/u/{n:int}/x", "/u/{id}/y"), "/u/1/y", "/u/{id}/y"),
        (("/a/b/{t:path}", "/a/{x}/c"), "/a/b/c", "/a/b/{t:path}"),
        (("/a/{r:.+}", "/a/{r:.+}/c"), "/a/b/c", "/a/{r:.+}/c"),
        (("/a/{r:.+}", "/a/{r:.+}/c"), "/a/b/d", "/a/{r:.+}"),
        (("/x/{a}/1", "/x/{b}/2"), "/x/y/2", "/x/{b}/2"),
    ],
)
def test_the_first_segment_that_differs_decides_and_matching_backtracks(
    patterns: tuple[str, ...], path: str, pattern: str
) -> None:
    for order in itertools.permutations(patterns):
        assert found(matcher_of(*order), path) == pattern


def test_names_belong_to_the_pattern_that_matched() -> None:
    matcher = matcher_of("/x/{a}/1", "/x/{b}/2")
    assert matcher.find("/x/y/1") == (End("/x/{a}/1"), {"a": "y"})
    assert matcher.find("/x/y/2") == (End("/x/{b}/2"), {"b": "y"})


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("/a", "/a", True),
        ("/a", "/a/", False),
        ("/a/", "/a", False),
        ("/a/", "/a/", True),
        ("/", "/", True),
        ("/", "", False),
        ("/", "//", False),
        ("/a", "//a", False),
        ("/a", "a", False),
        ("/{x}", "x", False),
        ("/{x}", "*", False),
        ("/{x}/", "/a/", True),
        ("/{x}/", "/a", False),
        ("/a//b", "/a//b", True),
        ("/a//b", "/a/b", False),
        ("/A", "/a", False),
    ],
)
def test_slashes_and_case_are_significant(pattern: str, path: str, matches: bool) -> None:
    assert (found(matcher_of(pattern), path) is not None) is matches


@pytest.mark.parametrize("rest", ["", "/{id}"])
@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("/caf\u00e9", "/caf%C3%A9", True),
        ("/caf%C3%A9", "/caf%c3%a9", True),
        ("/caf%c3%a9", "/caf\u00e9", True),
        ("/a b", "/a%20b", True),
        ("/abc", "/%61b%63", True),
        ("/a%2Fb", "/a%2fb", True),
        ("/a%2Fb", "/a/b", False),
        ("/a/b", "/a%2Fb", False),
        ("/a%252Fb", "/a%252Fb", True),
        ("/a%252Fb", "/a%2Fb", False),
        ("/a%2Fb", "/a%252Fb", False),
        ("/a", "/a%", False),
        ("/a", "/a%FF", False),
    ],
)
def test_segments_are_decoded_after_splitting(
    pattern: str, path: str, matches: bool, rest: str
) -> None:
    end = "/1" if rest else ""
    assert (found(matcher_of(pattern + rest), path + end) is not None) is matches


def test_wrong_encoding_anywhere_in_the_path_matches_nothing() -> None:
    matcher = matcher_of("/{t:path}", "/a/{x}")
    for path in ("/a/%", "/a/%4", "/a/%zz", "/a/b/%FF", "/%C3/%A9"):
        assert matcher.find(path) is None
        assert list(matcher.find_all(path)) == []


@pytest.mark.parametrize(
    ("first", "second", "says"),
    [
        ("/x/{a}", "/x/{b}", "matches the same paths as"),
        ("/x/{a:int}/y", "/x/{b:int}/y", "matches the same paths as"),
        ("/{a:path}", "/{b:path}", "matches the same paths as"),
        ("/{a:[a-z]+}", "/{b:[a-z]+}", "matches the same paths as"),
        ("/{a}-{b}", "/{b}-{a}", "matches the same paths as"),
        ("/caf\u00e9/{a}", "/caf%C3%A9/{b}", "matches the same paths as"),
        ("/x/{a:[a-z]+}", "/x/{a:[0-9]+}", "another regular expression at the same place"),
        ("/x/{a:[a-z]+}/1", "/x/{b:[0-9]+}/2", "another regular expression at the same place"),
        ("/x/{a:[a-z]+}/1", "/x/{b:.+}", "another regular expression at the same place"),
        ("/a-{id}", "/b-{id}", "another regular expression at the same place"),
    ],
)
def test_patterns_without_an_order_are_refused_naming_both_places(
    first: str, second: str, says: str
) -> None:
    for one, other in ((first, second), (second, first)):
        matcher = matcher_of(one)
        with pytest.raises(RouteError) as raised:
            matcher.add(Pattern.parse(other), End(other))
        message = str(raised.value)
        assert says in message
        assert f"{one!r} of handler of {one}" in message
        assert f"{other!r} of handler of {other}" in message


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("/x/{a}", "/x/{b:int}"),
        ("/x/{a}", "/x/{b:path}"),
        ("/x/{a}", "/x/{b}/"),
        ("/{p}/{a:[a-z]+}", "/x/{a:[0-9]+}"),
        ("/x/{a:[a-z]+}", "/x/{b:[a-z]+}/y"),
    ],
)
def test_patterns_that_differ_in_more_than_names_live_together(first: str, second: str) -> None:
    matcher_of(first, second)
    matcher_of(second, first)


def test_a_refused_pattern_leaves_no_trace() -> None:
    matcher = matcher_of("/x/{a:[a-z]+}/1")
    with pytest.raises(RouteError):
        matcher.add(Pattern.parse("/x/{a:[0-9]+}/{b:[0-9]+}"), End("refused"))
    matcher.add(Pattern.parse("/x/{a:[a-z]+}/{b:[A-Z]+}"), End("accepted"))
    assert found(matcher, "/x/a/B") == "accepted"


@pytest.mark.parametrize("pattern", ["/x", "/x/{a}", "/{t:path}"])
def test_the_same_pattern_again_gives_the_endpoint_that_is_there(pattern: str) -> None:
    matcher: Matcher[End] = Matcher()
    first = matcher.add(Pattern.parse(pattern), End("first"))
    assert matcher.add(Pattern.parse(pattern), End("second")) is first


@pytest.mark.parametrize("shuffled", [*itertools.permutations(range(4))])
def test_what_leaves_no_choice_is_found_without_going_back(shuffled: tuple[int, ...]) -> None:
    matcher: Matcher[End] = Matcher()
    patterns = ["/u/{id:int}", "/u/{name}", "/{a}/{b:int}", "/u/{id:int}/more"]
    for number in shuffled:
        matcher.add(Pattern.parse(patterns[number]), End(patterns[number]))
    found = {path: matcher.find_only(path) for path in ("/u/7", "/u/x", "/v/7", "/u/7/more", "/u")}
    assert {path: each and (each[0].text, each[1]) for path, each in found.items()} == {
        "/u/7": ("/u/{id:int}", {"id": 7}),
        "/u/x": ("/u/{name}", {"name": "x"}),
        "/v/7": ("/{a}/{b:int}", {"a": "v", "b": 7}),
        "/u/7/more": None,  # The first segment leaves a choice.
        "/u": None,
    }


@pytest.mark.parametrize("path", ["", "u", "7", "u/7", "/u/", "/u/%37", "*"])
def test_what_only_the_tree_can_tell_is_left_to_it(path: str) -> None:
    matcher: Matcher[End] = Matcher()
    for text in ("/{id}", "/u/{id}"):
        matcher.add(Pattern.parse(text), End(text))
    assert matcher.find_only(path) is None


def test_text_beside_a_parameter_is_left_to_the_tree() -> None:
    matcher: Matcher[End] = Matcher()
    matcher.add(Pattern.parse("/f/{name}"), End("/f/{name}"))
    assert matcher.find_only("/f/a.txt") is not None
    matcher.add(Pattern.parse("/f/{name}.txt"), End("/f/{name}.txt"))
    assert matcher.find_only("/f/a.txt") is None
    found = matcher.find("/f/a.txt")
    assert found is not None and found[0].text == "/f/{name}.txt"


def test_a_walk_visits_no_more_nodes_than_the_tree_has() -> None:
    # Every level has a static and a plain way, and every leaf is wrong in its last segment: the
    # worst there is. 2**10 patterns, and the walk ends; a long path does not lengthen it.
    matcher = matcher_of(
        *("/" + "/".join(p) + "/end" for p in itertools.product(
            *(("a", f"{{p{depth}}}") for depth in range(10))
        ))
    )  # fmt: skip
    start = time.perf_counter()
    for path in ("/a" * 10 + "/no", "/a" * 5000, "/" * 5000):
        assert matcher.find(path) is None
    assert time.perf_counter() - start < 2


def test_a_pattern_may_be_deeper_than_the_stack_of_the_interpreter() -> None:
    assert found(matcher_of("/{x}" + "/a" * 5000), "/b" + "/a" * 5000) is not None


SEGMENTS = [
    "a", "b", "1", "", "a%20b", "{p}", "{k:uuid}", "{n:int}", "{x:float}", "{r:[ab1]+}",
    "{r:[ab/]*}", "v{m:int}", "{f}.{g}", "a%2Fb", "café", "{d:int}-{w:[ab]+}",
    "{y:uuid}.json", "v{z}", "v{s:[ab/]*}",
]  # fmt: skip
PIECES = [
    "a", "b", "1", "01", "1.5", "", "%61", "a%2Fb", "a%20b", "v2", "a.b", "%", KEY, "ba", "A",
    "caf%C3%A9", "%C3", "1-a", "1-", KEY + ".json", "v", "va",
]  # fmt: skip


@st.composite
def pattern_texts(draw: st.DrawFn) -> str:
    chosen = draw(st.lists(st.sampled_from(SEGMENTS), min_size=1, max_size=4))
    if draw(st.integers(0, 4)) == 0:
        chosen.append("{t:path}")
    numbered = [re.sub(r"\{(\w)", rf"{{\g<1>{i}", text) for i, text in enumerate(chosen)]
    return "/" + "/".join(numbered)


paths = st.lists(st.sampled_from(PIECES), min_size=1, max_size=5).map(lambda p: "/" + "/".join(p))


def naive_read(part: Parameter, text: str) -> Any:
    """What the documentation says about a converter, written a second time."""
    match part.converter.kind:
        case Kind.INT:
            return int(text) if re.fullmatch("[0-9]+", text) else None
        case Kind.FLOAT:
            return float(text) if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text) else None
        case Kind.UUID:
            return UUID(text) if re.fullmatch("[0-9a-f-]{36}", text) else None
        case Kind.REGEX:
            return text if re.fullmatch(part.converter.source, text) else None
        case Kind.PLAIN:
            return text or None
        case _:
            return text


def naive_match(pattern: Pattern, path: str) -> dict[str, Any] | None:
    """One pattern against one path, segment by segment, without a tree."""
    texts = path[1:].split("/")
    if any(quote(unquote(t)) != quote(unquote(t, errors="ignore")) or t == "%" for t in texts):
        return None
    texts = [unquote(text) for text in texts]
    params: dict[str, Any] = {}
    for index, segment in enumerate(pattern.segments):
        if index >= len(texts):
            return None
        text = texts[index]
        if segment.takes_rest:
            text = "/".join(texts[index:])
            texts = texts[: index + 1]
        match segment.parts:
            case [str() as literal]:
                if literal != text:
                    return None
            case [Parameter() as part]:
                params[part.name] = naive_read(part, text)
            case ["v", Parameter() as part]:
                params[part.name] = naive_read(part, text[1:]) if text[:1] == "v" else None
            case [Parameter() as part, ".json"]:
                found = text.endswith(".json")
                params[part.name] = naive_read(part, text.removesuffix(".json")) if found else None
            case [Parameter() as left, "." | "-" as between, Parameter() as right]:
                before, _, after = text.partition(between)
                params |= {
                    left.name: naive_read(left, before),
                    right.name: naive_read(right, after),
                }
            case _:
                raise AssertionError(segment.parts)
    if len(texts) > len(pattern.segments) or None in params.values():
        return None
    return params


def test_every_class_of_segment_is_generated() -> None:
    segments = [Pattern.parse("/" + text).segments[0] for text in [*SEGMENTS, "{t:path}"]]
    assert {segment.kind for segment in segments} == {*Kind}
    assert {(len(segment.parts) > 1, segment.takes_rest) for segment in segments} == {
        (False, False), (False, True), (True, False),
    }  # fmt: skip


@settings(deadline=None)
@given(st.lists(pattern_texts(), min_size=1, max_size=12), paths, st.randoms())
def test_the_tree_agrees_with_trying_every_pattern(
    texts: list[str], path: str, shuffle: random.Random
) -> None:
    # Invariant: find_all() is every pattern that matches, sorted by class, segment by segment.
    matcher: Matcher[End] = Matcher()
    shuffle.shuffle(texts)
    kept: dict[str, Pattern] = {}
    for text in texts:
        pattern = Pattern.parse(text)
        try:
            matcher.add(pattern, End(text))
        except RouteError:
            continue
        kept.setdefault(text, pattern)

    matching = [
        ([(s.kind, s.takes_rest) for s in pattern.segments], text, params)
        for text, pattern in kept.items()
        if (params := naive_match(pattern, path)) is not None
    ]
    expected = [(text, params) for _, text, params in sorted(matching, key=lambda m: m[0])]
    assert [(end.text, params) for end, params in matcher.find_all(path)] == expected
    first = matcher.find(path)
    assert (first and (first[0].text, first[1])) == (expected[0] if expected else None)
    # The shortcuts say the same, wherever they say something.
    last = None if path in matcher.static else matcher.find_only(path)
    assert last is None or (last[0].text, last[1]) == expected[0]
