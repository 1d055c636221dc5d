"""Lines: those of a function that read the parameters of a handler, source by source.

    texts = ctx.request.query.first()
    value_page = texts.get('page', MISSING)
    value_page = default_page if value_page is MISSING else read_page(value_page, faults)

What is missing or wrong is added to `faults`, and then the value means nothing. A source is read
once, without a call or a dictionary for each parameter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from anylane.errors import HTTPError, InvalidJSON
from anylane.http.forms import FormData, multipart_library
from anylane.http.parameters import split_parameters
from anylane.http.values.faults import Fault, counted, shown_in_json
from anylane.typed.arguments.readers import (
    MISSING,
    Reader,
    absent,
    file_reader,
    form_reader,
    is_plain_text,
    limit_reader,
    many_reader,
    own_default,
    text_reader,
)
from anylane.typed.constraints import compiled
from anylane.typed.model_input.form_models import FormModel
from anylane.typed.models import Model, is_object, model_of
from anylane.typed.signature import CONTEXT, REQUIRED, Parameter, is_marker
from anylane.typed.sources import File, State

if TYPE_CHECKING:
    from anylane.routing.base_app import BaseApp


class Lines:
    """The lines that read the parameters of one function.

    names: the objects that they name. values: the expression of each parameter's value behind them.
    can_fail: whether they use `faults`. has_body: whether they await the body.
    """

    def __init__(
        self, parameters: tuple[Parameter, ...], converters: Mapping[str, str], where: str
    ) -> None:
        self.lines: list[str] = []
        self.names: dict[str, Any] = {
            "MISSING": MISSING,
            "check_body": _check_body,
            "check_json": _check_json,
            "from_state": state_value,
        }
        self.values: dict[str, str] = {}
        self._parameters = parameters
        for each in self._of(CONTEXT):
            self.values[each.name] = "ctx"
        for each in self._of(State.where):
            self._set(each, f"from_state({self._named('state', each, each)}, ctx.app)")
        self._read_path(converters)
        for place, texts, every in _SOURCES:
            self._read_texts(place, texts, every)
        self.has_body: bool = False
        for each in self._of("body"):
            self._read_json(each, _model_of(each, where))
        self._read_form(where)
        self.can_fail: bool = any("faults" in line for line in self.lines)

    def as_dict(self) -> str:
        """Return the expression of a dictionary of all values by name."""
        return f"{{{', '.join(f'{name!r}: {value}' for name, value in self.values.items())}}}"

    def as_keywords(self) -> str:
        """Return the arguments of a call that gives each value by name."""
        return ", ".join(f"{name}={value}" for name, value in self.values.items())

    def _of(self, where: str) -> list[Parameter]:
        return [each for each in self._parameters if each.where == where]

    def _named(self, kind: str, parameter: Parameter, value: Any) -> str:
        """Return the name by which the lines reach an object."""
        name = f"{kind}_{parameter.name}"
        self.names[name] = value
        return name

    def _set(self, parameter: Parameter, expression: str) -> None:
        name = self.values[parameter.name] = f"value_{parameter.name}"
        self.lines.append(f"{name} = {expression}")

    def _read_path(self, converters: Mapping[str, str]) -> None:
        for each in self._of("path"):
            converter = converters[each.key]
            if not converter and each.kind is not Any:
                self._read_each([each], "ctx.params")
                continue
            # The router has converted it, so there is nothing to do but to give it.
            value = f"ctx.params[{each.key!r}]"
            if each.kind is float and converter == "int":
                value = f"float({value})"
            check, limits = compiled(each.constraints)
            if check is None:
                self.values[each.name] = value
            else:
                read = self._named("read", each, limit_reader(each, limits, check))
                self._set(each, f"{read}({value}, faults)")

    def _read_texts(self, place: str, texts: str, every: str) -> None:
        found = self._of(place)
        self._read_each([each for each in found if each.collection is None], texts)
        for each in found:
            if each.collection is not None:
                self._set(each, f"{self._named('read', each, many_reader(each))}({every}, faults)")

    def _read_each(self, parameters: Iterable[Parameter], texts: str) -> None:
        """Add the lines for parameters that one text of a mapping stands for."""
        for index, each in enumerate(parameters):
            if index == 0:
                self.lines.append(f"texts = {texts}")
            if each.default is REQUIRED:
                otherwise = f"{self._named('missing', each, absent(each))}(faults)"
            else:
                otherwise = self._named("default", each, each.default)
                if own_default(each.default) is not each.default:
                    otherwise += ".copy()"
            value = f"value_{each.name}"
            read = value
            if not is_plain_text(each):
                read = f"{self._named('read', each, text_reader(each))}({value}, faults)"
            self._set(each, f"texts.get({each.key!r}, MISSING)")
            self._set(each, f"{otherwise} if {value} is MISSING else {read}")

    def _read_json(self, parameter: Parameter, model: Model) -> None:
        self.has_body = True
        read = self._named("read", parameter, json_reader(parameter, model))
        # Written out, because a coroutine for it would cost as much as reading eight fields.
        self.lines += [
            "request = ctx.request",
            "content_type = request.headers.get('content-type')",
            "if content_type != 'application/json':",
            "    check_json(content_type)",
        ]
        self.lines += [
            "data = await request.body()",
            "if not data or content_type is None:",
            f"    check_body(data, is_needed={parameter.default is REQUIRED})",
        ]
        self._set(parameter, f"{read}(data, faults)")

    def _read_form(self, where: str) -> None:
        found = self._of("form")
        if found:
            self.has_body = True
            self.lines.append("request = ctx.request")
            read = "await request.form()"
            if all(each.default is not REQUIRED for each in found):
                self.names["FormData"] = FormData
                is_sent = "'content-type' in request.headers or await request.body()"
                read = f"{read} if {is_sent} else FormData()"
            self.lines.append(f"form = {read}")
        for each in found:
            read = self._named("read", each, _reader_of_form(each, where))
            self._set(each, f"{read}(form, faults)")


_SOURCES = (
    ("query", "ctx.request.query.first()", "ctx.request.query"),
    ("header", "ctx.request.headers", "ctx.request.headers"),
    ("cookie", "ctx.request.cookies", "ctx.request.cookies"),
)
"""Each source: where single values are, and where several of a name are."""


def state_value(parameter: Parameter, app: BaseApp) -> Any:
    """Return what a parameter of `State` has. Raise AttributeError, which says what there is, where
    the app's state lacks it."""
    state = app.state
    if parameter.default is not REQUIRED and not hasattr(state, parameter.key):
        return own_default(parameter.default)
    return getattr(state, parameter.key)


def json_reader(parameter: Parameter, model: Model) -> Callable[[bytes, list[Fault]], Any]:
    """Return what reads a JSON body."""
    check, limits = compiled(parameter.constraints)
    default, optional, read = parameter.default, parameter.optional, model.from_json
    if check is None and default is REQUIRED and not optional:
        return read

    def reader(data: bytes, faults: list[Fault]) -> Any:
        if not data and default is not REQUIRED:
            return own_default(default)
        if optional and data.strip() == b"null":
            return None
        before = len(faults)
        value = read(data, faults)
        if check is not None and len(faults) == before and not check(value):
            faults.append(_out_of_bounds(value, limits))
        return value

    return reader


def _out_of_bounds(value: Any, limits: str) -> Fault:
    """Return the fault of a body that has the right type. limits: what it has to be."""
    if isinstance(value, list | tuple | set | frozenset):
        return Fault("body", "", f"a list {limits}", counted(len(value)))
    return Fault("body", "", limits, shown_in_json("", value))


def _check_json(content_type: str | None) -> None:
    """Raise HTTPError 415 if a media type is not JSON (RFC 8259 §11, RFC 6839 §3.1)."""
    if content_type is None:
        return  # It is seen with the body: an empty one needs none.
    kind = split_parameters(content_type)[0].lower()
    if kind != "application/json" and not kind.endswith("+json"):
        raise HTTPError(415, f"expected application/json, not {kind[:80]!r}")


def _check_body(data: bytes, *, is_needed: bool) -> None:
    """Raise for a body that is empty though it is needed, and for one without a Content-Type: a
    page of another site may send such a one without a preflight, because the type of a Blob is
    empty unless it says otherwise (Fetch standard, "extract a body")."""
    if data:
        raise HTTPError(415, "the body has no Content-Type; expected application/json")
    if is_needed:
        raise InvalidJSON("the body is empty; expected JSON")


def _model_of(parameter: Parameter, where: str) -> Model:
    others = [each for each in parameter.metadata if not is_marker(each)]
    return model_of(parameter.kind, f"the parameter {parameter.name!r} of {where}", others)


def _reader_of_form(parameter: Parameter, where: str) -> Reader:
    default = parameter.default
    if isinstance(parameter.marker, File):
        multipart_library(f"the parameter {parameter.name!r} of {where}")
        return file_reader(parameter)
    if is_object(parameter.kind):
        read = FormModel(parameter.kind, _model_of(parameter, where)).read
        if default is REQUIRED:
            return read
        return lambda form, faults: read(form, faults) if form else own_default(default)
    return form_reader(parameter) if parameter.collection is None else many_reader(parameter)
