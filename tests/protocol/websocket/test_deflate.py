"""permessage-deflate: what is agreed, and what zlib is allowed to do. RFC 7692."""

from __future__ import annotations

import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto.extensions import PerMessageDeflate

from anylane import ConfigError, Deflate
from anylane.errors import Refused
from anylane.protocol.websocket.deflate import (
    Agreed,
    Deflater,
    InflateError,
    Inflater,
    Offer,
    negotiate,
)
from anylane.protocol.websocket.handshake import parse_extensions

WIDE = Deflate(server_max_window_bits=15, client_max_window_bits=15)
TAIL = b"\x00\x00\xff\xff"


# -- the header -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "offers"),
    [
        (b"", ()),
        (b" , ,", ()),
        (b"a", (Offer("a"),)),
        (b"a, b ;c", (Offer("a"), Offer("b", (("c", None),)))),
        (b'a;b=1; c = "x" ;d', (Offer("a", (("b", "1"), ("c", "x"), ("d", None))),)),
        (b"a\t;\tb", (Offer("a", (("b", None),)),)),
    ],
)
def test_what_a_client_offers(value, offers):
    assert parse_extensions(value) == offers


@pytest.mark.parametrize(
    "value",
    [
        b";",
        b"a;",
        b"a b",
        b"a=1",
        b"a;=1",
        b"a;b=",
        b'a;b=""',
        b'a;b="x y"',
        b'a;b="x',
        b"a;;b",
        b"\xe9",
        b"a;b=1=2",
        b"a, @",
    ],
)
def test_a_header_that_breaks_the_grammar_fails_the_handshake(value):
    with pytest.raises(Refused) as caught:
        parse_extensions(value)
    assert caught.value.status == 400


# -- negotiation ----------------------------------------------------------------------------------

NAME = "permessage-deflate"


def answer(offers: str, settings: Deflate = WIDE) -> str | None:
    agreed = negotiate(parse_extensions(offers.encode()), settings)
    return agreed.header if agreed is not None else None


@pytest.mark.parametrize(
    ("parameters", "answered"),
    [
        ("", ""),
        ("server_no_context_takeover", "server_no_context_takeover"),
        ("client_no_context_takeover", "client_no_context_takeover"),
        ("server_max_window_bits=15", "server_max_window_bits=15"),
        ("server_max_window_bits=9", "server_max_window_bits=9"),
        ("client_max_window_bits", "client_max_window_bits=15"),
        ("client_max_window_bits=8", "client_max_window_bits=8"),
        ("client_max_window_bits=10", "client_max_window_bits=10"),
        ('server_max_window_bits="10"', "server_max_window_bits=10"),
        (
            "client_max_window_bits;server_max_window_bits=10;client_no_context_takeover",
            "client_no_context_takeover; server_max_window_bits=10; client_max_window_bits=15",
        ),
    ],
)
def test_an_offer_that_is_met(parameters, answered):
    assert answer("; ".join(filter(None, [NAME, parameters]))) == "; ".join(
        filter(None, [NAME, answered])
    )


@pytest.mark.parametrize(
    "parameters",
    [
        "unknown",
        "server_no_context_takeover=1",
        "client_no_context_takeover=true",
        "server_max_window_bits",
        "server_max_window_bits=7",
        "server_max_window_bits=8",  # Legal; zlib cannot write it.
        "server_max_window_bits=16",
        "server_max_window_bits=09",
        "server_max_window_bits=x",
        "client_max_window_bits=7",
        "client_max_window_bits=16",
        "client_max_window_bits=+9",
        "client_max_window_bits=015",
        "client_max_window_bits; client_max_window_bits",
        "server_no_context_takeover; server_no_context_takeover",
    ],
)
def test_an_offer_that_is_declined(parameters):
    assert answer(f"{NAME}; {parameters}") is None
    assert answer(f"{NAME}; {parameters}, {NAME}") == NAME


def test_the_first_offer_that_can_be_met_is():
    assert answer(f"bzip, {NAME}; unknown, {NAME}; server_max_window_bits=10, {NAME}") == (
        f"{NAME}; server_max_window_bits=10"
    )
    assert answer("bzip, x-webkit-deflate-frame") is None
    assert answer("Permessage-Deflate") == NAME


def test_settings_are_asked_for_and_never_more_than_the_client_knows():
    assert answer(NAME, Deflate()) == f"{NAME}; server_max_window_bits=12"
    assert answer(f"{NAME}; client_max_window_bits", Deflate()) == (
        f"{NAME}; server_max_window_bits=12; client_max_window_bits=12"
    )
    assert answer(
        f"{NAME}; client_max_window_bits=10; server_max_window_bits=11", Deflate()
    ) == f"{NAME}; server_max_window_bits=11; client_max_window_bits=10"  # fmt: skip
    fresh = Deflate(server_no_context_takeover=True, client_no_context_takeover=True)
    assert answer(NAME, fresh) == (
        f"{NAME}; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=12"
    )


def test_switched_off_nothing_is_agreed():
    assert answer(NAME, Deflate(enabled=False)) is None


@given(
    st.lists(
        st.sampled_from(
            [
                "server_no_context_takeover",
                "client_no_context_takeover",
                "client_max_window_bits",
                "client_max_window_bits=10",
                "server_max_window_bits=9",
            ]
        ),
        unique_by=lambda each: each.partition("=")[0],
    ),
    st.builds(
        Deflate,
        server_no_context_takeover=st.booleans(),
        client_no_context_takeover=st.booleans(),
        server_max_window_bits=st.integers(9, 15),
        client_max_window_bits=st.integers(9, 15),
    ),
)
def test_wsproto_as_the_client_understands_what_was_agreed(parameters, settings):
    agreed = negotiate([Offer(NAME, _pairs(parameters))], settings)
    assert agreed is not None
    client = PerMessageDeflate()
    client.finalize(agreed.header)
    for name in (
        "server_no_context_takeover",
        "client_no_context_takeover",
        "server_max_window_bits",
        "client_max_window_bits",
    ):
        assert getattr(client, name) == getattr(agreed, name)


def _pairs(parameters: list[str]) -> tuple[tuple[str, str | None], ...]:
    return tuple(
        (name, value or None) for name, _, value in (each.partition("=") for each in parameters)
    )


# -- messages -------------------------------------------------------------------------------------


def agreement(settings: Deflate = WIDE) -> Agreed:
    agreed = negotiate([Offer(NAME, (("client_max_window_bits", None),))], settings)
    assert agreed is not None
    return agreed


def inflate(inflater: Inflater, *pieces: bytes, limit: int = 1000) -> bytes:
    out = b"".join(inflater.inflate(piece, limit) for piece in pieces)
    return out + inflater.end(limit)


@pytest.mark.parametrize(
    "payload",
    [
        "f2 48 cd c9 c9 07 00",  # RFC 7692 §7.2.3.1: one block
        "00 05 00 fa ff 48 65 6c 6c 6f 00",  # §7.2.3.3: not compressed
        "f3 48 cd c9 c9 07 00 00",  # §7.2.3.4: a final block, padded
        "f2 48 05 00 00 00 ff ff ca c9 c9 07 00",  # §7.2.3.5: two blocks
        "f3 48 cd c9 c9 07 00",  # a final block that nothing follows
    ],
)
def test_the_examples_of_the_rfc(payload):
    data = bytes.fromhex(payload)
    inflater = Inflater(agreement())
    for _ in range(3):
        assert inflate(inflater, data) == b"Hello"
        assert inflate(inflater, *[data[i : i + 1] for i in range(len(data))]) == b"Hello"


def test_the_second_message_of_the_rfc_refers_to_the_first():
    inflater = Inflater(agreement())
    assert inflate(inflater, bytes.fromhex("f248cdc9c90700")) == b"Hello"
    assert inflate(inflater, bytes.fromhex("f200110000")) == b"Hello"


def test_without_context_takeover_it_cannot():
    inflater = Inflater(agreement(Deflate(client_no_context_takeover=True)))
    assert inflate(inflater, bytes.fromhex("f248cdc9c90700")) == b"Hello"
    with pytest.raises(InflateError):
        inflate(inflater, bytes.fromhex("f200110000"))


def test_an_empty_message():
    inflater = Inflater(agreement())
    assert inflate(inflater, b"\x00") == b""
    assert inflate(inflater, b"") == b""
    assert inflate(inflater, bytes.fromhex("f248cdc9c90700")) == b"Hello"


@pytest.mark.parametrize("bad", [b"\xff", b"\x00\x01\x00\x00\x00", b"hello, this is no deflate"])
def test_what_is_not_deflated_is_an_error(bad):
    with pytest.raises(InflateError):
        inflate(Inflater(agreement()), bad)


def test_no_more_final_blocks_in_a_message_than_its_bound():
    final = bytes.fromhex("f348cdc9c90700")
    assert inflate(Inflater(agreement()), final * 16) == b"Hello" * 16
    with pytest.raises(InflateError):
        inflate(Inflater(agreement()), final * 17)
    inflater = Inflater(agreement())
    for _ in range(40):
        assert inflate(inflater, final) == b"Hello"


def test_a_bomb_is_not_unfolded_past_the_limit():
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = deflater.compress(bytes(50_000_000)) + deflater.flush(zlib.Z_SYNC_FLUSH)
    tracemalloc.start()
    try:
        assert len(Inflater(agreement()).inflate(bomb, 100_001)) == 100_001
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000


@given(
    st.lists(st.binary(min_size=1, max_size=300), max_size=5),
    st.integers(9, 15),
    st.booleans(),
    st.integers(1, 9),
    st.integers(1, 9),
)
def test_what_we_deflate_any_zlib_inflates(messages, bits, fresh, level, memory_level):
    settings = Deflate(
        server_max_window_bits=bits,
        server_no_context_takeover=fresh,
        level=level,
        memory_level=memory_level,
    )
    deflater = Deflater(agreement(settings), settings)
    reader = zlib.decompressobj(-bits)
    for message in messages:
        if fresh:
            reader = zlib.decompressobj(-bits)
        assert reader.decompress(deflater.deflate(message) + TAIL) == message


def test_with_context_takeover_the_second_message_is_smaller():
    message = b'{"name": "something", "value": 17, "unit": "a rather long word"}'
    deflater = Deflater(agreement(), WIDE)
    assert len(deflater.deflate(message)) > 3 * len(deflater.deflate(message))
    fresh = Deflate(server_no_context_takeover=True)
    deflater = Deflater(agreement(fresh), fresh)
    assert deflater.deflate(message) == deflater.deflate(message)


@pytest.mark.parametrize(
    ("name", "bad", "good"),
    [
        ("server_max_window_bits", (8, 16), (9, 15)),
        ("client_max_window_bits", (8, 16), (9, 15)),
        ("level", (0, 10), (1, 9)),
        ("memory_level", (0, 10), (1, 9)),
        ("threshold", (0,), (1,)),
        ("enabled", (1, None), (True, False)),
    ],
)
def test_each_setting_has_its_bounds(name, bad, good):
    for value in bad:
        with pytest.raises(ConfigError, match=rf"Deflate\.{name} is {value}"):
            Deflate(**{name: value})
    for value in good:
        assert getattr(Deflate(**{name: value}), name) == value
