"""URL encoding: the same as the standard library's, and bounded in what it costs."""

from __future__ import annotations

from urllib.parse import parse_qsl, unquote, unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anylane import App, Context, HTTPError, ServerConfig
from anylane.config.limits import Limits
from anylane.http import urlencoded
from anylane.http.multidict import Query
from anylane.http.urlencoded import SLICE, EncodedFields, percent_decoded, unescaped
from anylane.testing import Lockstep

texts = st.text(
    st.one_of(st.sampled_from("%&=+;aF04C3é\n\r_ \0"), st.characters(exclude_categories=["Cs"]))
)


@given(texts)
def test_it_decodes_as_the_standard_library(text: str) -> None:
    assert unescaped(text) == unquote(text)
    assert percent_decoded(text) == unquote_to_bytes(text)
    assert list(Query(text).items()) == parse_qsl(text, keep_blank_values=True)


@given(texts, st.integers(3, 9))
def test_a_form_decoded_in_turns_is_the_same(text: str, size: int) -> None:
    turns: list[None] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(urlencoded, "SLICE", size)
        found = run(EncodedFields(text, "form", 413), turns)
    assert found == parse_qsl(text, keep_blank_values=True)


def run(fields: EncodedFields, turns: list[None]) -> list[tuple[str, str]]:
    """Decode in turns. Each turn is noted."""

    async def give_way() -> None:
        turns.append(None)

    coroutine = fields.decoded_in_turns(give_way)
    with pytest.raises(StopIteration) as ended:
        coroutine.send(None)
    found: list[tuple[str, str]] = ended.value.value
    return found


@pytest.mark.parametrize("text", ["%41" * 1000, "%C3%A4" * 500, "a=" + "%41" * 1000, "=" * 3000])
def test_what_is_well_formed_costs_no_call_for_each_escape(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    def decoded(text: str) -> bytes:
        calls.append(text)
        return unquote_to_bytes(text)

    monkeypatch.setattr(urlencoded, "_decoded", decoded)
    assert list(Query(text).items()) == parse_qsl(text, keep_blank_values=True)
    assert len(calls) <= 2  # A name and a value.


HOSTILE = {
    "ampersands": "&" * (1 << 20),
    "percent signs": "%" * (1 << 20),
    "both": "&%" * (1 << 19),
    "escapes that are none": "%zz" * (1 << 19),
    "percent signs in many fields": "&".join(["%" * 1000] * 1000),
    "percent signs behind letters that are not ASCII": "é%" * (1 << 19),
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_what_costs_more_is_refused_by_its_number(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[int] = []

    def note(text: str) -> bytes:
        decoded.append(len(text))
        return b""

    monkeypatch.setattr(urlencoded, "_decoded", note)
    with pytest.raises(HTTPError, match="more than 1000") as refused:
        run(EncodedFields(text, "form", 413), [])
    assert refused.value.status in (400, 413)
    assert sum(decoded) <= 4 * 1000  # Of a megabyte.
    with pytest.raises(HTTPError, match="more than 1000") as refused:
        list(EncodedFields(text, "query", 400).decoded())
    assert refused.value.status == 400


@pytest.mark.parametrize(
    "text",
    ["a=" + "x" * (1 << 20), "a=" + "%41" * (1 << 18), "&".join(["a=%41" + "x" * 999] * 999)],
)
def test_a_long_form_gives_way_to_others(text: str) -> None:
    turns: list[None] = []
    assert run(EncodedFields(text, "form", 413), turns) == parse_qsl(text)
    assert len(turns) >= len(text) // SLICE - 1


def test_a_usual_form_does_not() -> None:
    turns: list[None] = []
    run(EncodedFields("&".join(["name=value%20"] * 100), "form", 413), turns)
    assert turns == []


@pytest.mark.parametrize("kind", ["urlencoded", "multipart"])
def test_others_are_answered_between_the_turns_of_a_form(kind: str) -> None:
    app = App()
    seen: list[str] = []

    @app.post("/form")
    async def form(ctx: Context) -> None:
        await ctx.request.body()  # All of it is here.
        seen.append("begins")
        client.receive(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        (field,) = (await ctx.request.form()).get_all("a")
        assert isinstance(field, str)
        assert len(field) == 1 << 20
        seen.append("ends")

    @app.get("/")
    async def other(ctx: Context) -> None:
        seen.append("other")

    wire = Lockstep(app, ServerConfig(limits=Limits(body=4 << 20, inbound_high=8 << 20)))
    client = Lockstep(world=wire.world)
    body, content_type = b"a=" + b"%41" * (1 << 20), "application/x-www-form-urlencoded"
    if kind == "multipart":
        pytest.importorskip("multipart")
        content_type = "multipart/form-data; boundary=b"
        head = b"--b\r\nContent-Disposition: form-data; name=a\r\n\r\n"
        body = head + b"x" * (1 << 20) + b"\r\n--b--\r\n"
    request = f"POST /form HTTP/1.1\r\nHost: a\r\nContent-Type: {content_type}\r\n"
    wire.receive(f"{request}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    assert wire.sent.startswith(b"HTTP/1.1 204 ")
    assert client.sent.startswith(b"HTTP/1.1 204 ")
    assert seen == ["begins", "other", "ends"]
