"""Info: what is said about an API as a whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from anylane.errors import UsageError
from anylane.shown import shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Info:
    """Title and version of an API, and what else its description begins with.

    Raise UsageError for what cannot be described.
    """

    title: str
    version: str
    description: str | None = None
    tags: Mapping[str, str] | None = None
    """Descriptions of tags, in the order in which they are shown."""
    servers: Iterable[str] = ()
    """URLs of servers; where the description comes from by default."""

    def __post_init__(self) -> None:
        for name in ("title", "version"):
            value = getattr(self, name)
            if not isinstance(value, str) or not value:
                raise UsageError(f"{name} of app.openapi() is {shown(value)}; expected a str")
        if isinstance(self.servers, str):
            raise UsageError(f"servers is {self.servers!r}; write [{self.servers!r}]")
        object.__setattr__(self, "servers", tuple(self.servers))
        if self.tags is not None and not isinstance(self.tags, Mapping):
            raise UsageError(
                f"tags of app.openapi() is {shown(self.tags)}; expected a mapping of each tag to "
                "its description"
            )

    def as_json(self) -> dict[str, Any]:
        """Return the Info Object (OpenAPI 3.1 §4.8.2)."""
        found = {"title": self.title, "version": self.version}
        return found if self.description is None else {**found, "description": self.description}
