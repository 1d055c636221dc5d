"""Whole connections, with the express lane and without: from outside they are the same."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from anylane import Deflate, Limits, Timeouts
from anylane_conformance.cases.smuggling_inputs import CATALOGUE, FOLLOWER, HIDDEN
from tests import heads
from tests.conversations import CONFIG, Step, conversations, cut, scripts
from tests.damage import damaged
from tests.protocol.websocket.test_model import CUTS, STEPS, encoded, frame, pieces
from tests.twins import Twins, settings

TWINS = Twins()
KINDS = [kind.sent for kinds in CATALOGUE.values() for kind in kinds]
HASTY = Timeouts(head=1, body=1, keep_alive=3, write_stall=4, linger=1, drain=6)
SETTINGS = [
    settings(limits=CONFIG.limits, timeouts=CONFIG.timeouts, request_timeout=100_000.0),
    settings(limits=CONFIG.limits, timeouts=HASTY, request_timeout=2.5),
    settings(limits=heads.LIMITS),
    settings(
        limits=Limits(
            pipeline=300, exchanges_per_turn=2, drain_body=3, linger=50, pieces_per_turn=1
        )
    ),
    settings(timeouts=HASTY),
]
ANSWERS = st.sampled_from(
    [
        b"status=205&size=3", b"status=205",
        b"", b"status=204", b"status=304", b"status=304&size=3", b"status=500&size=3", b"size=3",
        b"status=299", b"size=16384", b"size=16385", b"size=70000", b"date=now", b"Date=a&date=b",
        b"connection=close", b"Connection=keep-alive", b"connection=x,close", b"content-length=3",
        b"content-length=3&size=3", b"Content-Length=x&size=3", b"transfer-encoding=chunked",
        b"size=3&sleep=1", b"size=3&sleep=40", b"x=y&x=z&Set-Cookie=a",
    ]
)  # fmt: skip


@st.composite
def requests(draw: Any) -> Any:
    """One request, several that are the same, or something that is none."""
    section: bytes = draw(heads.plain_sections())
    if draw(st.integers(0, 3)) == 0:
        section = draw(heads.nearly(section))
    size = draw(st.sampled_from([3, 3, 3, 0, 2, 4, 29, 30, 31]))
    body = b"<" + b"x" * (size - 2) + b">" if size > 1 else b"x" * size
    if draw(st.booleans()):
        section = section.replace(b"Length: 3\r", b"Length: %d\r" % size)
    method = draw(st.sampled_from([b"GET", b"POST", b"POST", b"HEAD"]))
    match draw(st.integers(0, 5)):
        case 0:
            target = draw(heads.TARGETS)
        case 1 | 2:
            target = b"/answer?" + draw(ANSWERS)
        case _:
            target = b"/mirror"
    one = method + b" " + target + b" HTTP/1.1\r\n" + section + body * (b"ength" in section.lower())
    match draw(st.integers(0, 9)):
        case 0:
            return draw(heads.heads())
        case 1:
            return draw(st.sampled_from(KINDS)) + FOLLOWER
        case 2 | 3:
            return one * draw(st.integers(2, 6))
        case _:
            return one


ENDS = st.sampled_from([[("eof", None)], [("lose", None)], [("shutdown", None)], []])


@st.composite
def stories(draw: Any, sent: bytes) -> Any:
    """The bytes in pieces; now and then the server is asked to stop in between."""
    steps: list[Step] = draw(cut(sent)) if sent else []
    if draw(st.integers(0, 5)) == 0:
        steps.insert(draw(st.integers(0, len(steps))), ("shutdown", None))
    return steps + LET_GO + draw(ENDS) + AFTERWARDS


LET_GO: list[Step] = [("resume", None)]
AFTERWARDS: list[Step] = [("advance", 5.0), ("advance", 100.0), ("advance", 1_000_000.0)]


@st.composite
def whole(draw: Any, sent: list[bytes]) -> Any:
    """Yield requests each in a piece of its own, as most clients send them, or all at once."""
    pauses = st.sampled_from([0.0, 0.0, 0.5, 2.0, 10.0])
    together = [b"".join(sent)] if draw(st.integers(0, 3)) == 0 else sent
    steps: list[Step] = []
    for each in filter(None, together):
        steps += [("receive", each), ("advance", draw(pauses))]
    return steps + LET_GO + draw(ENDS) + AFTERWARDS


@given(st.data())
def test_valid_conversations(data: Any) -> None:
    said = data.draw(conversations())
    if data.draw(st.booleans()):
        steps = data.draw(scripts(said)) + LET_GO + data.draw(ENDS) + AFTERWARDS
    else:
        steps = data.draw(whole([each.head + each.body for each in said]))
    TWINS.assert_alike(data.draw(st.sampled_from(SETTINGS)), steps)


@given(st.data())
def test_damaged_conversations(data: Any) -> None:
    said = [each.head + each.body for each in data.draw(conversations())]
    if data.draw(st.booleans()):
        steps = data.draw(stories(data.draw(damaged(b"".join(said), HIDDEN))))
    else:
        steps = data.draw(whole([*said[:-1], data.draw(damaged(said[-1], HIDDEN)), FOLLOWER]))
    TWINS.assert_alike(data.draw(st.sampled_from(SETTINGS)), steps)


MORE = hypothesis_settings(max_examples=max(300, hypothesis_settings().max_examples))


@MORE
@given(st.data())
def test_requests_that_are_almost_plain(data: Any) -> None:
    sent = b"".join(data.draw(st.lists(requests(), min_size=1, max_size=4)))
    if data.draw(st.integers(0, 4)) == 0:
        sent = data.draw(damaged(sent, FOLLOWER))
    TWINS.assert_alike(data.draw(st.sampled_from(SETTINGS)), data.draw(stories(sent)))


@MORE
@given(st.data())
def test_requests_that_are_almost_plain_and_whole(data: Any) -> None:
    sent = data.draw(st.lists(requests(), min_size=1, max_size=4))
    TWINS.assert_alike(data.draw(st.sampled_from(SETTINGS)), data.draw(whole(sent)))


GET = b"GET /mirror HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST /mirror HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
ODD = b"POST /mirror HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
LAST = b"GET /mirror HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
SEQUENCES = {
    "plain": GET + POST + GET,
    "odd between plain": POST + ODD + GET,
    "a length, then none": POST + POST.replace(b"3\r", b"0\r")[:-3] + GET,
    "the same section with another body": POST + POST[:-1] + b"d" + GET,
    "another method and target": GET + GET.replace(b"GET /mirror", b"HEAD /answer") + GET,
    "an empty line before": GET + b"\r\n" + GET + b"\r\n\r\n" + GET,
    "asked once": GET + LAST,
    "asked once, with a body": POST.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"),
    "asked once, and more behind": GET + LAST + POST,
    "asked once, a HEAD": LAST.replace(b"GET", b"HEAD"),
    "the last is refused": GET + POST + b"GET / HTTP/1.1\r\n\r\n",
}


@pytest.mark.parametrize("sent", SEQUENCES.values(), ids=SEQUENCES)
def test_cut_at_every_byte(sent: bytes) -> None:
    for at in range(1, len(sent)):
        steps: list[Step] = [("receive", sent[:at]), ("receive", sent[at:]), ("eof", None)]
        TWINS.assert_alike(SETTINGS[4], steps + AFTERWARDS)


@pytest.mark.parametrize("first", [b"\r", b"\r\n", b"\n", b" ", b"G", b"GET / HTTP/1.1\r\n"])
def test_a_plain_request_behind_something_else(first: bytes) -> None:
    """Only what came before tells that the request is not plain."""
    steps: list[Step] = [("receive", first), ("receive", GET), ("receive", POST), ("eof", None)]
    TWINS.assert_alike(SETTINGS[4], steps + AFTERWARDS)


@pytest.mark.parametrize("count", [1, 2, 3, 5])
@pytest.mark.parametrize("one", [GET, POST, ODD, GET.replace(b"mirror", b"slow")])
def test_pipelining_up_to_its_bounds_and_over(one: bytes, count: int) -> None:
    """Turns of two requests; the pipeline ends at each place in the last of them."""
    for room in range(len(one) * (count - 1) or 1, len(one) * count + 1, 7):
        limits = Limits(pipeline=room, exchanges_per_turn=2)
        steps: list[Step] = [("receive", one * count), ("receive", one), ("advance", 4.0)]
        found = TWINS.assert_alike(settings(limits=limits), steps + AFTERWARDS)
        answers = b"".join(moment.sent for moment in found).count(b"HTTP/1.1 200 OK")
        assert answers == count + 1


# --- WebSocket -----------------------------------------------------------------------------------


UPGRADE = (
    b"GET %s HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n%s"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
OFFER = b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
PATHS = st.sampled_from([b"/echo", b"/echo", b"/echo", b"/slow", b"/late", b"/few", b"/busy",
                         b"/leave"])  # fmt: skip
IMPATIENT = Timeouts(keep_alive=3, write_stall=5, ping=3, pong=4, close=2, linger=1, drain=6)
TIGHT = Limits(message=40, inbound_high=200, inbound_low=100, outbound_high=100, outbound_low=10,
               linger=50, pipeline=1000, pieces_per_turn=2, fragments=3)  # fmt: skip
WEBSOCKETS = [
    settings(limits=Limits(message=40), deflate=Deflate(threshold=10)),
    settings(limits=TIGHT, timeouts=IMPATIENT, deflate=Deflate(threshold=10)),
    settings(limits=TIGHT, timeouts=IMPATIENT, deflate=Deflate(enabled=False)),
]


def websocket_steps(data: Any, sent: bytes) -> Any:
    """Return the handshake and the frames behind it, cut; some may come with it."""
    head = UPGRADE % (data.draw(PATHS), data.draw(st.sampled_from([OFFER, b""])))
    early = data.draw(st.sampled_from([0, 0, 1, 20, len(sent)]))
    steps: list[Step] = [("receive", head + sent[:early])]
    if data.draw(st.booleans()):
        steps += [("receive", each) for each in pieces(sent[early:], data.draw(CUTS)) if each]
    elif early < len(sent):
        steps += data.draw(cut(sent[early:]))
    return steps + LET_GO + data.draw(ENDS) + AFTERWARDS


@given(st.data())
def test_websocket_conversations(data: Any) -> None:
    sent = encoded(data.draw(STEPS))
    TWINS.assert_alike(data.draw(st.sampled_from(WEBSOCKETS)), websocket_steps(data, sent))


@given(st.data())
def test_damaged_websocket_conversations(data: Any) -> None:
    sent = data.draw(damaged(encoded(data.draw(STEPS)), frame(1, b"other")))
    TWINS.assert_alike(data.draw(st.sampled_from(WEBSOCKETS)), websocket_steps(data, sent))


FRAMES = {
    "messages": frame(1, b"one") + frame(2, b"\xff\0") + frame(1, "é".encode()) + frame(1),
    "a ping between": frame(1, b"one") + frame(9, b"p") + frame(1, b"two"),
    "a fragmented one between": frame(1, b"a") + frame(1, b"b", fin=False) + frame(0, b"c")
    + frame(1, b"d"),
    "plain inside of a fragmented one": frame(1, b"b", fin=False) + frame(1, b"c"),
    "invalid UTF-8 behind a valid one": frame(1, b"a") + frame(1, b"\xc3") + frame(1, b"b"),
    "at the limit and over": frame(2, bytes(40)) + frame(2, bytes(41)),
    "not masked": frame(1, b"a") + b"\x81\x01a",
    "compressed": frame(1, b"a") + frame(1, b"J\4\0", rsv=4) + frame(1, b"b"),
    "compressed, of nothing": frame(1, rsv=4) + frame(1, b"\0", rsv=4) + frame(1, b"b"),
    "compressed, and not": frame(2, b"\xff" * 9, rsv=4) + frame(1, b"b"),
    "compressed, invalid UTF-8": frame(1, b"\xfa\xef\0", rsv=4) + frame(1, b"b"),
    "other reserved bits": frame(1, b"a") + frame(1, b"b", rsv=2),
    "other opcodes": frame(1, b"a") + frame(3, b"b"),
    "a continuation of nothing": frame(1, b"a") + frame(0, b"b"),
    "a fragmented control frame": frame(1, b"a") + frame(9, b"b", fin=False),
    "a whole frame inside of a frame": b"\x82\x87\0\0\0\0" + frame(1, b"x")[:2] + b"\0\0\0\0x",
    "a whole frame from the second byte on": b"\x82\x81\x80\0\0\0\0" + frame(1, b"a"),
    "a close and more": frame(1, b"a") + frame(8, b"\x03\xe8bye") + frame(1, b"b"),
}  # fmt: skip


@pytest.mark.parametrize("sent", FRAMES.values(), ids=FRAMES)
@pytest.mark.parametrize("offer", [OFFER, b""], ids=["deflate", "bare"])
def test_frames_cut_at_every_byte(sent: bytes, offer: bytes) -> None:
    for at in range(len(sent) + 1):
        steps: list[Step] = [("receive", UPGRADE % (b"/echo", offer))]
        steps += [("receive", each) for each in (sent[:at], sent[at:]) if each]
        TWINS.assert_alike(WEBSOCKETS[0], [*steps, ("eof", None), *AFTERWARDS])


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 768, 769, 65_535, 65_536, 65_537])
@pytest.mark.parametrize("opcode", [1, 2])
def test_lengths_of_each_form(opcode: int, size: int) -> None:
    """A length may be written in a longer form than it needs (RFC 6455 §5.2)."""
    mask = b"\7\x63\xc8\x0d"
    payload = bytes(byte ^ ord("x") for byte in (mask * (size // 4 + 1))[:size])
    forms = [
        bytes([0x80 | opcode, 0x80 | size]) if size < 126 else b"",
        bytes([0x80 | opcode, 0xFE]) + size.to_bytes(2, "big") if size < 1 << 16 else b"",
        bytes([0x80 | opcode, 0xFF]) + size.to_bytes(8, "big"),
        bytes([0x80 | opcode, 0xFF]) + (size | 1 << 63).to_bytes(8, "big"),
    ]
    head = UPGRADE % (b"/echo", b"")
    for form in filter(None, forms):
        sent = form + mask + payload
        for room in (size - 1, size, 1 << 20):
            limits = Limits(message=max(1, room))
            for ends in ((), (3,), (len(form) + 4,), (len(form) + 4 + size // 2,)):
                steps: list[Step] = [("receive", head)]
                steps += [("receive", each) for each in pieces(sent + frame(1, b"y"), [*ends])]
                TWINS.assert_alike(settings(limits=limits), [*steps, ("eof", None)])
