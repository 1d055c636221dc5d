"""The catalogue of smuggling inputs, cut wherever the network may cut it."""

from __future__ import annotations

import h11
import pytest

from anylane import ServerConfig
from anylane.testing import Lockstep, World
from anylane_conformance.cases.smuggling_inputs import CATALOGUE, FOLLOWER, HIDDEN, Kind
from anylane_conformance.contract import app as contract
from anylane_conformance.contract.stage import Stage

KINDS = [
    pytest.param(kind, id=f"{group}: {kind.name}")
    for group, kinds in CATALOGUE.items()
    for kind in kinds
]
APP = contract.build(Stage())
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def play(world: World, pieces: list[bytes]) -> tuple[bytes, bool]:
    wire = Lockstep(world=world)
    for piece in pieces:
        wire.receive(piece)
    sent, ended = wire.take(), wire.eof_sent
    wire.lose()
    # Whether a client waits for it depends on what came with the head (RFC 9110 §10.1.1).
    return sent.replace(CONTINUE, b""), ended


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("express", [True, False], ids=["express", "h11"])
def test_a_kind_is_read_alike_whole_dripped_and_cut_at_each_byte(kind: Kind, express: bool):
    world = World(APP, ServerConfig(express=express))
    sent = kind.sent + FOLLOWER
    whole = play(world, [sent])
    assert whole[0], "answered"
    assert whole[1] is not kind.keeps
    cuts = [[sent[at : at + 1] for at in range(len(sent))]]
    cuts += [[sent[:at], sent[at:]] for at in range(1, len(sent))]
    for pieces in cuts:
        seen = play(world, pieces)
        assert seen == whole or (kind.name == UNASKED and seen == refused(whole[0])), pieces
    assert not world.drivers


UNASKED = "body sent without waiting, and not read"
"""A body that has not begun when its request is answered may never come: then the answer closes."""


def refused(sent: bytes) -> tuple[bytes, bool]:
    """The first answer as the last."""
    head, blank, rest = sent.partition(b"\r\n\r\n")
    body, _, _ = rest.partition(b"HTTP/1.1")
    return head + b"\r\nconnection: close" + blank + body, True


@pytest.mark.parametrize("group", CATALOGUE)
def test_names_are_unique_and_each_kind_has_a_source(group):
    names = [kind.name for kind in CATALOGUE[group]]
    assert len(set(names)) == len(names)
    assert all(kind.source for kind in CATALOGUE[group])


def test_what_is_hidden_would_be_answered_if_it_were_seen():
    """Otherwise no kind that hides it could fail."""
    sent, _ = play(World(APP), [HIDDEN])
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method="GET", target="/", headers=[("host", "a")]))
    client.receive_data(sent)
    answer = client.next_event()
    assert isinstance(answer, h11.Response) and answer.status_code == 200
    assert b"666" in sent
