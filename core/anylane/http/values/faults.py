"""Faults: what is wrong with the values of a request, all of them in one answer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from anylane.errors import HTTPError
from anylane.shown import shown

MAX_FAULTS = 50
"""Faults that one answer names. A client that needs more lines fixes these first."""

MAX_SEEN = 80
"""Characters of a wrong value that are sent back: enough to find it."""


NOT_SHOWN = "(not shown)"
"""What stands for a value that is secret."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One value that is missing or is not what was expected."""

    location: str
    """Where it is: "path", "query", "header", "cookie", "form" or "body"."""
    field: str
    """Its name. In a body its place, such as "items.0.price"; empty for the body itself."""
    expected: str
    """What it has to be, such as "an integer of at least 1"."""
    seen: str | None = None
    """What was sent, shortened; None if it is missing, and for what is secret."""

    def as_json(self) -> dict[str, Any]:
        """Return the fault as a member of the answer."""
        shown = {"location": self.location, "field": self.field, "expected": self.expected}
        return shown if self.seen is None else {**shown, "seen": self.seen}


class Invalid(HTTPError):
    """The values of a request are not what its handler takes. It is answered with 422 (RFC 9110
    §15.5.21).

    faults: each `Fault`, at most 50. The answer has them as `errors` of problem+json.
    """

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults: tuple[Fault, ...] = tuple(faults)[:MAX_FAULTS]
        first = self.faults[0]
        place = f"{first.location} {first.field}".strip()
        more = f", and {len(self.faults) - 1} more" if len(self.faults) > 1 else ""
        seen = "is missing" if first.seen is None else f"is {first.seen}"
        super().__init__(
            422,
            f"{place} {seen}; expected {first.expected}{more}",
            detail=[fault.as_json() for fault in self.faults],
        )


_SECRETS = (
    "authorization", "cookie", "password", "passwd", "pwd", "passphrase", "credential", "secret",
    "token", "api-key", "apikey",
)  # fmt: skip
"""Parts of the names of fields whose value is never sent back: an answer ends in logs and on
screens."""


def is_secret(name: str) -> bool:
    """Return whether a field's name says that its value must not be shown."""
    name = name.lower().replace("_", "-")
    return any(each in name for each in _SECRETS)


def shown_value(name: str, text: object) -> str:
    """Return a wrong text as an answer may show it: shortened, and not at all if it is secret."""
    if is_secret(name):
        return NOT_SHOWN
    text = str(text)
    return text if len(text) <= MAX_SEEN else f"{text[:MAX_SEEN]}..."


def counted(number: int) -> str:
    """Return how many values were sent, for `Fault.seen`."""
    return "1 value" if number == 1 else f"{number} values"


def shown_in_json(name: str, value: object) -> str:
    """Return a wrong value of a JSON document as an answer may show it. A text has its quotes. What
    is inside an object may be secret, and is named by itself."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "an array"
    if isinstance(value, str):
        value = f'"{value}"' if len(value) <= MAX_SEEN else f'"{value[:MAX_SEEN]}...'
    elif value is None or isinstance(value, bool):
        value = {None: "null", True: "true", False: "false"}[value]
    else:
        value = shown(value, MAX_SEEN)
    return shown_value(name, value)
