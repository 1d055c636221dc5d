"""Valid conversations, damaged: no exception, no answer too many, and always a clean end."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from anylane.testing import Lockstep, World
from tests.conversations import CONFIG, OnPurpose, conversations, cut, make_app, parse, perform
from tests.damage import damaged
from tests.http_model import Reply

APP = make_app(panic=True)
REQUEST_LINE = re.compile(rb"[^\r\n]+ HTTP/\d\.\d\r\n")


@given(st.data())
def test_damage_is_refused_once_or_harmless(data: Any) -> None:
    said, other = data.draw(conversations()), data.draw(conversations("u", 2))
    valid, splice = (b"".join(each.head + each.body for each in talk) for talk in (said, other))
    sent = data.draw(damaged(valid, splice))
    steps = data.draw(cut(sent)) if sent else []
    end = data.draw(st.sampled_from(["eof", "lose", "silence"]))

    world = World(APP, CONFIG)
    wire = Lockstep(world=world)
    for step in steps:
        perform(wire, step)
    wire.resume()  # Who leaves in the middle of a stream gets no more of it.
    if end != "silence":
        perform(wire, (end, None))
    wire.advance(100)
    answers = read(wire.sent, sent)
    wire.advance(1_000_000)  # Every deadline there is.

    errors = [record.error for record in world.log if record.level == "error"]
    assert all(isinstance(error, OnPurpose) for error in errors)
    assert wire.closed, "a connection always ends"
    assert not world.drivers and not world.runnable and world.deadlines.next() is None
    late = read(wire.sent, sent)
    assert late[: len(answers)] == answers
    assert len(late) <= len(answers) + 1, "what is missing for ever is answered with 408 at most"


def read(received: bytes, sent: bytes) -> list[Reply]:
    """The answers, each of them whole, the right number of them, and nothing behind the last."""
    answers = list(parse(received))
    assert all(answer.stays for answer in answers[:-1]), "answered after the end"
    heads = len(REQUEST_LINE.findall(sent))
    assert len(answers) <= heads + 1, "more answers than requests, and one refusal"
    accepted = [answer.token for answer in answers if answer.token != "-"]
    for token in accepted:
        line = rb"x-token:[ \t]*%s[ \t]*\r\n" % re.escape(token.encode("latin-1"))
        asked = len(re.findall(line, sent, re.IGNORECASE))
        assert accepted.count(token) <= asked, f"{token} was answered too often"
    return answers
