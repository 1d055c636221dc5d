"""What a handler may pass as the data of an event."""

from __future__ import annotations

from typing import Any

from anylane import json
from anylane.errors import UsageError


def text_of(data: Any) -> str | bytes:
    """The text of an event: str as it is, else JSON in UTF-8.

    Raises UsageError for bytes, and TypeError for what JSON has no form for.
    """
    if isinstance(data, str):
        return data
    if isinstance(data, _BYTES):
        raise UsageError(
            f"data of an event is {type(data).__name__}; expected str, or a value with a JSON "
            "form: an event stream is text. Decode it, or send it as base64"
        )
    return json.dumps(data)


_BYTES = (bytes, bytearray, memoryview)
