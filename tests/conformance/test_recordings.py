"""Recorded transcripts: what they find that no comparison of lanes does, and how they are kept."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import anylane_conformance
from anylane_conformance.__main__ import main
from anylane_conformance.cases import load
from anylane_conformance.harness import recordings
from anylane_conformance.harness.case import Case
from anylane_conformance.harness.conversation import Conversation
from anylane_conformance.harness.transcripts import Transcript
from tests.conformance.planted import FAULTS, Plant

CASES = load()
COMMAND = "anylane-conformance --update-transcripts"


@pytest.mark.parametrize(("plant", "name"), FAULTS.values(), ids=FAULTS)
def test_a_fault_of_the_core_that_all_lanes_share_is_shown(
    plant: Plant, name: str, monkeypatch: pytest.MonkeyPatch
):
    plant(monkeypatch)
    conversation, _ = recordings.play(CASES[name])  # The case itself does not see it.
    with pytest.raises(AssertionError, match=f"{COMMAND}`, and review what has changed\n---"):
        recordings.check(CASES[name], conversation)


@pytest.mark.parametrize("name", dict.fromkeys(name for _, name in FAULTS.values()))
def test_nothing_is_shown_without_a_fault(name: str):
    recordings.check(CASES[name], recordings.play(CASES[name])[0])


def test_each_case_that_can_be_held_in_memory_has_a_recording():
    missing = [
        name
        for name, case in CASES.items()
        if recordings.holds(case) and not recordings.path_of(case).exists()
    ]
    assert not missing, f"run `{COMMAND}` and review what it records"


def test_each_recording_has_a_case():
    assert not recordings.stale(CASES), f"run `{COMMAND}`"


# --- keeping them ---------------------------------------------------------------------------------


def script(conversation: Conversation) -> None:
    """The front page is answered."""
    assert conversation.connect().ask("/").status == 200


CASE = Case("front_page", "1 requests", script)


def test_a_case_without_a_recording_fails_with_the_command(tmp_path: Path):
    conversation, _ = recordings.play(CASE)
    with pytest.raises(AssertionError, match=f"front_page.txt is missing: run `{COMMAND}`"):
        recordings.check(CASE, conversation, tmp_path)


def test_update_records_what_is_new_and_removes_what_has_no_case(tmp_path: Path):
    other = replace(CASE, name="other", chapter="8 disconnects, deadlines")
    cases = {"front_page": CASE, "other": other}
    assert list(recordings.update(cases, tmp_path)) == [
        "wrote requests/front_page.txt",
        "wrote disconnects_deadlines/other.txt",
    ]
    recordings.check(CASE, recordings.play(CASE)[0], tmp_path)
    assert list(recordings.update(cases, tmp_path)) == []
    assert list(recordings.update({"front_page": CASE}, tmp_path)) == [
        "removed disconnects_deadlines/other.txt"
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["requests"]


def test_a_case_that_fails_is_not_recorded_and_the_others_are(tmp_path: Path):
    def fails(conversation: Conversation) -> None:
        assert conversation.connect().ask("/nowhere").status == 200

    cases = {"fails": Case("fails", "1 requests", fails), "front_page": CASE}
    with pytest.raises(RuntimeError, match="cases that do not pass are not recorded: fails"):
        list(recordings.update(cases, tmp_path))
    assert [path.name for path in tmp_path.rglob("*.txt")] == ["front_page.txt"]


def test_the_command_says_what_it_wrote(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    def update(cases: dict[str, Case]) -> Iterator[str]:
        assert cases == CASES
        yield "wrote a.txt"
        raise RuntimeError("cases that do not pass are not recorded: b")

    monkeypatch.setattr(recordings, "update", update)
    assert main(["--update-transcripts"]) == 1
    said = capsys.readouterr()
    assert said.out == "wrote a.txt\n"
    assert said.err == "cases that do not pass are not recorded: b\n"


def test_an_installed_package_is_no_place_to_record(tmp_path: Path):
    installed = tmp_path / "lib" / "anylane_conformance"
    shutil.copytree(Path(anylane_conformance.__file__).parent, installed)
    done = subprocess.run(
        [sys.executable, "-m", "anylane_conformance", "--update-transcripts"],
        env={"PYTHONPATH": str(installed.parent)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "--update-transcripts needs a source checkout" in done.stderr


# --- what they say -------------------------------------------------------------------------------


def text(*transcripts: Transcript) -> str:
    """What is recorded of clients that have received this, 0.3 s after the beginning."""
    with recordings.ORACLE.conversation(CASE) as conversation:
        for transcript in transcripts:
            conversation.connect().transcript = transcript
        conversation.pause(0.1 + 0.2)
        return recordings.recorded(conversation)


def test_a_recording_is_read_line_by_line_and_says_how_it_ended():
    http = b'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}HTTP/1.1 404 \r\n\r\n"\xff\n"'
    assert text(Transcript(http, end="eof"), Transcript()).splitlines() == [
        "time: 0.3 s",
        "",
        "connection 1",
        r"  HTTP/1.1 200 OK\r\n",
        r"  content-length: 2\r\n",
        r"  \r\n",
        "  {}",
        r"  HTTP/1.1 404 \r\n",
        r"  \r\n",
        r'  "\xff\n',
        '  "',
        "  end: eof",
        "",
        "connection 2",
        "  end: open",
    ]
    messages: list[str | bytes] = ["ä ", b"\0"]
    ended = Transcript(messages=messages, controls=[("pong", b"")], close=(1000, "bye"), end="eof")
    assert text(ended).splitlines()[3:] == [
        r"  text '\xc3\xa4 '",
        r"  binary '\x00'",
        "  pong ''",
        "  close 1000 'bye'",
        "  end: eof",
    ]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b"a\r\n", b"a\n"),
        (b"a", b"a "),
        (b"x" * 1000, b"x" * 1001),
        (b"y" + b"x" * 999, b"x" * 1000),
    ],
    ids=["line end", "space", "size", "last byte"],
)
def test_a_recording_differs_wherever_bytes_differ(one: bytes, other: bytes):
    assert text(Transcript(one)) != text(Transcript(other))


def test_a_crowd_is_told_by_its_hash():
    crowd = [Transcript(b"%d" % number) for number in range(150)]
    before = text(*crowd)
    assert "50 more connections, sha256 " in before
    crowd[-1].http = b"other"
    assert text(*crowd) != before
