"""SharedResponses: the answers that many operations have, described once."""

from __future__ import annotations

import re
from typing import Any

from anylane.protocol.fields import PHRASES

_PLACE = "#/components/responses/"


class SharedResponses:
    """Collects the responses of a document, each under one name."""

    def __init__(self) -> None:
        self.components: dict[str, dict[str, Any]] = {}

    def of(self, status: int, response: dict[str, Any]) -> dict[str, Any]:
        """Return a reference to a response, which is named after its status."""
        plain = re.sub(r"\W+", "", PHRASES.get(status, f"Status{status}"))
        name, number = plain, 1
        while self.components.setdefault(name, response) != response:
            number += 1
            name = f"{plain}_{number}"
        return {"$ref": _PLACE + name}
