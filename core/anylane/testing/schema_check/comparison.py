"""SchemaCheck: holds answers, and the requests that they answer, to the description of an app."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any
from urllib.parse import parse_qs, urlsplit

from anylane import json
from anylane.app import App
from anylane.errors import UsageError
from anylane.extras import load
from anylane.http.cookies import parse_cookies
from anylane.http.parameters import split_list
from anylane.http.values.scalars import read_bool, read_decimal, read_float, read_int
from anylane.testing.client.request import ClientRequest
from anylane.testing.client.response import ClientResponse
from anylane.testing.schema_check.description import Description, Operation, Place

_MAX_FAULTS = 10
"""Of one answer that are told."""


class SchemaCheck:
    """Raises AssertionError for what the description of an app does not allow.

    Raise UsageError for an app without a description, and if a library is missing.
    """

    def __init__(self, app: App) -> None:
        if app.description is None:
            raise UsageError(
                "check_schema=True needs a description to check against; write "
                "app.openapi(title='...', version='1')"
            )
        self._app = app
        self._library = load(
            "jsonschema", extra="schema", needed_by="check_schema=True of TestClient"
        )

    @cached_property
    def _description(self) -> Description:
        # Not before the app serves: routes may be added until then.
        return Description(self._app, self._library)

    def whole(self, response: ClientResponse) -> None:
        """Check an answer whose body was read, and its request. Raise AssertionError that names
        method, path, status and each fault."""
        self._check(response, with_body=True)

    def head(self, response: ClientResponse) -> None:
        """Check status and header fields of an answer, whose body may not have come."""
        self._check(response, with_body=False)

    def _check(self, response: ClientResponse, *, with_body: bool) -> None:
        request, status = response.request, response.status
        try:
            operation = self._description.operation(
                request.method, request.path, request.headers.get("host", "")
            )
        except LookupError:
            return
        if operation is None:
            # What is not described may be refused. OPTIONS is answered by itself (RFC 9110 §9.3.7),
            # and the paths of parts are no operations of the app.
            by_itself = request.method == "OPTIONS" or self._description.is_of_a_part(request.path)
            if status < 400 and not by_itself:
                _fail(response, "its description has no such operation")
            return
        faults = list(self._answer_faults(operation, response, with_body=with_body))
        if not faults and 200 <= status <= 299:
            # What the server has refused may be wrong; what it took has to be described.
            faults = [
                f"the request is not described: {each}"
                for each in self._request_faults(operation, request)
            ]
        if faults:
            lines = "".join(f"\n  {each}" for each in faults[:_MAX_FAULTS])
            rest = len(faults) - _MAX_FAULTS
            more = f"\n  and {rest} more" if rest > 0 else ""
            _fail(response, f"the description of {operation.name} does not say so:{lines}{more}")

    # -- answers -------------------------------------------------------------------------------

    def _answer_faults(
        self, operation: Operation, response: ClientResponse, *, with_body: bool
    ) -> Iterator[str]:
        responses = self._description.inner(operation.place, "responses")
        answer = self._of_status(responses, response.status)
        if answer.value is None:
            yield f"status {response.status}: expected one of {', '.join(responses.value)}"
            return
        headers = self._description.inner(answer, "headers")
        for name in headers.value or ():
            header = self._description.inner(headers, name).value
            if header.get("required") and name not in response.headers:
                yield f"header {name}: missing; expected, as it is required"
        contents = self._description.inner(answer, "content")
        kind = response.headers.get("content-type")
        # HEAD and 304 have no body. An answer without `content` says nothing of its body.
        if not contents.value or response.request.method == "HEAD" or response.status == 304:
            return
        if kind is None:
            if not with_body or response.content:
                expected = ", ".join(contents.value)
                yield f"content-type: missing; expected one of {expected}"
            return
        content = self._of_kind(contents, kind)
        if content.value is None:
            yield f"content-type: saw {kind!r}; expected one of {', '.join(contents.value)}"
        elif with_body and _is_json(kind):
            yield from self._json_faults("body", content, response.content)

    def _of_status(self, responses: Place, status: int) -> Place:
        """Return the response of a status, of its class, or for all others (OpenAPI 3.1
        §4.8.16)."""
        names = (str(status), f"{status // 100}XX", "default")
        known = next((each for each in names if each in (responses.value or ())), names[0])
        return self._description.inner(responses, known)

    def _of_kind(self, contents: Place, kind: str) -> Place:
        """Return the content of a media type, or of the range that it is in (RFC 9110 §12.5.1)."""
        essence = _essence(kind)
        wanted = (essence, f"{essence.partition('/')[0]}/*", "*/*")
        for each in wanted:
            for name in contents.value:
                if _essence(name) == each:
                    return self._description.inner(contents, name)
        return Place("", None)

    def _json_faults(self, what: str, content: Place, data: bytes) -> list[str]:
        """Return what is wrong with a JSON text by the schema of a content."""
        schema = self._schema(content)
        if schema is None:
            return []
        try:
            value = json.loads(data)
        except ValueError as exc:
            return [f"{what}: is no JSON: {exc}"]
        return [f"{what}{each}" for each in self._description.faults(schema, value)]

    def _schema(self, place: Place) -> Place | None:
        """Return the schema of a content or parameter; None if there is none."""
        if place.value is None or "schema" not in place.value:
            return None
        return Place(f"{place.pointer}/schema", place.value["schema"])

    # -- requests ------------------------------------------------------------------------------

    def _request_faults(self, operation: Operation, request: ClientRequest) -> Iterator[str]:
        query = parse_qs(urlsplit(request.url).query, keep_blank_values=True)
        cookies = parse_cookies(request.headers.get_all("cookie"))
        for place in self._description.items(
            self._description.inner(operation.place, "parameters")
        ):
            where, name = place.value["in"], place.value["name"]
            match where:
                case "query":
                    values = query.get(name, [])
                case "header":
                    values = request.headers.get_all(name)
                case "cookie":
                    values = [cookies[name]] if name in cookies else []
                case _:
                    continue  # The path led here.
            if not values:
                if place.value.get("required"):
                    yield f"{where} parameter {name}: missing; expected, as it is required"
                continue
            schema = self._schema(place)
            if schema is None:
                continue
            several = values
            if where == "header":  # Lines may have been combined on the way (RFC 9110 §5.3).
                several = [each for line in values for each in split_list(line)]
            if faults := self._text_faults(schema, values[0], several):
                yield f"{where} parameter {name}{faults[0]}"
        yield from self._body_faults(operation, request)

    def _text_faults(self, schema: Place, first: str, several: list[str]) -> list[str]:
        """Return what is wrong with a parameter, which is text: none if any reading of it fits.

        first: what a single value is read from. several: what a list is read from.
        """
        found: list[list[str]] = []
        for read in (_as_number, _as_bool, str):
            each = [read(value) for value in several]
            found += [
                self._description.faults(schema, each, as_text=True),
                self._description.faults(schema, read(first), as_text=True),
            ]
        return [] if [] in found else found[-2 if len(several) > 1 else -1]

    def _body_faults(self, operation: Operation, request: ClientRequest) -> Iterator[str]:
        if not isinstance(request.body, list):
            return  # It was sent piece by piece, and is gone.
        body = self._description.inner(operation.place, "requestBody")
        data = b"".join(request.body)
        if body.value is None:
            if data:
                yield "body: saw one; expected none"
            return
        if not data:
            if body.value.get("required"):
                yield "body: missing; expected, as it is required"
            return
        contents = self._description.inner(body, "content")
        kind = request.headers.get("content-type", "")
        content = self._of_kind(contents, kind)
        if content.value is None:
            yield f"content-type: saw {kind!r}; expected one of {', '.join(contents.value)}"
        elif _is_json(kind):
            yield from self._json_faults("body", content, data)


def _fail(response: ClientResponse, why: str) -> None:
    """Raise AssertionError about an answer, from what its handler raised."""
    request = response.request
    raise AssertionError(
        f"{request.method} {request.target} was answered with {response.status}: {why}"
    ) from response.error


def _essence(kind: str) -> str:
    """Return a media type without its parameters (RFC 9110 §8.3.1)."""
    return kind.partition(";")[0].strip().lower()


def _is_json(kind: str) -> bool:
    essence = _essence(kind)
    return essence == "application/json" or essence.endswith("+json")


def _as_number(text: str) -> Any:
    """Return the number that a text stands for, or the text."""
    for read in (read_int, read_float, read_decimal):
        try:
            return read(text)
        except ValueError:
            continue
    return text


def _as_bool(text: str) -> Any:
    """Return the bool that a text stands for, or the text."""
    try:
        return read_bool(text)
    except ValueError:
        return text
