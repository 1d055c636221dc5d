"""The page docs/typed-equality.md, drawn from the cases and what was recorded of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.equality.cases import CHAPTERS, FORM, JSON, MULTIPART, Case
from tests.equality.outcome import Outcome
from tests.equality.recorded import recorded
from tests.equality.verdicts import VERDICTS, A, F, L

PAGE = Path(__file__).resolve().parents[2] / "docs" / "typed-equality.md"

MAX_SHOWN = 70

INTRODUCTION = """\
# Beside FastAPI and Litestar

The same declarations, made for three frameworks, and what each makes of the same requests.
`tests/equality/` has the declarations (`anylane_app.py`, `fastapi_app.py`, `litestar_app.py`), the
requests (`cases.py`) and the verdicts (`verdicts.py`). `make equality` asks all three and writes
this page. The tests hold anylane to it.

{summary}

How to read it:

* A cell has the status and what the handler was given, with its type: `7` is an int and `'7'` a
  str. Of a refused request it has the places that the answer names.
* "same" is what anylane does. The last column is empty where all three do the same. Else it says
  which are right, and why; "each" where it is a matter of choice.
* Wrong values are 422 in anylane and FastAPI and 400 in Litestar, which counts as the same here if
  the same places are named. 422 is what RFC 9110 has for a request that can be read and means what
  cannot be (§15.5.21); 400 is for one that cannot be read (§15.5.1).

"""


def text() -> str:
    """Return the page."""
    known = recorded()
    outcomes: Mapping[str, Mapping[str, Outcome]] = known["cases"]
    parts = [INTRODUCTION.format(summary=_summary(outcomes, known["versions"]))]
    for title, cases in CHAPTERS.items():
        parts.append(f"## {title}\n")
        parts.append(
            f"| what | request | {A} | {F} | {L} | right, and why |\n|---|---|---|---|---|---|"
        )
        names = {f"{title}: {each.what}": each for each in cases}
        parts += [_row(name, each, outcomes[name]) for name, each in names.items()]
        parts.append("")
    return "\n".join(parts)


def write() -> None:
    """Write the page."""
    PAGE.write_text(text(), encoding="utf-8")


def differing(outcomes: Mapping[str, Outcome]) -> bool:
    """Return whether two frameworks make different things of one request."""
    return not all(outcomes[A].is_same(outcomes[each]) for each in (F, L))


def _summary(outcomes: Mapping[str, Any], versions: Mapping[str, str]) -> str:
    different = [name for name, each in outcomes.items() if differing(each)]
    sides: dict[tuple[str, ...], int] = {}
    for name in different:
        side = VERDICTS[name].right
        sides[side] = sides.get(side, 0) + 1
    lines = [
        f"{len(outcomes)} requests. In {len(outcomes) - len(different)} all three do the same.",
        f"In {len(different)} they differ:",
        "",
        "| who is right | requests |",
        "|---|---|",
        *(
            f"| {_sides(side)} | {count} |"
            for side, count in sorted(sides.items(), key=lambda each: -each[1])
        ),
        "",
        "Recorded with " + ", ".join(f"{name} {number}" for name, number in versions.items()) + ".",
    ]
    return "\n".join(lines)


def _row(name: str, case: Case, outcomes: Mapping[str, Outcome]) -> str:
    cells = [
        _cell(each, outcomes[A] if framework != A else None) for framework, each in outcomes.items()
    ]
    found = VERDICTS.get(name)
    verdict = "" if found is None else f"{_sides(found.right)}: {found.why}"
    return f"| {case.what} | {_request(case)} | {' | '.join(cells)} | {verdict} |"


def _sides(right: tuple[str, ...]) -> str:
    return "each" if len(right) == 3 else " and ".join(right)


def _cell(outcome: Outcome, first: Outcome | None) -> str:
    if outcome.status == 0:
        return outcome.text
    if first is not None and outcome.is_same(first):
        return "same" if outcome.status == first.status else f"{outcome.status}, same"
    return f"{outcome.status} {_code(outcome.text)}" if outcome.text else str(outcome.status)


def _request(case: Case) -> str:
    fields = [f"{name}: {value}" for name, value in case.headers if (name, value) not in _USUAL]
    pieces = [f"{case.method} {_short(case.target)}", *fields]
    if case.body and MULTIPART not in case.headers:
        pieces.append(case.body.decode("utf-8", "backslashreplace"))
    return "<br>".join(map(_code, pieces))


_USUAL = (JSON, FORM, MULTIPART)


def _code(value: str) -> str:
    shown = _short(ascii(value)[1:-1].replace("\\\\", "\\").replace("\\'", "'"))
    return "`" + shown.replace("|", "\\|") + "`"


def _short(value: str) -> str:
    return value if len(value) <= MAX_SHOWN else f"{value[:MAX_SHOWN]}..."
