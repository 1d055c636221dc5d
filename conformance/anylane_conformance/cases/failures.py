"""What user code may raise, anywhere: it ends its exchange, and nothing else."""

from __future__ import annotations

from anylane_conformance.cases import case
from anylane_conformance.contract.endings import failures
from anylane_conformance.contract.endings.failures import BEGUN, KINDS, WHOLE
from anylane_conformance.harness.conversation import Conversation
from anylane_conformance.harness.peer import Peer

CHAPTER = "15 failures"


def errors(conversation: Conversation) -> list[str]:
    """Return the error lines of the server's log."""
    return [message for level, message in conversation.log if level == "error"]


@case(CHAPTER, cuts=False)
def whatever_is_raised_is_a_500(conversation: Conversation) -> None:
    """Any exception out of a handler, hook, iterator or pooled function, BaseException included, is
    a 500 and one line of the log; its connection goes on, and so do the others."""
    neighbour, peer = conversation.connect(), conversation.connect()
    for where in WHOLE:
        for kind in KINDS:
            before = len(errors(conversation))
            assert peer.ask(f"/raise/{where}/{kind}").status == 500, f"{where} {kind}"
            assert neighbour.ask("/").status == 200
            assert len(errors(conversation)) == before + 1, f"{where} {kind}"


@case(CHAPTER, cuts=False)
def whatever_is_raised_behind_a_head_ends_the_connection(conversation: Conversation) -> None:
    """A stream, event stream or iterator that fails after its head does not look whole, whatever is
    raised; the server goes on."""
    neighbour = conversation.connect()
    for where in BEGUN:
        for kind in KINDS:
            before = len(errors(conversation))
            peer = conversation.connect()
            peer.get(f"/raise/{where}/{kind}")
            assert not peer.rest().endswith(b"0\r\n\r\n"), f"{where} {kind}"
            assert neighbour.ask("/").status == 200
            assert len(errors(conversation)) == before + 1, f"{where} {kind}"


@case(CHAPTER, "denials", cuts=False)
def whatever_a_websocket_handler_raises_is_1011(conversation: Conversation) -> None:
    """Any exception out of a WebSocket handler closes its session with 1011 (RFC 6455 §7.4.1);
    before `accept` it is a 500."""
    neighbour = conversation.connect()
    for kind in KINDS:
        before = len(errors(conversation))
        ws = conversation.websocket(f"/raise-ws/{kind}")
        ws.send("go")
        assert ws.closed() == (1011, ""), kind
        early = conversation.connect()
        early.handshake(f"/raise-ws-early/{kind}")
        assert early.answer().status == 500, kind
        assert neighbour.ask("/").status == 200
        assert len(errors(conversation)) == before + 2, kind


@case(CHAPTER, cuts=False)
def what_no_loop_knows_is_a_failure(conversation: Conversation) -> None:
    """A handler or a background function that awaits something of no event loop, or of another one,
    fails alone: 500, and a line of the log."""
    helper, peer = conversation.helper(), conversation.connect()
    for count, when in enumerate(("first", "later", "in-background") * 2, 1):
        status = 200 if when == "in-background" else 500
        assert peer.ask(f"/await-unknown/{when}").status == status, when
        if status == 200:
            assert helper.ask("/notes").body == b"behind it"
        assert helper.ask("/").status == 200
        assert len(errors(conversation)) == count, when
        assert "Unknown" in errors(conversation)[-1]


@case(CHAPTER, cuts=False)
def whatever_a_job_raises_is_logged(conversation: Conversation) -> None:
    """Any exception out of a background job is one line of the log; the job behind it still
    runs."""
    peer, helper = conversation.connect(), conversation.helper()
    for how in ("async", "def"):
        for kind in KINDS:
            before = len(errors(conversation))
            assert peer.ask(f"/raise-later/{how}/{kind}").body == b"answered"
            assert helper.ask("/notes").body == f"behind {kind}".encode()
            assert len(errors(conversation)) == before + 1, f"{how} {kind}"


@case(CHAPTER, "own_connections", extra=failures.connections, cuts=False)
def whatever_a_hook_of_a_connection_raises_ends_it_alone(conversation: Conversation) -> None:
    """Any exception out of on_connect turns that connection away, any out of on_disconnect is
    logged; the server goes on."""
    helper = conversation.helper()
    assert helper.ask("/").status == 200
    for number, kind in enumerate(KINDS):
        before = len(errors(conversation))
        turned_away = conversation.helper()
        turned_away.get("/")
        assert turned_away.rest() == b"", kind
        assert len(errors(conversation)) == before + 1, kind
        leaves_with_an_error(conversation, helper, 2 * number + 2)
        assert len(errors(conversation)) == before + 2, kind


def leaves_with_an_error(conversation: Conversation, helper: Peer, number: int) -> None:
    """Let a client come and go, whose on_disconnect hook raises; wait until that is over."""
    peer = conversation.helper()
    assert peer.ask("/").status == 200
    peer.eof()
    peer.closed()
    assert helper.ask("/notes").body == f"gone {number}".encode()
    conversation.rests(1)


@case(CHAPTER)
def group_of_one_counts_as_its_leaf(conversation: Conversation) -> None:
    """An exception group whose only leaf is an HTTPError is answered as that; with another beside
    it, it is a failure."""
    peer = conversation.connect()
    answer = peer.ask("/group-of/error")
    assert (answer.status, answer.body) == (409, b"409 Conflict: taken\n")
    assert errors(conversation) == []
    assert peer.ask("/group-of-two").status == 500
    assert len(errors(conversation)) == 1
