"""JSON through orjson where it can be imported, else through the standard library."""

from __future__ import annotations

import json
from dataclasses import asdict, is_dataclass
from typing import Any

try:
    import orjson
except ImportError:
    orjson = None  # type: ignore[assignment]


def _plain(value: object) -> Any:
    """What the standard library cannot encode by itself and orjson can."""
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    raise TypeError(f"{type(value).__name__} is not JSON serialisable")


def dumps(value: object) -> bytes:
    """Compact UTF-8. Raises TypeError for what JSON has no form for."""
    if orjson is not None:
        return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS)
    return json.dumps(
        value, default=_plain, ensure_ascii=False, separators=(",", ":"), allow_nan=False
    ).encode("utf-8")


def loads(data: bytes | str) -> Any:
    """Raises ValueError for what is not JSON."""
    return orjson.loads(data) if orjson is not None else json.loads(data)
