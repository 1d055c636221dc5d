"""Security: the schemes of the parts that ask for credentials."""

from __future__ import annotations

from typing import Any

from anylane.openapi.refusals import documented_parts
from anylane.routing.route import Route


class SecuritySchemes:
    """Collects the schemes of a document, each under one name."""

    def __init__(self) -> None:
        self.components: dict[str, dict[str, Any]] = {}

    def of(self, route: Route, method: str) -> list[dict[str, list[str]]] | None:
        """Return the `security` of an operation; None if no part of it asks for credentials.

        All of the schemes that are required are; those that are optional may be left out.
        """
        required: dict[str, list[str]] = {}
        optional: list[dict[str, list[str]]] = []
        for part in documented_parts(route, method):
            for wanted, scheme in part.security.items():
                name = self._name(wanted, dict(scheme))
                if part.is_optional:
                    optional.append({name: []})
                else:
                    required[name] = []
        if not required and not optional:
            return None
        found = [{**required, **each} for each in optional]
        return [required, *found] if required else [*found, {}]

    def _name(self, name: str, scheme: dict[str, Any]) -> str:
        found, number = name, 1
        while self.components.setdefault(found, scheme) != scheme:
            number += 1
            found = f"{name}_{number}"
        return found
