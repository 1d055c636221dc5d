"""What the cases say of themselves: `anylane-conformance --list` shows it to their users."""

from __future__ import annotations

import re

import pytest

from anylane_conformance.__main__ import main
from anylane_conformance.cases import case, load
from anylane_conformance.harness.case import Case
from anylane_conformance.harness.conversation import Conversation

CASES = load()
ALONE = re.compile(r"(?!(also|it|not|so|the same|then)\b)", re.IGNORECASE)
VAGUE = re.compile(r"\b(who|whom|whoever|nobody|somebody)\b", re.IGNORECASE)


@pytest.mark.parametrize("each", CASES.values(), ids=CASES.keys())
def test_a_rule_is_a_sentence_that_stands_alone(each: Case) -> None:
    assert each.rule.endswith(".")
    assert ALONE.match(each.rule), f"it needs the rule above: {each.rule}"
    assert not VAGUE.search(each.rule), f"name the client, the handler or the peer: {each.rule}"


def test_no_two_cases_have_one_rule() -> None:
    rules = [each.rule for each in CASES.values()]
    assert sorted(rules) == sorted(set(rules))


def test_the_command_lists_every_case_with_its_rule(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert [line for line in shown if re.match(r"\d", line)] == list(
        dict.fromkeys(each.chapter for each in CASES.values())
    )
    assert [line.strip() for line in shown if re.match(r"  \w", line)] == list(CASES)
    for each in CASES.values():
        at = shown.index(f"  {each.name}")
        assert shown[at + 1] == f"    {each.rule.splitlines()[0]}"


def test_a_second_case_of_one_name_is_refused() -> None:
    name = next(iter(CASES))

    def script(conversation: Conversation) -> None: ...

    script.__name__ = name
    with pytest.raises(ValueError, match=f"two cases are called '{name}'"):
        case("1 requests")(script)
