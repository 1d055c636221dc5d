"""Docstrings are plain text: what they look like in the source is what the site shows."""

from __future__ import annotations

import pytest

from docs.website.docstrings import inline, restructured

LINKS = {"App": "anylane.App", "UsageError": "anylane.UsageError"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, *all* of it", "plain, ``all`` of it"),
        ("`ctx.user` is set", "``ctx.user`` is set"),
        ("an `App` serves", "an :py:obj:`App <anylane.App>` serves"),
        ("an App serves", "an App serves"),
        ("Raise UsageError for it", "Raise :py:obj:`UsageError <anylane.UsageError>` for it"),
        ("Raise ValueError for it", "Raise ValueError for it"),
        ('["*"] for **all, __Host-x and a|b_', r'["\*"] for \*\*all, \_\_Host-x and a\|b\_'),
        ("`App`s", ":py:obj:`App <anylane.App>`\\ s"),
        ("see https://a.test/b_c.", "see https://a.test/b_c."),
        ("such as https://app.example.com", "such as ``https://app.example.com``"),
    ],
)
def test_characters_of_a_docstring_stay_what_they_are(text: str, shown: str) -> None:
    assert inline(text, LINKS) == shown


def test_parameters_with_hanging_lines_are_a_definition_list() -> None:
    text = ["name: what it is,", "    in two lines.", "a, *b: two of them."]
    assert restructured(text, {}) == [
        "``name``", "    what it is, in two lines.", "",
        "``a``, ``*b``", "    two of them.", "",
    ]  # fmt: skip


def test_parameters_in_one_paragraph_are_found_and_what_is_raised_is_set_apart() -> None:
    text = ["limit: a number. size: bytes;", "0 for none. Raises UsageError for others."]
    assert restructured(text, {}) == [
        "``limit``", "    a number.", "",
        "``size``", "    bytes; 0 for none.", "",
        "Raises UsageError for others.", "",
    ]  # fmt: skip


def test_a_paragraph_speaks_of_parameters_only_by_their_names() -> None:
    text = ["Return it. note: this stays. size: bytes."]
    assert restructured(text, {}, ["size"]) == [
        "Return it. note: this stays.", "",
        "``size``", "    bytes.", "",
    ]  # fmt: skip
    assert restructured(text, {}) == ["Return it. note: this stays. size: bytes.", ""]


def test_what_is_indented_is_code() -> None:
    text = ["So:", "", "    app.use(x)", "", "    app.run()", "", "That is all."]
    assert restructured(text, {}) == [
        "So:", "", "::", "", "    app.use(x)", "", "    app.run()", "", "That is all.", "",
    ]  # fmt: skip


def test_a_list_may_follow_its_paragraph_at_once() -> None:
    text = ["Kinds:", "* one,", "  which goes on", "* two"]
    assert restructured(text, {}) == ["Kinds:", "", "* one, which goes on", "* two", ""]


def test_what_is_for_the_framework_is_left_out() -> None:
    assert restructured(["For people.", "", "For the framework: route."], {}) == ["For people.", ""]
