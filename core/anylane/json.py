"""JSON: by orjson if it can be imported, else by the standard library.

Nothing else in the core may encode or decode JSON, so that both give the same errors.
"""

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
    """Return a plain value for what orjson encodes by itself and the standard library does not."""
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    raise TypeError(f"{type(value).__name__} is not JSON serialisable")


def dumps(value: object) -> bytes:
    """Return *value* as compact JSON in UTF-8.

    Raises TypeError for a value that JSON has no form for.
    """
    if _orjson is not None:
        data: bytes
        try:
            data = _orjson.dumps(value)
        except TypeError:
            # Keys that are not str, mostly. To allow them always takes half as long again.
            data = _orjson.dumps(value, None, _options)
        return data
    return json.dumps(
        value, default=_plain, ensure_ascii=False, separators=(",", ":"), allow_nan=False
    ).encode("utf-8")


def loads(data: bytes | str) -> Any:
    """Return the value of a JSON text.

    Raises ValueError if *data* is not JSON or is nested too deeply.
    """
    if _orjson is not None:
        return _orjson.loads(data)
    try:
        return json.loads(data)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
