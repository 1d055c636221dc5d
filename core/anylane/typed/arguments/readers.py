"""Readers: from one source of a request to the value of one parameter.

Each is made once. It returns the value; what is missing or wrong it adds to a list of faults, and
then the value means nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, get_args

from anylane.http.forms import Upload
from anylane.http.parameters import split_list
from anylane.http.values.faults import Fault, counted, is_secret, shown_value
from anylane.http.values.scalars import Converter, converter_of, read_text
from anylane.typed.constraints import Check, compiled
from anylane.typed.signature import COLLECTIONS, REQUIRED, Parameter

if TYPE_CHECKING:
    from anylane.http.multidict import MultiDict

Reader = Callable[[Any, list[Fault]], Any]
"""Takes a text, or the values of a source by name, and the list of faults."""

Absent = Callable[[list[Fault]], None]
"""Takes the list of faults where there is no text."""

MISSING = object()


def own_default(default: Any) -> Any:
    """Return a default as one request may have it: a handler may change a list that it is given."""
    return default.copy() if isinstance(default, list | set | dict) else default


def is_plain_text(parameter: Parameter) -> bool:
    """Return whether any text is right as it is."""
    converter, check, _ = _converted(parameter)
    return converter.read is read_text and check is None


def text_reader(parameter: Parameter) -> Reader:
    """Return what reads the text of a parameter that one text stands for."""
    converter, check, expected = _converted(parameter)
    where, key, read = parameter.where, parameter.key, converter.read
    # A cookie is secret: a script that cannot read it could read the answer.
    named = where if where == "cookie" else key

    def reader(text: Any, faults: list[Fault]) -> Any:
        try:
            value = read(text)
            if check is None or check(value):
                return value
        except ValueError:
            pass
        faults.append(Fault(where, key, expected, shown_value(named, text)))
        return None

    return reader


def absent(parameter: Parameter) -> Absent:
    """Return what says that the text of a parameter is missing."""
    fault = Fault(parameter.where, parameter.key, _converted(parameter)[2])
    return lambda faults: faults.append(fault)


def limit_reader(parameter: Parameter, limits: str, check: Check) -> Reader:
    """Return what holds a value that the router has converted to its bounds."""
    key = parameter.key

    def reader(value: Any, faults: list[Fault]) -> Any:
        if not check(value):
            faults.append(Fault("path", key, limits, shown_value(key, value)))
        return value

    return reader


def many_reader(parameter: Parameter) -> Reader:
    """Return what reads every value of a name, from a MultiDict or Headers."""
    make, kinds = COLLECTIONS[parameter.collection], get_args(parameter.kind)
    size = len(kinds) if parameter.collection is tuple and Ellipsis not in kinds and kinds else None
    items = [_item_reader(each, parameter) for each in kinds if each is not Ellipsis] or [
        _item_reader(str, parameter)
    ]
    check, limits = compiled(parameter.constraints)
    where, key, default = parameter.where, parameter.key, parameter.default
    is_header = where == "header"

    def reader(values: MultiDict[Any], faults: list[Fault]) -> Any:
        texts = values.get_all(key)
        if is_header:  # Lines may have been combined on the way (RFC 9110 §5.3).
            texts = [each for line in texts for each in split_list(line)]
        if not texts:
            if default is REQUIRED:
                faults.append(Fault(where, key, "a value"))
            return own_default(default)
        if size is not None and len(texts) != size:
            faults.append(Fault(where, key, counted(size), counted(len(texts))))
            return None
        reads = items if size is not None else items * len(texts)
        found = make([read(text, faults) for read, text in zip(reads, texts, strict=True)])
        if check is not None and not check(found):
            faults.append(Fault(where, key, f"a list {limits}", counted(len(texts))))
        return found

    return reader


def _item_reader(kind: Any, parameter: Parameter) -> Callable[[str, list[Fault]], Any]:
    converter = converter_of(kind)
    assert converter is not None, "it was resolved"
    read, expected, where, key = converter.read, converter.expected, parameter.where, parameter.key

    def reader(text: str, faults: list[Fault]) -> Any:
        try:
            return read(text)
        except ValueError:
            faults.append(Fault(where, key, expected, shown_value(key, text)))
            return None

    return reader


def file_reader(parameter: Parameter) -> Reader:
    """Return what reads an Upload, or a list of them, from a form."""
    key, default, many = parameter.key, parameter.default, parameter.collection

    def reader(form: MultiDict[Any], faults: list[Fault]) -> Any:
        # An empty file input sends a part without a name and without bytes, which is false.
        found = [each for each in form.get_all(key) if isinstance(each, Upload) and each]
        if found:
            return COLLECTIONS[many](found) if many else found[0]
        if default is REQUIRED:
            seen = "a text" if key in form and not isinstance(form[key], Upload) else None
            faults.append(Fault("form", key, "a file", seen))
        return own_default(default)

    return reader


def form_reader(parameter: Parameter) -> Reader:
    """Return what reads a text of a form. A file where a text is expected is a fault."""
    read, missing, default = text_reader(parameter), absent(parameter), parameter.default
    key, expected = parameter.key, _converted(parameter)[2]

    def reader(form: MultiDict[Any], faults: list[Fault]) -> Any:
        text = form.get(key, MISSING)
        if text is MISSING:
            return missing(faults) if default is REQUIRED else default
        if isinstance(text, Upload):
            faults.append(Fault("form", key, expected, "a file"))
            return None
        return read(text, faults)

    return reader


def _converted(parameter: Parameter) -> tuple[Converter, Check | None, str]:
    """Return the converter of a parameter's type, what checks its values, and what a text has to
    be."""
    kind = parameter.kind
    converter = Converter(read_text, "a text") if kind is Any else converter_of(kind)
    assert converter is not None, "it was resolved"
    check, limits = compiled(parameter.constraints)
    expected = f"{converter.expected} {limits}" if limits else converter.expected
    return converter, check, "a value" if is_secret(parameter.key) and not limits else expected
