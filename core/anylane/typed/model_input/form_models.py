"""Form models: the texts of a form for a class that takes all of its fields.

Texts become values by the grammar of queries, before one of the libraries makes the object: theirs
differ from it and from each other.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any, get_args, get_origin

from anylane.extras import load
from anylane.http.multidict import MultiDict
from anylane.http.values.faults import Fault, shown_value
from anylane.http.values.scalars import Converter, converter_of
from anylane.typed.model_input.fault_walk import members
from anylane.typed.models import Model, is_pydantic, is_struct
from anylane.typed.signature import COLLECTIONS, without_none
from anylane.typed.written_types import unwrapped


@dataclass(frozen=True, slots=True)
class _Field:
    """What one field of the class takes."""

    is_list: bool
    converters: tuple[Converter | None, ...]
    """Of each place of a tuple, or the one of every value; None where no scalar is expected."""

    def converter(self, index: int) -> Converter | None:
        """Return what reads the value of that place."""
        return self.converters[min(index, len(self.converters) - 1)]


class FormModel:
    """Reads a whole form as one object. kind: the class. model: makes it."""

    __slots__ = ("_fields", "_model")

    def __init__(self, kind: Any, model: Model) -> None:
        self._model = model
        self._fields = {name: _field(member) for name, member in _members(kind)}

    def read(self, form: MultiDict[Any], faults: list[Fault]) -> Any:
        """Return the object. Add to *faults* what is wrong; the object means nothing then."""
        values: dict[str, Any] = {}
        wrong: list[Fault] = []
        for name, text in form.items():
            known = self._fields.get(name)
            if known is None or not known.is_list:
                # Of several values the first counts, as where a parameter takes the field.
                if name not in values:
                    values[name] = _value(name, text, known, 0, wrong)
            else:
                several = values.setdefault(name, [])
                several.append(_value(name, text, known, len(several), wrong))
        found: list[Fault] = []
        made = self._model.from_fields(values, found)
        told = {each.field.partition(".")[0] for each in wrong}
        faults += [each for each in found if each.field.partition(".")[0] not in told]
        faults += wrong
        return made


def _value(name: str, text: Any, known: _Field | None, index: int, faults: list[Fault]) -> Any:
    """Return what a text stands for, and the text itself where it is wrong or no scalar."""
    converter = None if known is None or not isinstance(text, str) else known.converter(index)
    if known is None or converter is None:
        # A field of a form is a text that knows its part; the object gets the text.
        return str(text) if isinstance(text, str) else text
    try:
        value = converter.read(text)
    except ValueError:
        place = f"{name}.{index}" if known.is_list else name
        faults.append(Fault("form", place, converter.expected, shown_value(place, text)))
        return text
    # The libraries make the member of an Enum of its value.
    return value.value if isinstance(value, enum.Enum) else value


def _members(kind: Any) -> list[tuple[str, Any]]:
    """Return the names and types of the fields of a class, as a form has them."""
    if is_pydantic(kind):
        known: Any = getattr(kind, "model_fields", None) or kind.__pydantic_fields__
        return [
            (name, each.annotation)
            for field, each in known.items()
            for name in {field, str(each.alias or field)}
        ]
    library = load("msgspec", extra="typed", needed_by="a form") if is_struct(kind) else None
    return [(name, member) for name, member, _ in members(library, kind)]


def _field(kind: Any) -> _Field:
    kind = unwrapped(without_none(unwrapped(kind)[0])[0])[0]
    collection = get_origin(kind) or kind
    if collection not in COLLECTIONS:
        return _Field(False, (converter_of(kind),))
    items = [unwrapped(each)[0] for each in get_args(kind) if each is not Ellipsis]
    return _Field(True, tuple(map(converter_of, items)) or (None,))
