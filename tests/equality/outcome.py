"""Outcomes: what an answer says, in the words of none of the three frameworks."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Outcome:
    """What became of one request."""

    status: int
    """0 for what a framework cannot declare."""
    text: str
    """For a success what the handler was given, or the body; for wrong values their places."""
    is_invalid: bool = False
    """Whether values of the request were refused one by one."""

    def is_same(self, other: Outcome) -> bool:
        """Return whether both mean the same to a client."""
        return self._meaning() == other._meaning()

    def _meaning(self) -> tuple[Any, ...]:
        if self.is_invalid:  # 422, and 400 in Litestar: the page says once which is right.
            return "invalid", self.text
        # Why a request was refused as a whole is worded differently by each.
        return self.status, self.text if self.status < 400 else self.text.partition("then")[2]


def outcome(status: int, headers: Mapping[str, str], body: bytes, secret: str = "") -> Outcome:
    """Return the outcome that an answer stands for. secret: what it must not have in it."""
    text, is_invalid = "", False
    if status < 300:
        text = _told(body)
    elif status < 400:
        text = f"to {headers.get('location')}"
    elif status == 405:
        text = f"allow: {headers.get('allow', 'nothing')}"
    elif status in (400, 422) and (places := _places(body)):
        text, is_invalid = ", ".join(sorted(places)), True
    if secret and secret.encode() in body:
        text += "; the secret is sent back"
    return Outcome(status, text, is_invalid)


def _told(body: bytes) -> str:
    if not body:
        return "no body"
    value = json.loads(body)
    if isinstance(value, dict) and value and all(isinstance(each, str) for each in value.values()):
        return "; ".join(f"{name} = {each}" for name, each in value.items())
    return json.dumps(value)


def _places(body: bytes) -> set[str]:
    """Return the places of wrong values that an answer names, as `query page`."""
    try:
        value = json.loads(body)
    except ValueError:
        return set()
    if isinstance(value.get("errors"), list):
        return {_place(each["location"], each["field"]) for each in value["errors"]}
    if isinstance(value.get("detail"), list):  # FastAPI
        if any(each["type"] == "json_invalid" for each in value["detail"]):
            return set()
        return {
            _place(each["loc"][0], ".".join(map(str, each["loc"][1:]))) for each in value["detail"]
        }
    if isinstance(value.get("extra"), list):
        return {_place_of_litestar(each) for each in value["extra"]}
    found = re.match(r"Missing required (\w+) parameter '([^']*)'", str(value.get("detail")))
    return {f"{found[1]} {found[2]}"} if found else set()


def _place_of_litestar(fault: Mapping[str, Any]) -> str:
    field = "" if fault.get("key") == "data" else str(fault.get("key", ""))
    missing = re.match(r"Object missing required field `(\w+)`$", fault["message"])
    if missing:
        field = f"{field}.{missing[1]}".strip(".")
    return _place(str(fault.get("source", "body")), field)


def _place(location: str, field: str) -> str:
    # FastAPI and Litestar call a form a body.
    return f"{'body' if location == 'form' else location} {field}".strip()
