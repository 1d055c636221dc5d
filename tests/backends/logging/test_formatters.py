"""One record is one line, whatever text is in it."""

from __future__ import annotations

import ast
import json
import logging
import logging.handlers
import queue
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anylane.request_tag import request_id
from anylane_backends.logging import IdsFilter, JsonFormatter, TextFormatter

FORGED = "2026-01-01 00:00:00,000 CRITICAL forged"
TEXTS = [
    f"a\n{FORGED}", f"a\r{FORGED}", f"a\r\n{FORGED}", f"a\x0b{FORGED}", f"a\x0c{FORGED}",
    f"a\x1c{FORGED}", f"a\x85{FORGED}", f"a\u2028{FORGED}", f"a\u2029{FORGED}",
    "a\x1b[2Ja", "a\x00b", "a\x7fb", "a\u202eb", "a\ud800b", "a\x9b31mb",
]  # fmt: skip
"""What a client could send to end a line, to move the cursor, or to turn the text around."""


def record(message: str, *args: Any, **extra: Any) -> Any:
    """Return a record as a logger makes it. exc: among extra, the exception that it is about."""
    exc = extra.pop("exc", None)
    info = None if exc is None else (type(exc), exc, exc.__traceback__)
    logger = logging.Logger("shop")  # noqa: LOG001  # of this test alone
    return logger.makeRecord("shop", logging.INFO, "shop.py", 3, message, args, info, extra=extra)


def lines(text: str) -> list[str]:
    """Return the lines as any reader may split them."""
    return text.splitlines()


@pytest.mark.parametrize("text", TEXTS, ids=ascii)
def test_a_text_of_a_client_ends_no_line(text: str) -> None:
    for made in (record(text), record("%s", text), record("it said %r", [text])):
        (line,) = lines(TextFormatter().format(made))
        assert line.isprintable()
        (line,) = lines(JsonFormatter().format(made))
        assert json.loads(line)["message"] == made.getMessage()


@given(st.text(), st.text(), st.text())
def test_no_message_name_or_extra_ends_a_line(message: str, name: str, extra: str) -> None:
    made = record("%s", message, client=extra, **{"an id": extra})
    made.name = made.levelname = name
    fmt = "%(levelname)s %(name)s %(client)s %(message)s"
    (line,) = lines(TextFormatter(fmt).format(made)) or [""]
    assert line.isprintable()
    (line,) = lines(JsonFormatter().format(made))
    assert line.isascii() and line.isprintable()
    found = json.loads(line)
    assert (found["message"], found["logger"], found["client"]) == (message, name, extra)


def raised(func: Any) -> BaseException:
    try:
        func()
    except Exception as exc:  # noqa: BLE001  # any of them
        return exc
    raise AssertionError("nothing was raised")


def noted() -> None:
    error = ValueError(f"no\n{FORGED}")
    error.add_note(FORGED)
    error.add_note(f"a\n{FORGED}")
    raise error from KeyError(f"a\n{FORGED}")


class Hostile:
    def __repr__(self) -> str:
        raise SystemExit("repr")


class HostileError(Exception):
    def __str__(self) -> str:
        raise SystemExit("str")


def raised_with(notes: object) -> None:
    error = HostileError()
    error.__notes__ = notes  # type: ignore[assignment]
    raise error


FAILURES: dict[str, Any] = {
    "an exception that cannot be shown": lambda: raised_with([Hostile(), FORGED, 3]),
    "notes of another kind": lambda: raised_with(5),
    "its text": lambda: int(f"\n{FORGED}"),
    "its notes and cause": noted,
    "source that came": lambda: ast.literal_eval(f"1 +\n{FORGED}\n("),
    "the name of a file": lambda: exec(compile("1/0", f"a\n{FORGED}", "exec")),
    "JSON": lambda: json.loads(f'{{"a\n{FORGED}": x'),
    "a group": lambda: (_ for _ in ()).throw(
        ExceptionGroup(f"a\n{FORGED}", [ValueError(FORGED), ValueError(f"\n{FORGED}")])
    ),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_no_line_of_a_traceback_looks_like_the_beginning_of_a_record(failure: str) -> None:
    made = record("it failed", exc=raised(FAILURES[failure]))
    # What another formatter has left there as it came.
    made.exc_text = f"Traceback\n{FORGED}"
    first, *later = lines(TextFormatter().format(made))
    assert first.endswith(" INFO it failed")
    assert any("Traceback" in line for line in later)
    assert not any(line.startswith("2026-01-01") for line in later)
    (line,) = lines(JsonFormatter().format(made))
    assert "Traceback" in json.loads(line)["exception"]


def test_a_traceback_that_came_as_text_is_indented() -> None:
    made = record("it failed")
    made.exc_text = f"Traceback\n{FORGED}\n  File"
    made.stack_info = f"Stack\n{FORGED}"
    assert lines(TextFormatter("%(message)s").format(made)) == [
        "it failed", "Traceback", f"  {FORGED}", "  File", "Stack", f"  {FORGED}"
    ]  # fmt: skip


def test_json_tells_whatever_an_extra_is() -> None:
    circle: list[object] = []
    circle.append(circle)
    at = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
    extra = {
        "plain": {"a": [1, 2.5, None, True]},
        "at": at,
        "amount": Decimal("1.50"),
        "uuid": UUID(int=1),
        "path": Path("/srv"),
        "nan": float("nan"),
        "circle": circle,
        "keys": {(1, 2): 3},
        "hostile": Hostile(),
        "huge": 10**5000,
        "half": "\ud800",
        "status": 200,
        "time": "noon",
        "level": 7,
    }
    found = json.loads(JsonFormatter().format(record("order %d", 7, **extra)))
    assert found["message"] == "order 7"
    assert found["level"] == "info" and found["extra_level"] == 7
    assert found["extra_time"] == "noon"
    assert found["plain"] == {"a": [1, 2.5, None, True]}
    assert found["at"] == at.isoformat()
    assert (found["amount"], found["uuid"], found["path"]) == ("1.50", str(UUID(int=1)), "/srv")
    assert found["nan"] == "nan"
    assert found["circle"] == "[[...]]"
    assert found["keys"] == "{(1, 2): 3}"
    assert found["hostile"] == "<Hostile, whose repr raised SystemExit>"
    assert found["status"] == 200
    assert found["half"] == "\ud800"
    assert found["pid"] > 0


def test_a_format_that_names_ids_has_them_and_no_more() -> None:
    before = request_id.set("abc")
    try:
        assert TextFormatter("{request_id} {message} {span_id}", style="{").format(record("a")) == (
            "abc a -"
        )
        assert TextFormatter("%(message)s").format(record("a")) == "a [request abc]"
        assert TextFormatter("%(message)s").format(record("a [request abc]")) == "a [request abc]"
        assert json.loads(JsonFormatter().format(record("a")))["request_id"] == "abc"
    finally:
        request_id.reset(before)
    assert TextFormatter("%(message)s").format(record("a")) == "a"
    assert "request_id" not in json.loads(JsonFormatter().format(record("a")))


def test_an_id_of_an_extra_counts() -> None:
    found = json.loads(JsonFormatter().format(record("a", request_id="mine")))
    assert found["request_id"] == "mine"
    assert TextFormatter("%(message)s").format(record("a", request_id="m\ni")) == (
        r"a [request m\ni]"
    )


def test_a_filter_takes_the_ids_along_to_another_thread() -> None:
    records: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
    handler = logging.handlers.QueueHandler(records)
    handler.addFilter(IdsFilter())
    logger = logging.Logger("shop")  # noqa: LOG001  # of this test alone
    logger.addHandler(handler)
    before = request_id.set("abc")
    try:
        logger.info("a")
    finally:
        request_id.reset(before)
    later = request_id.set("another")
    try:
        made = records.get()
        found = json.loads(JsonFormatter().format(made))
        assert found["request_id"] == "abc"
        assert "connection_id" not in found
        assert TextFormatter("%(message)s").format(made) == "a [request abc]"
    finally:
        request_id.reset(later)


def test_a_json_line_has_no_format() -> None:
    with pytest.raises(ValueError, match="JsonFormatter has fixed members"):
        JsonFormatter("%(message)s")
    with pytest.raises(ValueError, match="JsonFormatter has fixed members"):
        JsonFormatter(datefmt="%Y")


def test_what_a_record_has_by_itself_is_no_extra() -> None:
    assert json.loads(JsonFormatter().format(record("a"))).keys() == {
        "time", "level", "logger", "pid", "message"
    }  # fmt: skip


def test_lines_of_several_workers_of_one_process_say_whose_they_are(monkeypatch) -> None:
    record = logging.LogRecord("app", logging.INFO, "", 0, "ready", (), None)
    assert TextFormatter("%(message)s").format(record) == "ready"
    assert TextFormatter("%(worker)s %(message)s").format(record) == "- ready"
    assert "worker" not in json.loads(JsonFormatter().format(record))
    monkeypatch.setattr("anylane_backends.logging.worker._worker", 17)
    fresh = logging.LogRecord("app", logging.INFO, "", 0, "ready", (), None)
    assert TextFormatter("%(message)s").format(fresh) == "ready [worker 17]"
    assert json.loads(JsonFormatter().format(fresh))["worker"] == 17
    assert TextFormatter("%(worker)s %(message)s").format(fresh) == "17 ready"
    assert TextFormatter("{worker} {message}", style="{").format(fresh) == "17 ready"
    assert TextFormatter("${worker} $message", style="$").format(fresh) == "17 ready"
    assert TextFormatter("$worker $message", style="$").format(fresh) == "17 ready"
    literal = TextFormatter("a worker: %(message)s")  # It is a word, and no field.
    assert literal.format(fresh) == "a worker: ready [worker 17]"
