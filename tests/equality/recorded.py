"""The recorded outcomes of all cases, answers.json, and how those of anylane are found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from anylane.testing import TestClient
from tests.equality.anylane_app import app
from tests.equality.cases import Case
from tests.equality.outcome import Outcome, outcome

FILE = Path(__file__).with_name("answers.json")


def recorded() -> dict[str, Any]:
    """Return the versions of the frameworks and, for each case, the outcome of each."""
    found: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    found["cases"] = {
        name: {framework: Outcome(*each) for framework, each in outcomes.items()}
        for name, outcomes in found["cases"].items()
    }
    return found


def record(versions: dict[str, str], cases: dict[str, dict[str, Outcome]]) -> None:
    """Write what `recorded` returns."""
    rows = {
        name: {
            framework: [each.status, each.text, each.is_invalid]
            for framework, each in outcomes.items()
        }
        for name, outcomes in cases.items()
    }
    text = json.dumps({"versions": versions, "cases": rows}, indent=1)
    FILE.write_text(text + "\n", encoding="utf-8")


def outcome_of_anylane(case: Case) -> Outcome:
    """Return what anylane makes of a case."""
    client = TestClient(app)

    def answer(method: str, target: str, headers: Any, body: bytes) -> Any:
        has_body = bool(body) or method in ("POST", "PUT")
        got = client.request(method, target, headers=headers, content=body if has_body else None)
        return got.status, {name.lower(): value for name, value in got.headers.items()}, got.content

    return outcome_by(answer, case)


def outcome_by(answer: Any, case: Case) -> Outcome:
    """Return the outcome of a case. answer: takes method, target, headers and body, and returns
    status, headers and body."""
    if case.then:
        answer("GET", case.then, [], b"")
    status, fields, body = answer(case.method, case.target, case.headers, case.body)
    found = outcome(status, fields, body, case.secret)
    if not case.then:
        return found
    after = outcome(*answer("GET", case.then, [], b""))
    return Outcome(found.status, f"{found.text} then {after.text}".strip(), found.is_invalid)
