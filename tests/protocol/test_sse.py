"""The framing of event streams, against an independent parser of the HTML standard's algorithm."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anylane import App, Context, UsageError
from anylane.protocol.sse import HEARTBEAT, encode_comment, encode_event, encode_fields
from anylane.testing import Lockstep
from anylane.testing.client.event_parser import EventParser

# --- the standard's algorithm, written down once more ----------------------------------------


@dataclass
class Client:
    """§9.2.6 word for word, on a whole stream. events: (type, data, lastEventId)."""

    events: list[tuple[str, str, str]] = field(default_factory=list)
    last_event_id: str = ""
    reconnection_time: int | None = None

    def read(self, stream: bytes) -> Client:
        text = stream.decode("utf-8", "replace").removeprefix("\ufeff")
        data = event_type = ""
        id_buffer = self.last_event_id
        while text:
            line, text, ended = _line(text)
            if not ended:
                break  # "Once the end of the file is reached, any pending data must be discarded."
            if line == "":
                self.last_event_id = id_buffer
                if data != "":
                    self.events.append((event_type or "message", data[:-1], self.last_event_id))
                data = event_type = ""
                continue
            if line.startswith(":"):
                continue
            name, colon, value = line.partition(":")
            if colon and value.startswith(" "):
                value = value[1:]
            if name == "event":
                event_type = value
            elif name == "data":
                data += value + "\n"
            elif name == "id" and "\0" not in value:
                id_buffer = value
            elif name == "retry" and value and all(c in "0123456789" for c in value):
                self.reconnection_time = int(value)
        return self


def _line(text: str) -> tuple[str, str, bool]:
    for at, character in enumerate(text):
        if character == "\n":
            return text[:at], text[at + 1 :], True
        if character == "\r":
            return text[:at], text[at + 1 :].removeprefix("\n"), True
    return text, "", False


def as_seen(data: str) -> str:
    """A client cannot tell one line end from another."""
    return data.replace("\r\n", "\n").replace("\r", "\n")


# --- events ----------------------------------------------------------------------------------

texts = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("\r\n:\0\ufeff "))
lines = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0"))


@given(
    st.lists(
        st.tuples(
            texts,
            st.none() | lines,
            st.none() | lines,
            st.none() | st.integers(0, 10**12),
            st.none() | texts,
        )
    )
)
def test_what_is_framed_is_what_a_client_sees(
    sent: list[tuple[str, str | None, str | None, int | None, str | None]],
) -> None:
    stream = b""
    expected: list[tuple[str, str, str]] = []
    last_id, time = "", None
    for data, event, number, retry, comment in sent:
        if comment is not None:
            stream += encode_comment(comment) + HEARTBEAT
        stream += encode_event(data, event=event, id=number, retry=retry)
        last_id = last_id if number is None else number
        time = time if retry is None else retry
        expected.append((event or "message", as_seen(data), last_id))
    client = Client().read(stream)
    assert client.events == expected
    assert (client.last_event_id, client.reconnection_time) == (last_id, time)


@given(texts)
def test_data_as_utf8_is_framed_as_data_as_text_is(data: str) -> None:
    assert encode_event(data.encode()) == encode_event(data)


@pytest.mark.parametrize(
    ("data", "block"),
    [
        ("", b"data: \n\n"),
        ("a", b"data: a\n\n"),
        (" a", b"data:  a\n\n"),
        ("a\nb", b"data: a\ndata: b\n\n"),
        ("a\rb", b"data: a\ndata: b\n\n"),
        ("a\r\nb", b"data: a\ndata: b\n\n"),
        ("a\n\rb", b"data: a\ndata: \ndata: b\n\n"),
        ("\n", b"data: \ndata: \n\n"),
        ("a\u2028b\x85c\x0bd", b"data: a\xe2\x80\xa8b\xc2\x85c\x0bd\n\n"),
    ],
)
def test_only_cr_and_lf_end_a_line(data: str, block: bytes) -> None:
    assert encode_event(data) == block


def test_fields_come_before_the_data() -> None:
    block = encode_event("d", event="e", id="i", retry=5)
    assert block == b"event: e\nid: i\nretry: 5\ndata: d\n\n"


def test_an_id_alone_fires_no_event_but_is_remembered() -> None:
    client = Client().read(encode_fields(id="7") + b"\n")
    assert (client.events, client.last_event_id) == ([], "7")


def test_the_heartbeat_is_nothing_to_a_client() -> None:
    assert Client().read(HEARTBEAT * 3) == Client()


@pytest.mark.parametrize("what", ["event", "id"])
@pytest.mark.parametrize(("character", "name"), [("\r", "CR"), ("\n", "LF"), ("\0", "NUL")])
def test_a_field_that_would_break_out_is_refused(what: str, character: str, name: str) -> None:
    with pytest.raises(UsageError, match=f"^{what} of an event is 'ab.*data: .*{name} at 2"):
        encode_event("x", **{what: f"ab{character}data: y"})  # type: ignore[arg-type]


@pytest.mark.parametrize("retry", [-1, 1.5, "100", True])
def test_a_retry_that_clients_ignore_is_refused(retry: object) -> None:
    with pytest.raises(UsageError, match=r"retry is .*; expected whole milliseconds"):
        encode_event("x", retry=retry)  # type: ignore[arg-type]


@pytest.mark.parametrize("what", ["event", "id", "data"])
def test_what_is_no_text_is_refused(what: str) -> None:
    fields: dict[str, object] = {"data": "x", what: 7}
    with pytest.raises(UsageError, match=f"{what} of an event is 7; expected str"):
        encode_event(**fields)  # type: ignore[arg-type]


def test_a_lone_surrogate_is_refused_where_it_is() -> None:
    with pytest.raises(UsageError, match=r"data of an event has '\\ud800' at 2"):
        encode_event("ab\ud800")
    with pytest.raises(UsageError, match="comment of an event"):
        encode_comment("\ud800")


# --- the client's side of this repository ----------------------------------------------------

streams = st.lists(
    st.sampled_from(["data", "event", "id", "retry", "other", ":", ": ", " ", "\n", "\r", "\r\n"])
    | st.sampled_from(["\n\n", "\r\r", "data: a\n\n", "id: 1\n\n", "1", "12", "²", "\0", "\ufeff"])
    | texts
).map("".join)


@given(streams, st.data())
def test_the_event_parser_reads_any_stream_as_the_standard_says(
    stream: str, data: st.DataObject
) -> None:
    client, parser = Client().read(stream.encode()), EventParser()
    events = []
    while stream:
        cut = data.draw(st.integers(1, len(stream)))
        events += parser.feed(stream[:cut])
        stream = stream[cut:]
    assert [(event.event, event.data, event.id) for event in events] == client.events
    assert parser.last_event_id == client.last_event_id
    assert parser.retry == client.reconnection_time


# --- all the way -----------------------------------------------------------------------------

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(lines, inner, max_size=3),
    max_leaves=5,
)


@given(
    st.lists(st.tuples(values, st.none() | lines, st.none() | lines), max_size=5),
    st.integers(1, 40),
)
def test_what_a_handler_sends_is_what_a_page_sees(
    sent: list[tuple[object, str | None, str | None]], size: int
) -> None:
    app = App()

    @app.get("/")
    async def home(ctx: Context) -> None:
        async with ctx.event_stream() as events:
            for data, event, number in sent:
                await events.send(data, event, number)

    wire = Lockstep(app)
    request = b"GET / HTTP/1.0\r\nHost: a\r\n\r\n"
    for start in range(0, len(request), size):
        wire.receive(request[start : start + size])
    client = Client().read(wire.sent.partition(b"\r\n\r\n")[2])
    assert len(client.events) == len(sent)
    last_id = ""
    for (data, event, number), (kind, text, seen_id) in zip(sent, client.events, strict=True):
        last_id = last_id if number is None else number
        assert (kind, seen_id) == (event or "message", last_id)
        if isinstance(data, str):
            assert text == as_seen(data)
        else:
            assert json.loads(text) == data
