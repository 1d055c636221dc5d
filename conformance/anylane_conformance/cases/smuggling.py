"""Requests that two parsers could read in two ways: each is refused, or read in the one safe way.

The kinds are in `anylane_conformance.cases.smuggling_inputs`, each with its source.
"""

from __future__ import annotations

from anylane_conformance.cases import case
from anylane_conformance.cases.smuggling_inputs import CATALOGUE, FOLLOWED, FOLLOWER, Kind
from anylane_conformance.harness.conversation import Conversation

CHAPTER = "11 smuggling"


def walk(conversation: Conversation, kinds: tuple[Kind, ...]) -> None:
    """Send each kind on a connection of its own; what follows it shows where it was seen to end."""
    for kind in kinds:
        peer = conversation.connect()
        peer.send(kind.sent + FOLLOWER)
        answer = peer.answer(to_head=kind.sent.startswith(b"HEAD "))
        seen = answer.status if isinstance(kind.answer, int) else answer.body
        assert seen == kind.answer, f"{kind.name}: {answer}"
        if kind.keeps:
            assert peer.answer().body == FOLLOWED, f"{kind.name}: the next request is lost"
        else:
            assert answer.headers.get("connection") == "close", f"{kind.name}: {answer}"
            peer.closed()


@case(CHAPTER, "own_wire", cuts=False)
def lengths_are_refused(conversation: Conversation) -> None:
    """Content-Length is refused when there are two, when they conflict, or with anything but digits
    (RFC 9112 §6.3)."""
    walk(conversation, CATALOGUE["Content-Length"])


@case(CHAPTER, "own_wire", cuts=False)
def codings_are_refused(conversation: Conversation) -> None:
    """Transfer-Encoding is refused unless it is one plain `chunked` (RFC 9112 §6.1)."""
    walk(conversation, CATALOGUE["Transfer-Encoding"])


@case(CHAPTER, "own_wire", cuts=False)
def lines_are_refused(conversation: Conversation) -> None:
    """Odd line ends, folding, control bytes and white space are refused (RFC 9112 §2.2, §5)."""
    walk(conversation, CATALOGUE["lines"])


@case(CHAPTER, "own_wire", cuts=False)
def targets_are_refused(conversation: Conversation) -> None:
    """Host and target must name one authority, in one form (RFC 9112 §3.2)."""
    walk(conversation, CATALOGUE["Host and target"])


@case(CHAPTER, "own_wire", cuts=False)
def versions_are_refused(conversation: Conversation) -> None:
    """Versions that are neither HTTP/1.0 nor HTTP/1.1 are refused (RFC 9110 §15.6.6)."""
    walk(conversation, CATALOGUE["versions"])


@case(CHAPTER, "own_wire", cuts=False)
def chunks_are_refused(conversation: Conversation) -> None:
    """Chunk sizes, extensions, ends and trailers are read strictly (RFC 9112 §7.1)."""
    walk(conversation, CATALOGUE["chunks"])


@case(CHAPTER, "own_wire", cuts=False)
def expectations_are_refused_or_met(conversation: Conversation) -> None:
    """Expect must be one plain `100-continue`, and the body belongs to its request (RFC 9110
    §10.1.1)."""
    walk(conversation, CATALOGUE["expectations"])


@case(CHAPTER, "own_wire", cuts=False)
def what_is_allowed_is_read_in_one_way(conversation: Conversation) -> None:
    """Requests that are odd but plain are answered: needless bodies, names that only look like
    framing, upper case."""
    walk(conversation, CATALOGUE["read in the one safe way"])
