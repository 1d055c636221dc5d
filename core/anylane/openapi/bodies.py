"""Bodies: what the requests of an operation have to bring."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, get_args

from anylane.http.forms import Upload
from anylane.openapi.operation_parameters import by_value, schema_of_all, with_details
from anylane.openapi.schemas import Schemas
from anylane.openapi.texts import bounded, text_schema
from anylane.typed.models import is_object
from anylane.typed.signature import REQUIRED, Parameter

_FILE = {"type": "string", "format": "binary", "contentMediaType": "application/octet-stream"}
"""`format` is how OpenAPI 3.0 says it, and what many tools still look for."""

_PLAIN: Mapping[Any, dict[str, Any]] = {dict: {"type": "object"}, list: {"type": "array"}}


def request_body(
    parameters: Iterable[Parameter], schemas: Schemas, where: str
) -> dict[str, Any] | None:
    """Return the requestBody of an operation; None if its handler reads none.

    where: the handler, for messages.
    """
    parameters = list(parameters)
    for each in parameters:
        if each.where == "body":
            return _json(each, schemas, where)
    form = [each for each in parameters if each.where == "form"]
    return _form(form, schemas, where) if form else None


def _json(parameter: Parameter, schemas: Schemas, where: str) -> dict[str, Any]:
    schema = _schema(parameter.kind, schemas, where)
    kind = {"type": "array"} if parameter.collection is not None else {}
    more = with_details(
        bounded(kind, parameter.constraints) if parameter.constraints else {}, parameter
    )
    more.pop("type", None)
    if more:
        schema = {"allOf": [schema], **more}
    if parameter.optional:
        schema = {"anyOf": [schema, {"type": "null"}]}
    body: dict[str, Any] = {
        "required": parameter.default is REQUIRED,
        "content": {"application/json": {"schema": schema}},
    }
    description = None if parameter.marker is None else parameter.marker.description
    return body if description is None else {**body, "description": description}


def _schema(kind: Any, schemas: Schemas, where: str) -> dict[str, Any]:
    found = _PLAIN.get(kind) if isinstance(kind, type) else None
    return dict(found) if found is not None else schemas.of(kind, f"the body of {where}")


def _form(parameters: list[Parameter], schemas: Schemas, where: str) -> dict[str, Any]:
    models = [each for each in parameters if is_object(each.kind)]
    fields = [each for each in parameters if not is_object(each.kind)]
    parts: list[Any] = [schemas.of(each.kind, f"the form of {where}") for each in models]
    if fields:
        needed = list(dict.fromkeys(each.key for each in fields if each.default is REQUIRED))
        parts.append(
            {
                "type": "object",
                "properties": {
                    group[0].key: schema_of_all(map(_field, group), required=group[0].key in needed)
                    for group in by_value(fields)
                },
                **({"required": needed} if needed else {}),
            }
        )
    schema = parts[0] if len(parts) == 1 else {"allOf": parts}
    has_files = any(_is_file(each) for each in fields)
    kinds = ["multipart/form-data"]
    if not has_files:
        kinds.insert(0, "application/x-www-form-urlencoded")
    return {
        "required": any(each.default is REQUIRED for each in parameters),
        "content": {kind: {"schema": schema} for kind in kinds},
    }


def _is_file(parameter: Parameter) -> bool:
    return parameter.kind is Upload or Upload in get_args(parameter.kind)


def _field(parameter: Parameter) -> dict[str, Any]:
    if _is_file(parameter):
        schema: dict[str, Any] = dict(_FILE)
        if parameter.collection is not None:
            schema = {"type": "array", "items": schema}
    else:
        schema = text_schema(parameter.kind)
    schema = with_details(bounded(schema, parameter.constraints), parameter)
    marker = parameter.marker
    if marker is not None and marker.description is not None:
        schema["description"] = marker.description
    return schema
