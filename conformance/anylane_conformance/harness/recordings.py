"""Recordings: what each case's clients receive in memory, as files that are reviewed.

All lanes share the core, so a fault of the core would change what they are compared with, too. A
recording changes only when somebody says so.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import replace
from difflib import unified_diff
from pathlib import Path

from anylane_conformance.harness.case import Case
from anylane_conformance.harness.conversation import Conversation
from anylane_conformance.harness.lanes import LockstepLane
from anylane_conformance.harness.transcripts import Transcript
from anylane_conformance.harness.wires import Cutter

ORACLE = LockstepLane()
"""The lane in memory: what clients see there, they must see everywhere."""

FOLDER = Path(__file__).resolve().parents[1] / "transcripts"
"""Where the recordings are: a folder for each chapter, a file for each case."""

COMMAND = "anylane-conformance --update-transcripts"
"""What writes them."""

_WIDTH = 400
"""Bytes of a line that are written out. More is too much to read, and is told by its hash."""

_SHOWN = 32
"""Bytes that are shown of a longer one."""

_LINE = re.compile(rb"(?<=\n)|(?=HTTP/1\.1 \d{3} )")
"""Where a line of the file begins: behind each line end, and at each answer."""

_MANY = 100
"""Connections of a case that are written out. Crowds are told by their hash."""

_DIFFERENT = 60
"""Lines of a difference that are shown."""


def holds(case: Case) -> bool:
    """Return whether the case can be held in memory, so that there is a recording of it."""
    return not case.needs - ORACLE.capabilities


def path_of(case: Case, folder: Path = FOLDER) -> Path:
    """Return where a case's recording is."""
    _, _, chapter = case.chapter.partition(" ")
    return folder / "_".join(chapter.lower().replace(",", "").split()) / f"{case.name}.txt"


def recorded(conversation: Conversation) -> str:
    """Return what the clients of a conversation in memory have received, to be read and compared.

    The time that has passed is part of it, because in memory every deadline is met exactly.
    """
    lines = [f"time: {conversation.now():.6g} s"]
    connections = [list(_connection(each)) for each in conversation.transcripts]
    for number, connection in enumerate(connections[:_MANY], 1):
        lines += ["", f"connection {number}", *connection]
    if rest := connections[_MANY:]:
        digest = _hash("\n\n".join("\n".join(connection) for connection in rest).encode())
        lines += ["", f"{len(rest)} more connections, {digest}"]
    return "\n".join(lines) + "\n"


def check(case: Case, conversation: Conversation, folder: Path = FOLDER) -> None:
    """Raise AssertionError, with the command that helps, unless the clients have received what the
    recording says."""
    path = path_of(case, folder)
    if not path.exists():
        raise AssertionError(f"{path} is missing: run `{COMMAND}`, and review what it records")
    now, before = recorded(conversation), path.read_text(encoding="utf-8")
    if now != before:
        lines = list(
            unified_diff(before.splitlines(), now.splitlines(), "recorded", "now", lineterm="")
        )
        raise AssertionError(
            f"the clients did not receive what {path} says; if that is meant, run `{COMMAND}`, "
            "and review what has changed\n" + "\n".join(lines[:_DIFFERENT])
        )


def play(case: Case, lacks: frozenset[str] = frozenset()) -> tuple[Conversation, int]:
    """Hold the case's conversation in memory; return it, and how many bytes the case sent.

    lacks: what the case is to leave out, as where another server decides it.
    """
    cutter = Cutter()
    lane = replace(ORACLE, capabilities=ORACLE.capabilities - lacks)
    with lane.conversation(case, cutter=cutter) as conversation:
        case.script(conversation)
    return conversation, cutter.sent


def update(cases: dict[str, Case], folder: Path = FOLDER) -> Iterator[str]:
    """Record all cases anew. Yield a line for each file that is written or removed.

    Raises RuntimeError if a case fails; the recordings of the others are written.
    """
    failed = []
    for case in filter(holds, cases.values()):
        path = path_of(case, folder)
        try:
            text = recorded(play(case)[0])
        except Exception as exc:  # noqa: BLE001  # it is told below, and the others go on
            failed.append(f"{case.name}: {exc!r:.200}")
            continue
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            yield f"wrote {path.relative_to(folder)}"
    for path in stale(cases, folder):
        path.unlink()
        if not any(path.parent.iterdir()):
            path.parent.rmdir()
        yield f"removed {path.relative_to(folder)}"
    if failed:
        raise RuntimeError("cases that do not pass are not recorded: " + "; ".join(failed))


def stale(cases: dict[str, Case], folder: Path = FOLDER) -> list[Path]:
    """Return the recordings to which there is no case."""
    current = {path_of(case, folder) for case in cases.values() if holds(case)}
    return [path for path in sorted(folder.rglob("*.txt")) if path not in current]


def _connection(transcript: Transcript) -> Iterator[str]:
    """Yield the lines about one connection."""
    yield from (f"  {_shown(line)}" for line in _LINE.split(transcript.http) if line)
    for message in transcript.messages:
        kind = "text" if isinstance(message, str) else "binary"
        data = message if isinstance(message, bytes) else message.encode("utf-8", "surrogatepass")
        yield f"  {kind} '{_shown(data)}'"
    yield from (f"  {kind} '{_shown(payload)}'" for kind, payload in transcript.controls)
    if transcript.close is not None:
        code, reason = transcript.close
        yield f"  close {code} '{_shown(reason.encode())}'"
    yield f"  end: {transcript.end}"


def _shown(data: bytes) -> str:
    """Return bytes as text of one line, to the byte: what is not printable ASCII is escaped."""
    if len(data) > _WIDTH:
        return f"{_shown(data[:_SHOWN])}... {len(data)} bytes, {_hash(data)}"
    return repr(data)[2:-1]


def _hash(data: bytes) -> str:
    return f"sha256 {hashlib.sha256(data).hexdigest()[:32]}..."
