"""Reading: values of a request as types, where a handler asks for them by name."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, overload

from anylane.http.values.faults import Fault, Invalid, shown_value
from anylane.http.values.scalars import SCALARS

T = TypeVar("T")

REQUIRED: Any = object()
"""What stands for no default."""


class TypedReading:
    """A mapping of texts whose values can be read as types.

    What is missing or wrong raises Invalid, an HTTPError 422 that names it.
    """

    __slots__ = ()

    location: ClassVar[str] = ""
    """Where the values are, as faults name it."""

    if TYPE_CHECKING:
        get: Any  # Of the mapping that this is mixed into.

    @overload
    def int(self, name: str) -> builtins.int: ...
    @overload
    def int(self, name: str, default: T) -> builtins.int | T: ...
    def int(self, name: str, default: Any = REQUIRED) -> Any:
        """Return the value as an int; *default* if there is none."""
        return self._read(name, builtins.int, default)

    @overload
    def float(self, name: str) -> builtins.float: ...
    @overload
    def float(self, name: str, default: T) -> builtins.float | T: ...
    def float(self, name: str, default: Any = REQUIRED) -> Any:
        """Return the value as a finite float; *default* if there is none."""
        return self._read(name, builtins.float, default)

    @overload
    def bool(self, name: str) -> builtins.bool: ...
    @overload
    def bool(self, name: str, default: T) -> builtins.bool | T: ...
    def bool(self, name: str, default: Any = REQUIRED) -> Any:
        """Return the value as a bool: true, 1, on, yes or false, 0, off, no, in any case; *default*
        if there is none."""
        return self._read(name, builtins.bool, default)

    @overload
    def text(self, name: str) -> str: ...
    @overload
    def text(self, name: str, default: T) -> str | T: ...
    def text(self, name: str, default: Any = REQUIRED) -> Any:
        """Return the value as it is, a str; *default* if there is none."""
        return self._read(name, str, default)

    def _read(self, name: str, kind: type, default: Any) -> Any:
        converter = SCALARS[kind]
        text = self.get(name)
        if text is None:
            if default is not REQUIRED:
                return default
            raise Invalid([Fault(self.location, name, converter.expected)])
        if not isinstance(text, str):
            raise Invalid([Fault(self.location, name, converter.expected, "a file")])
        read: Callable[[str], Any] = converter.read
        try:
            return read(text)
        except ValueError:
            # A cookie is secret: a script that cannot read it could read the answer.
            named = "cookie" if self.location == "cookie" else name
            seen = shown_value(named, text)
            raise Invalid([Fault(self.location, name, converter.expected, seen)]) from None
