"""JSON by either library: orjson, and the standard library behind it."""

from __future__ import annotations

from typing import Any

import pytest

from anylane import json


@pytest.fixture(params=["orjson", "standard library"])
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    if request.param == "orjson":
        return pytest.importorskip("orjson")
    monkeypatch.setattr(json, "_orjson", None)
    return None


@pytest.mark.parametrize("text", [b"", b"{", b"[1,]", b"\xff", b"[" * 100_000])
def test_what_is_not_json_is_a_value_error(library: Any, text: bytes) -> None:
    with pytest.raises(ValueError):  # of whichever library
        json.loads(text)


def test_what_json_has_no_form_for_is_a_type_error(library: Any) -> None:
    with pytest.raises(TypeError):
        json.dumps({"a": object()})
