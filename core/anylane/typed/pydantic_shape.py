"""PydanticShape: what an answer that is a pydantic model lets out."""

from __future__ import annotations

from typing import Any

from anylane.extras import load
from anylane.typed.shapes import Converted, Unfit


class PydanticShape(Converted):
    """A pydantic model. pydantic itself sends the fields of the annotation alone."""

    def __init__(self, kind: Any, needed_by: str) -> None:
        library = load("pydantic", extra="pydantic", needed_by=needed_by)
        self._adapter = library.TypeAdapter(kind)
        self._error: type[Exception] = library.ValidationError
        self._kind = kind
        self.classes: tuple[type, ...] = (kind,)
        self.name: str = kind.__name__

    def project(self, value: Any, place: str) -> Any:
        if type(value) is not self._kind:
            try:
                value = self._adapter.validate_python(value, from_attributes=True)
            except self._error as exc:
                raise Unfit(place, f"{self.name} ({_faults(exc)})", value) from None
        try:
            return self._adapter.dump_python(value, mode="json", by_alias=True, warnings="error")
        except ValueError as exc:
            # Its message has the value in it.
            name = type(exc).__name__
            raise Unfit(place, f"{self.name} that pydantic writes ({name})", value) from None


def _faults(exc: Any) -> str:
    """Return what pydantic says of a value, without the value."""
    return "; ".join(
        f"{'.'.join(map(str, each['loc']))}: {each['msg']}"
        for each in exc.errors(include_url=False, include_context=False, include_input=False)[:3]
    )
