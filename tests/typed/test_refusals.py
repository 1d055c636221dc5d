"""Mistakes that are easily made are refused in the registering line, with what to write."""

from __future__ import annotations

import enum
import functools
import http
import sys
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Annotated, Any, Protocol
from unittest import mock

import annotated_types
import pydantic
import pytest

from anylane import (
    App,
    Context,
    Depends,
    File,
    Form,
    Header,
    JsonBody,
    Path,
    Query,
    Request,
    Response,
    RouteError,
    State,
    Status,
    Upload,
    UsageError,
    WebSocket,
)
from anylane.middleware import BearerAuth
from anylane.testing import TestClient


@dataclass
class Unfinished:
    x: Later  # type: ignore[name-defined]  # noqa: F821


class Opaque: ...


def _cases() -> dict[str, tuple[Callable[..., Any], str]]:  # noqa: C901
    async def marker_called(x: int = Query("x")) -> None: ...  # type: ignore[assignment]
    async def marker_alone(x=Header) -> None: ...
    async def marker_of_body(x: Unfinished = JsonBody()) -> None: ...  # type: ignore[assignment]  # noqa: B008
    async def depends_alone(x: Annotated[int, Depends]) -> None: ...
    async def of_request(request: Request) -> None: ...
    async def of_response(response: Response) -> None: ...
    async def of_socket(ws: WebSocket) -> None: ...
    async def of_opaque(x: Opaque) -> None: ...
    async def length_of_int(x: Annotated[int, Query(min_length=2)]) -> None: ...
    async def length_of_path(id: Annotated[int, Path(max_length=2)]) -> None: ...
    async def pattern_of_list(x: Annotated[list[str], Query(pattern="a")]) -> None: ...
    async def bound_of_text(x: Annotated[str, Query(ge=2)]) -> None: ...
    async def bound_of_list(x: Annotated[list[int], Header(gt=2)]) -> None: ...
    async def multiple_of_text(x: Annotated[str, Form(multiple_of=2)]) -> None: ...
    async def text_as_bound(x: Annotated[int | None, pydantic.Field(le="9")] = None) -> None: ...
    async def unfinished(x: Unfinished) -> None: ...
    async def unfinished_answer(ctx: Context) -> Unfinished: ...  # type: ignore[empty-body]
    async def no_such_name(key: Annotated[int, Path()]) -> None: ...
    async def no_type(x: Any) -> None: ...
    async def bounded_file(x: Annotated[list[Upload], File(max_length=2)]) -> None: ...
    async def bounded_state(x: Annotated[int, State(ge=2)]) -> None: ...
    async def given_by_builtin(x: Annotated[Any, Depends(dict)]) -> None: ...

    no_type.__annotations__["x"] = "int |"
    return {
        "no name of the pattern": (no_such_name, "has no 'key'; it has no names"),
        "no type": (no_type, r"is no type: SyntaxError.*; write one, such as `int`"),
        "a marker as the default": (marker_called, r"'x' of .*`x: Annotated\[int, Query\('x'\)\]`"),
        "one that is not called": (marker_alone, r"'x' of .*`x: Annotated\[str, Header\(\)\]`"),
        "one of the body": (marker_of_body, r"`x: Annotated\[Unfinished, JsonBody\(\)\]`"),
        "Depends without a function": (depends_alone, r"'x' of .* write Depends\(function\)"),
        "a Request": (of_request, r"'request' of .* is Request.* `ctx: Context`"),
        "a Response": (of_response, r"'response' of .* is Response.* `ctx: Context`"),
        "a WebSocket": (of_socket, r"'ws' of .* is WebSocket.* `ctx: Context`"),
        "a class of one's own": (of_opaque, r"'x' of .* is Opaque.*Depends\(function\)"),
        "the length of an int": (length_of_int, "'x' of .* is int: min_length is for a text"),
        "the length of a path's": (length_of_path, "'id' of .* is int: max_length is for"),
        "the pattern of a list": (pattern_of_list, r"list\[str\]: pattern is for a text"),
        "the bound of a text": (bound_of_text, "is str: ge is 2; expected a str"),
        "the bound of a list": (bound_of_list, r"is list\[int\]: gt is for a number"),
        "a multiple of a text": (multiple_of_text, "is str: multiple_of is for a number"),
        "a text as a bound": (text_as_bound, "is int: le is '9'; expected a number"),
        "a class that is not finished": (unfinished, "'Later', which does not exist"),
        "an answer that is not": (unfinished_answer, "'Later', which does not exist"),
        "bounds of a file": (
            bounded_file,
            r"is of the form as a file: max_length is not checked there",
        ),
        "bounds of the state": (bounded_state, "is of the state: ge is not checked there"),
        "a builtin": (given_by_builtin, "dict has no signature .* write a function"),
    }


@pytest.mark.parametrize("name", _cases())
def test_it_is_refused(name: str) -> None:
    handler, message = _cases()[name]
    path = "/{id:int}" if "id" in handler.__annotations__ else "/"
    with pytest.raises(RouteError, match=message):
        App().post(path)(handler)


@pytest.mark.parametrize("status", ["201", True, 201.0])
def test_the_status_of_a_route_is_an_int(status: Any) -> None:
    async def handler(n: int = 1) -> None: ...

    with pytest.raises(RouteError, match=f"status of '/' is {status!r}; expected an int from 200"):
        App().get("/", status=status)(handler)


def test_bounds_that_some_values_meet_are_taken() -> None:
    app = App()

    @app.get("/")
    async def handler(
        a: Annotated[Decimal, Query(ge=1, multiple_of=0.5)],
        b: Annotated[str, Query(min_length=1, pattern="^b")],
        c: Annotated[int | str, Query(ge=1, min_length=1)],
        d: Annotated[set[int], Query(min_length=2)],
        e: Annotated[Any, Query(pattern="x")],
    ) -> str:
        return f"{a} {b} {c} {sorted(d)} {e}"

    client = TestClient(app)
    assert client.get("/?a=1.5&b=bc&c=1&d=1&d=2&e=x").status == 422  # 1 has no length
    assert client.get("/?a=1.5&b=bc&c=c&d=1&d=2&e=x").status == 422  # and c no size


def test_a_dependency_as_the_default_needs_no_annotation() -> None:
    async def given() -> str:
        return "given"

    async def first(x=Depends(given)) -> str:  # noqa: B008
        return str(x)

    async def second(ctx, x=Depends(given)) -> str:  # noqa: B008
        return f"{x} {ctx.request.method}"

    app = App()
    app.get("/first")(first)
    app.get("/second")(second)
    client = TestClient(app)
    assert client.get("/first").text == "given"
    assert client.get("/second").text == "given GET"


def test_a_websocket_has_no_body() -> None:
    async def handler(ctx: Context, x: Annotated[int, JsonBody()]) -> None: ...

    message = r"'x' of .* is of the body, which a GET, HEAD, OPTIONS or WebSocket does not have"
    with pytest.raises(RouteError, match=message):
        App().websocket("/")(handler)


@pytest.mark.parametrize("name", ["ge", "gt", "le", "lt", "multiple_of"])
def test_a_bound_is_not_a_bool(name: str) -> None:
    bound: dict[str, Any] = {name: True}
    with pytest.raises(UsageError, match=f"Query: {name} is True; expected a number"):
        Query(**bound)


def test_a_multiple_may_be_a_decimal() -> None:
    app = App()
    half: Any = Decimal("0.5")

    @app.get("/")
    async def handler(x: Annotated[Decimal, pydantic.Field(multiple_of=half)]) -> str:
        return str(x)

    assert TestClient(app).get("/?x=1.5").text == "1.5"
    assert TestClient(app).get("/?x=1.6").status == 422


def test_a_cached_function_is_a_dependency() -> None:
    calls = []

    @cache
    def setting(key: str = "a") -> str:
        calls.append(key)
        return f"setting {key}"

    app = App()

    @app.get("/")
    async def handler(x: Annotated[str, Depends(setting)]) -> str:
        return x

    client = TestClient(app)
    assert client.get("/").text == client.get("/?key=a").text == "setting a"
    assert client.get("/?key=b").text == "setting b"
    assert calls == ["a", "b"]


class Fake(Protocol):
    state: Any


@pytest.mark.parametrize(
    ("annotation", "name"),
    [(int, "int"), ("int", "int"), (Request, "Request"), ("Request", "Request")],
)
def test_ctx_is_the_name_of_the_context(annotation: Any, name: str) -> None:
    async def handler(ctx: Any) -> None: ...

    handler.__annotations__["ctx"] = annotation
    with pytest.raises(RouteError, match=f"'ctx' of .* is {name}; that name is the Context's"):
        App().get("/")(handler)


@pytest.mark.parametrize("annotation", [Context, "Context", "Elsewhere", Any, object, Fake])
def test_ctx_may_be_annotated_as_what_the_context_is(annotation: Any) -> None:
    async def handler(ctx: Any) -> str:
        return "here"

    handler.__annotations__["ctx"] = annotation
    app = App()
    app.get("/")(handler)
    assert TestClient(app).get("/").text == "here"


def test_ctx_of_the_pattern_is_a_value() -> None:
    app = App()

    @app.get("/{ctx:int}")
    async def handler(ctx: int) -> int:
        return ctx

    assert TestClient(app).get("/7").text == "7"


def decorated(func: Any) -> Any:
    """As decorators are written: it passes on what it is given."""

    @functools.wraps(func)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        return await func(*args, **kwargs)

    return wrapper


def test_a_decorated_handler_has_the_parameters_of_the_one_in_it() -> None:
    app = App()

    @app.get("/{id:int}")
    @decorated
    @decorated
    async def handler(id: int, n: int = 1) -> int:
        return id * n

    @app.get("/ctx")
    @decorated
    async def with_context(ctx: Context) -> str:
        return ctx.request.path

    @app.get("/needs")
    @decorated
    async def needs(n: Annotated[int, Depends(decorated(a_number))]) -> int:
        return n

    client = TestClient(app)
    assert client.get("/7?n=2").text == "14"
    assert client.get("/7?n=x").status == 422
    assert client.get("/ctx").text == "/ctx"
    assert client.get("/needs?q=3").text == "3"


async def a_number(q: int) -> int:
    return q


@pytest.mark.parametrize("marker", [Status, 404, http.HTTPStatus.NOT_FOUND])
def test_a_status_of_an_answer_is_written_in_full(marker: Any) -> None:
    async def handler() -> Any: ...

    handler.__annotations__["return"] = Annotated[Annotated[dict[str, int], marker], "more"]
    with pytest.raises(RouteError, match=r"the answer of .*handler .* write Status\(404\)"):
        App().get("/")(handler)


@pytest.mark.parametrize("wrong", [5, None, "x", {}])
def test_what_stands_for_a_dependency_is_a_function(wrong: Any) -> None:
    app = App()

    @app.get("/")
    async def handler(n: Annotated[int, Depends(a_number)]) -> int:
        return n

    app.dependency_overrides[a_number] = wrong
    client = TestClient(app, raise_server_exceptions=True)
    with pytest.raises(RouteError, match=r"overrides\[.*a_number.*\] is .*; expected a f"):
        client.get("/?q=1")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"status_code": 201}, "'status_code'; did you mean 'status'?"),
        ({"stauts": 201}, "'stauts'; did you mean 'status'?"),
        ({"response_model": int}, "'response_model'; the annotation of the handler's answer says"),
        ({"dependencies": []}, "unknown option 'dependencies'"),
    ],
)
def test_an_unknown_option_of_a_route_is_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(TypeError) as caught:
        App().get("/", **options)
    assert message in str(caught.value)
    assert "'/'" in str(caught.value)


def test_parts_of_a_route_are_a_list_of_objects() -> None:
    part = BearerAuth(lambda token: token)
    with pytest.raises(RouteError, match=r"write \[\.\.\.\] around"):
        App().get("/", middleware=part)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"BearerAuth.*write its parentheses"):
        App().get("/", middleware=[BearerAuth])  # type: ignore[list-item]


class Listed(enum.Enum):
    A = [1]  # noqa: RUF012
    B = {"b": 1}  # noqa: RUF012


def test_an_enum_of_lists_is_no_text() -> None:
    async def handler(x: Listed) -> None: ...

    with pytest.raises(RouteError, match=r"'x' of .* is Listed, which no text is read as"):
        App().get("/")(handler)


def _checked(value: Any, handler: Any = None) -> Any:
    return value


@pytest.mark.parametrize(
    "annotation",
    [
        Annotated[int, pydantic.AfterValidator(_checked)],
        Annotated[int, Form(), pydantic.BeforeValidator(_checked)],
        Annotated[Opaque, JsonBody(), pydantic.PlainValidator(_checked)],
        Annotated[dict[str, int], JsonBody(), pydantic.WrapValidator(_checked)],
        Annotated[int | None, annotated_types.Predicate(_checked)],
    ],
)
def test_a_validator_that_nothing_runs_is_refused(annotation: Any) -> None:
    async def handler(x: Any) -> None: ...

    handler.__annotations__["x"] = annotation
    with pytest.raises(RouteError, match=r"'x' of .* has (\w+Validator|Predicate)\(.*nothing runs"):
        App().post("/")(handler)


def test_what_makes_json_of_a_value_is_no_validator() -> None:
    async def handler(x: Annotated[int, pydantic.PlainSerializer(str)]) -> int:
        return x

    app = App()
    app.get("/")(handler)
    assert TestClient(app).get("/?x=1").text == "1"


@pytest.mark.parametrize("annotation", [Upload, Upload | None, Annotated[list[Upload], File()]])
def test_files_need_the_package_that_reads_them(annotation: Any) -> None:
    async def handler(photo: Any = None) -> None: ...

    handler.__annotations__["photo"] = annotation
    message = r"'photo' of .* needs the package multipart, .* pip install 'anylane\[forms\]'"
    with (
        mock.patch.dict(sys.modules, {"multipart": None}),
        pytest.raises(RouteError, match=message),
    ):
        App().post("/")(handler)
