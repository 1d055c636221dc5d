"""Over types and values: what is accepted converts back to what was sent, what is refused names its
field, and what goes out has exactly the annotated fields."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Union
from urllib.parse import quote, urlencode

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from anylane import App, Cookie, Form, Header, JsonBody, Path, Query, Response, Status
from anylane.json import dumps, loads
from anylane.testing import TestClient
from anylane.typed.written_types import is_typed_dict
from tests.typed.drawn_types import SCALARS, Drawn, families, models, text_of, types

SOURCES: dict[str, Any] = {
    "query": Query,
    "header": Header,
    "cookie": Cookie,
    "path": Path,
    "form": Form,
}
NAME = "v"

HALF = settings(max_examples=settings().max_examples // 2)
FEW = settings(max_examples=settings().max_examples // 5)
"""Classes take long to make."""

JSON = {"content-type": "application/json"}


@dataclass
class Sent:
    """What a client sends: the texts of parameters, by source and name."""

    texts: list[tuple[str, str, str]]

    def of(self, source: str) -> list[tuple[str, str]]:
        return [(name, text) for where, name, text in self.texts if where == source]

    def to(self, app: App) -> Any:
        """Send them, and return the answer."""
        path = "".join("/" + quote(text, safe="") for _, text in self.of("path"))
        headers = [*self.of("header")]
        cookies = "; ".join(f"{name}={quote(text, safe='')}" for name, text in self.of("cookie"))
        if cookies:
            headers.append(("cookie", cookies))
        headers.append(("content-type", "application/x-www-form-urlencoded"))
        return TestClient(app).post(
            f"{path or '/'}?{urlencode(self.of('query'))}",
            headers=headers,
            content=urlencode(self.of("form")).encode(),
        )


def app_of(parameters: dict[str, tuple[str, Any, Any]], seen: dict[str, Any]) -> App:
    """Return an app whose handler puts its arguments into *seen*.

    parameters: source, type and marker of each.
    """
    names = ", ".join(parameters)
    space: dict[str, Any] = {"seen": seen}
    exec(f"async def handler(*, {names}): seen.update(locals())", space)
    handler: Callable[..., Any] = space["handler"]
    handler.__annotations__.update(
        {name: Annotated[kind, marker] for name, (_, kind, marker) in parameters.items()}
    )
    app = App()
    path = "".join(f"/{{{name}}}" for name, each in parameters.items() if each[0] == "path")
    app.post(path or "/")(handler)
    return app


def faults(answer: Any) -> list[tuple[str, str]]:
    """Return location and field of each fault that an answer names."""
    assert answer.status == 422, answer.text
    return [(each["location"], each["field"]) for each in answer.json()["errors"]]


def same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and one == other


# --- parameters ------------------------------------------------------------------------------

# What stands in a header field has no space around it, and what is in a path is not empty.
TEXTS = {
    "query": st.text(),
    "form": st.text(),
    "cookie": st.text(),
    "header": st.text(st.characters(min_codepoint=33, max_codepoint=126)),
    "path": st.text(min_size=1).filter(lambda text: text not in (".", "..")),
}


@HALF
@given(data=st.data(), source=st.sampled_from(sorted(SOURCES)))
def test_a_scalar_that_is_sent_comes_back(data: st.DataObject, source: str) -> None:
    kind, values = data.draw(st.sampled_from([*SCALARS.items(), (str, TEXTS[source])]))
    value = data.draw(values)
    seen: dict[str, Any] = {}
    app = app_of({NAME: (source, kind, SOURCES[source]())}, seen)
    answer = Sent([(source, NAME, text_of(value))]).to(app)
    assert answer.status == 204, answer.text
    assert same(seen[NAME], value)


# An element of a header's list has no comma and is not empty (RFC 9110 §5.6.1).
ITEMS = {**TEXTS, "header": st.text("abcXYZ09-_.!/", min_size=1)}


@HALF
@given(
    data=st.data(),
    source=st.sampled_from(["query", "header", "form"]),
    collection=st.sampled_from([list, set, frozenset, tuple]),
)
def test_collections_that_are_sent_come_back(
    data: st.DataObject, source: str, collection: Any
) -> None:
    kind, values = data.draw(st.sampled_from([*SCALARS.items(), (str, ITEMS[source])]))
    items = data.draw(st.lists(values, min_size=1, max_size=4))
    arguments = (kind, ...) if collection is tuple else (kind,)
    hint = collection.__class_getitem__(arguments)
    seen: dict[str, Any] = {}
    app = app_of({NAME: (source, hint, SOURCES[source]())}, seen)
    answer = Sent([(source, NAME, text_of(each)) for each in items]).to(app)
    assert answer.status == 204, answer.text
    assert same(seen[NAME], collection(items))


@HALF
@given(data=st.data(), source=st.sampled_from(sorted(SOURCES)))
def test_any_text_is_a_value_or_a_fault_of_its_field(data: st.DataObject, source: str) -> None:
    kind = data.draw(st.sampled_from(list(SCALARS)))
    text = data.draw(TEXTS[source])
    seen: dict[str, Any] = {}
    app = app_of({NAME: (source, kind, SOURCES[source]())}, seen)
    answer = Sent([(source, NAME, text)]).to(app)
    if answer.status == 422:
        assert faults(answer) == [(source, NAME)]
        shown = "(not shown)" if source == "cookie" else text[:80]
        assert answer.json()["errors"][0]["seen"].removesuffix("...") == shown
    else:
        again: dict[str, Any] = dict(seen)
        assert answer.status == 204, answer.text
        assert Sent([(source, NAME, text_of(seen[NAME]))]).to(app).status == 204
        assert same(seen[NAME], again[NAME])


@HALF
@given(data=st.data())
def test_exactly_the_wrong_parameters_are_named(data: st.DataObject) -> None:
    names = [f"p{index}" for index in range(data.draw(st.integers(1, 6)))]
    parameters: dict[str, tuple[str, Any, Any]] = {}
    sent, expected, right = [], set(), {}
    for name in names:
        source = data.draw(st.sampled_from(sorted(SOURCES)))
        kind, values = data.draw(st.sampled_from(list(SCALARS.items())))
        parameters[name] = (source, kind, SOURCES[source]())
        how = data.draw(st.sampled_from(["right", "wrong", "missing"]))
        if how == "right":
            right[name] = data.draw(values)
            sent.append((source, name, text_of(right[name])))
        elif how == "wrong" or source == "path":
            sent.append((source, name, "~" + data.draw(TEXTS[source])))
            expected.add((source, name))
        else:
            expected.add((source, name))
    seen: dict[str, Any] = {}
    answer = Sent(sent).to(app_of(parameters, seen))
    if expected:
        found = faults(answer)
        assert len(found) == len(expected)
        assert {*found} == expected
        assert not seen
    else:
        assert all(same(seen[name], value) for name, value in right.items())


@HALF
@given(
    value=st.integers(-20, 20),
    low=st.integers(-20, 20),
    size=st.integers(0, 20),
    step=st.integers(1, 5),
    source=st.sampled_from(sorted(SOURCES)),
)
def test_bounds_of_a_number_hold(value: int, low: int, size: int, step: int, source: str) -> None:
    marker = SOURCES[source](ge=low, lt=low + size, multiple_of=step)
    seen: dict[str, Any] = {}
    answer = Sent([(source, NAME, str(value))]).to(app_of({NAME: (source, int, marker)}, seen))
    if low <= value < low + size and value % step == 0:
        assert seen == {NAME: value}
    else:
        assert faults(answer) == [(source, NAME)]


@HALF
@given(
    text=st.text("ab", max_size=6),
    low=st.integers(0, 4),
    size=st.integers(0, 4),
    source=st.sampled_from(["query", "header", "cookie", "form"]),
)
def test_bounds_of_a_text_hold(text: str, low: int, size: int, source: str) -> None:
    marker = SOURCES[source](min_length=low, max_length=low + size, pattern="^a*$")
    seen: dict[str, Any] = {}
    answer = Sent([(source, NAME, text)]).to(app_of({NAME: (source, str, marker)}, seen))
    if low <= len(text) <= low + size and "b" not in text:
        assert seen == {NAME: text}
    else:
        assert faults(answer) == [(source, NAME)]


# --- bodies ----------------------------------------------------------------------------------


def body_app(kind: Any, seen: list[Any]) -> TestClient:
    async def handler(value) -> None:
        seen.append(value)

    handler.__annotations__ = {"value": Annotated[kind, JsonBody()]}
    app = App()
    app.post("/")(handler)
    return TestClient(app)


def leaves(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the place of each value in a document that has no others in it. None is left out: an
    object may be right there, too."""
    if isinstance(document, dict):
        return [p for name, each in document.items() for p in leaves(each, (*path, name))]
    if isinstance(document, list):
        return [p for index, each in enumerate(document) for p in leaves(each, (*path, index))]
    return [] if document is None else [path]


def put(document: Any, path: tuple[Any, ...], value: Any) -> None:
    for step in path[:-1]:
        document = document[step]
    document[path[-1]] = value


@FEW
@given(data=st.data(), family=families())
def test_a_body_that_is_sent_comes_back(data: st.DataObject, family: str) -> None:
    drawn = data.draw(models(family) | types(family))
    seen: list[Any] = []
    client = body_app(drawn.hint, seen)
    value = data.draw(drawn.values)
    answer = client.post("/", content=dumps(drawn.document(value)), headers=JSON)
    assert answer.status == 204, answer.text
    assert seen == [value]


@FEW
@given(data=st.data(), family=families())
def test_exactly_the_wrong_fields_of_a_body_are_named(data: st.DataObject, family: str) -> None:
    drawn = data.draw(models(family))
    document = drawn.document(data.draw(drawn.values))
    places = leaves(document)
    assume(places)
    wrong = data.draw(st.sets(st.sampled_from(places), min_size=1, max_size=4))
    for place in wrong:
        put(document, place, {"~": 1})
    seen: list[Any] = []
    answer = body_app(drawn.hint, seen).post("/", json=document)
    assert {*faults(answer)} == {("body", ".".join(map(str, place))) for place in wrong}
    assert not seen


@FEW
@given(data=st.data(), family=families())
def test_exactly_the_missing_fields_of_a_body_are_named(data: st.DataObject, family: str) -> None:
    drawn = data.draw(models(family, 0))
    document = drawn.document(data.draw(drawn.values))
    missing = data.draw(st.sets(st.sampled_from(sorted(document)), min_size=1))
    for name in missing:
        del document[name]
    answer = body_app(drawn.hint, []).post("/", json=document)
    assert {*faults(answer)} == {("body", name) for name in missing}


# --- answers ---------------------------------------------------------------------------------


def answered(kind: Any, value: Any) -> Any:
    async def handler() -> Any:
        return value

    handler.__annotations__ = {"return": kind}
    app = App()
    app.get("/")(handler)
    return TestClient(app).get("/")


@FEW
@given(data=st.data(), family=families(), in_response=st.booleans())
def test_an_answer_has_exactly_the_annotated_fields(
    data: st.DataObject, family: str, in_response: bool
) -> None:
    drawn: Drawn = data.draw(models(family))
    value = data.draw(drawn.values)
    hint: Any = drawn.hint
    kind: Any = Response[hint] if in_response else hint
    for each in (value, drawn.widened(value), drawn.widened(drawn.widened(value))):
        answer = answered(kind, Response(each) if in_response else each)
        assert answer.status == 200, answer.text
        # pydantic has another spelling for the same moment.
        found = answer.content.replace(b"+00:00", b"Z")
        # A TypedDict keeps the order of its dict.
        assert loads(found) == loads(dumps(drawn.document(value)).replace(b"+00:00", b"Z"))


@FEW
@given(data=st.data(), family=families())
def test_what_an_answer_sends_can_be_sent_back(data: st.DataObject, family: str) -> None:
    drawn: Drawn = data.draw(models(family))
    value = data.draw(drawn.values)
    hint: Any = drawn.hint
    answer = answered(list[hint], [drawn.widened(value)])
    seen: list[Any] = []
    assert body_app(list[hint], seen).post("/", content=answer.content, headers=JSON).status == 204
    assert seen == [[value]]


@FEW
@given(data=st.data(), family=families(), default=st.sampled_from([None, 202]))
def test_the_member_that_a_value_is_of_decides_the_status(
    data: st.DataObject, family: str, default: int | None
) -> None:
    members: list[Drawn] = data.draw(st.lists(models(family, 1), min_size=1, max_size=4))
    classes = [dict if is_typed_dict(each.hint) else each.hint for each in members]
    assume(len(members) == len({*classes}))
    codes = st.integers(200, 599).filter(lambda code: code not in (204, 205, 304))
    statuses = data.draw(st.lists(codes, min_size=4, max_size=4, unique=True))
    given = list(zip(members, [default, *statuses], strict=False))
    chosen, status = data.draw(st.sampled_from(given))
    value = data.draw(chosen.values)
    kind: Any = Union[  # noqa: UP007  # of as many as there are
        tuple(
            each.hint if code is None else Annotated[each.hint, Status(code)]
            for each, code in given
        )
    ]
    for each in (value, chosen.widened(value)):
        answer = answered(kind, each)
        assert answer.status == (status or 200), answer.text
        assert answer.json().keys() == chosen.document(value).keys()
