"""anylane does what docs/typed-equality.md says of it, and each difference has a verdict.

What FastAPI and Litestar do is recorded: `make equality` asks them again.
"""

from __future__ import annotations

import pytest

from tests.equality.cases import all_cases
from tests.equality.page import PAGE, differing, text
from tests.equality.recorded import outcome_of_anylane, recorded
from tests.equality.verdicts import VERDICTS, A

CASES = all_cases()
RECORDED = recorded()["cases"]


@pytest.mark.parametrize("name", CASES)
def test_anylane_answers_as_recorded(name: str) -> None:
    assert outcome_of_anylane(CASES[name]) == RECORDED[name][A]


def test_every_case_is_recorded_and_no_other() -> None:
    assert [*RECORDED] == [*CASES]


def test_each_difference_has_a_verdict_and_anylane_is_right_in_it() -> None:
    assert {name for name in RECORDED if differing(RECORDED[name])} == VERDICTS.keys()
    assert [name for name, verdict in VERDICTS.items() if A not in verdict.right] == []


def test_the_page_shows_what_is_recorded() -> None:
    assert PAGE.read_text(encoding="utf-8") == text(), "run `make equality`"
