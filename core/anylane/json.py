"""JSON through orjson where it can be imported, else through the standard library."""

from __future__ import annotations

import json
from dataclasses import asdict, is_dataclass
from typing import Any

try:
    import orjson
except ImportError:
    _orjson: Any = None
else:
    _orjson = orjson
    _options = orjson.OPT_NON_STR_KEYS


def _plain(value: Any) -> Any:
    """What the standard library cannot encode by itself and orjson can."""
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    raise TypeError(f"{type(value).__name__} is not JSON serialisable")


def dumps(value: object) -> bytes:
    """Compact UTF-8. Raises TypeError for what JSON has no form for."""
    if _orjson is not None:
        data: bytes
        try:
            data = _orjson.dumps(value)
        except TypeError:  # Keys that are no str, mostly; asking for them takes half as long again.
            data = _orjson.dumps(value, None, _options)
        return data
    return json.dumps(
        value, default=_plain, ensure_ascii=False, separators=(",", ":"), allow_nan=False
    ).encode("utf-8")


def loads(data: bytes | str) -> Any:
    """Raises ValueError for what is not JSON, or is nested too deeply to be read."""
    if _orjson is not None:
        return _orjson.loads(data)
    try:
        return json.loads(data)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
