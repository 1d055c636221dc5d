"""Interruptions: nothing that `except Exception` catches, raised once, and time to clean up."""

from __future__ import annotations

from anylane_conformance.cases import case
from anylane_conformance.contract.endings.interruptions import CANCELLED_AGAIN
from anylane_conformance.harness.case import Missing
from anylane_conformance.harness.conversation import Conversation

CHAPTER = "16 interruptions"


def errors(conversation: Conversation) -> list[str]:
    """Return the error lines of the server's log."""
    return [message for level, message in conversation.log if level == "error"]


@case(CHAPTER, request_timeout=0.2, cuts=False)
def interruption_is_no_exception(conversation: Conversation) -> None:
    """A handler that swallows every Exception does not go on behind its deadline: 503, and nothing
    is shipped."""
    for path in ("order", "def", "between", "timeout", "timeout?late"):
        peer = conversation.connect()
        assert peer.ask(f"/interrupted/{path}").status == 503, path
        peer.closed()
    assert "shipped" not in conversation.stage.said
    assert "deadline Cancelled Cancelled Cancelled saved" in conversation.stage.said
    assert errors(conversation) == []


@case(CHAPTER, request_timeout=0.2, cuts=False)
def interruption_is_raised_again_by_every_use(conversation: Conversation) -> None:
    """A handler that swallows its interruption gets it again at every use of ctx, and never as
    Disconnected."""
    peer = conversation.connect()
    assert peer.ask("/interrupted/again").status == 503
    assert conversation.helper().ask("/notes").body == b"deadline 10 interrupted"
    assert errors(conversation) == []


@case(CHAPTER, request_timeout=0.2, cuts=False)
def interrupted_handler_cleans_up(conversation: Conversation) -> None:
    """After its deadline a handler can still run blocking functions, and leave work behind."""
    peer, helper = conversation.connect(), conversation.helper()
    assert peer.ask("/interrupted/finally").status == 503
    assert helper.ask("/notes").body == b"begun"
    assert helper.ask("/notes").body == b"deadline saved saved saved"
    assert helper.ask("/notes").body == b"behind it"
    assert errors(conversation) == []


@case(CHAPTER, "own_drain", timeouts={"drain": 0.3}, cuts=False, compare=False)
def end_of_a_drain_is_an_interruption(conversation: Conversation) -> None:
    """At the end of a drain a handler is interrupted as by its deadline, and can clean up."""
    peer, ws = conversation.connect(), conversation.websocket("/interrupted/ws-receive")
    ordering = conversation.connect()
    assert ws.receive() == "begun"
    peer.get("/interrupted/finally")
    ordering.get("/interrupted/order")
    conversation.steady(lambda: len(conversation.stage.said))
    conversation.drain()
    conversation.pause(0.4)
    conversation.steady(lambda: len(conversation.stage.said))
    said = conversation.stage.said
    assert "shipped" not in said
    assert "shutdown saved saved saved" in said
    assert "shutdown interrupted interrupted interrupted interrupted interrupted" in said
    assert "behind it" in said
    assert errors(conversation) == []


@case(CHAPTER, "own_drain", timeouts={"drain": 0.3}, cuts=False, compare=False)
def websocket_is_closed_in_cleaning_up(conversation: Conversation) -> None:
    """An interrupted WebSocket handler can still close its session."""
    ws = conversation.websocket("/interrupted/ws")
    assert ws.receive() == "begun"
    conversation.drain()
    conversation.pause(0.4)
    conversation.steady(lambda: len(conversation.stage.said))
    assert conversation.stage.said == ["shutdown closed"]


@case(CHAPTER, "native_cancel", request_timeout=0.2, cuts=False)
def interruption_in_a_foreign_await(conversation: Conversation) -> None:
    """A handler that is interrupted in a foreign await can clean up with ctx.run_sync, and inside
    of the library's time-outs and groups the interruption stays what it is."""
    peer, helper = conversation.connect(), conversation.helper()
    assert peer.ask("/interrupted/foreign").status == 503
    assert helper.ask("/notes").body == b"deadline interrupted saved"
    for path in ("foreign-timeout", "foreign-group"):
        peer = conversation.connect()
        assert peer.ask(f"/interrupted/{path}").status == 503, path
    assert conversation.stage.said == []
    assert errors(conversation) == []


@case(CHAPTER, "native_cancel", "cancel_scopes", request_timeout=0.2, cuts=False)
def shielded_work_is_not_interrupted(conversation: Conversation) -> None:
    """What a scope shields goes on after an interruption, and what comes behind it does not."""
    assert conversation.connect().ask("/shielded/work").status == 503
    assert conversation.helper().ask("/notes").body == b"saved, deadline"
    assert errors(conversation) == []


@case(CHAPTER, "native_cancel", "cancel_scopes", request_timeout=0.2, cuts=False)
def shielded_group_is_not_interrupted(conversation: Conversation) -> None:
    """The tasks of a shielded group end by themselves after an interruption."""
    assert conversation.connect().ask("/shielded/group").status == 503
    assert conversation.helper().ask("/notes").body == b"one two, deadline"
    assert errors(conversation) == []


@case(CHAPTER, "native_cancel", "cancel_scopes", request_timeout=0.2, cuts=False)
def shielded_timeout_has_its_time(conversation: Conversation) -> None:
    """A shielded time-out ends by itself, although an interruption came before it."""
    assert conversation.connect().ask("/shielded/timeout").status == 503
    assert conversation.helper().ask("/notes").body == b"timed out: True, deadline"
    assert errors(conversation) == []


@case(CHAPTER, "native_cancel", request_timeout=0.2, cuts=False)
def interruption_is_the_loops_own(conversation: Conversation) -> None:
    """On an event loop an interruption is the loop's own cancellation, each time."""
    assert conversation.connect().ask("/interrupted/native").status == 503
    assert conversation.helper().ask("/notes").body == b"7 True"


@case(CHAPTER, "native_cancel", request_timeout=0.2, cuts=False)
def foreign_await_in_cleaning_up(conversation: Conversation) -> None:
    """A foreign await in `finally` behaves as its loop does: it goes on, or is cancelled again."""
    assert conversation.connect().ask("/interrupted/foreign-finally").status == 503
    note = conversation.helper().ask("/notes").body
    if note == CANCELLED_AGAIN.encode():
        raise Missing("cancelled_once")
    assert note == b"cleaned up"
    assert errors(conversation) == []


@case(CHAPTER, "native_cancel", request_timeout=0.2, timeouts={"close": 0.3}, cuts=False)
def cleaning_up_has_an_end(conversation: Conversation) -> None:
    """What an interrupted handler still waits for is interrupted, too, once `Timeouts.close` is
    over."""
    helper = conversation.helper()
    assert conversation.connect().ask("/interrupted/slow-finally").status == 503
    assert helper.ask("/notes").body == b"cleaned up too long: interrupted"
    assert helper.ask("/unblock").status == 200


@case(CHAPTER, "own_drain", "native_cancel", timeouts={"drain": 0.3}, cuts=False, compare=False)
def end_of_a_drain_reaches_a_task_group(conversation: Conversation) -> None:
    """At the end of a drain all tasks of a handler end, those in a foreign await too."""
    conversation.connect().get("/interrupted/foreign-group")
    assert conversation.steady(lambda: conversation.connections) == 1
    conversation.drain()
    conversation.pause(0.4)
    conversation.rests(0)
    assert conversation.stage.said == []
    assert errors(conversation) == []


GOODBYES = ("fin", "reset", "close")


def leave(conversation: Conversation, path: str, how: str) -> None:
    """Open a WebSocket, wait until its handler waits, and leave."""
    ws = conversation.websocket(path)
    assert ws.receive() == "waiting"
    match how:
        case "fin":
            ws.peer.eof()
        case "reset":
            ws.peer.reset()
        case _:
            ws.close()
            if conversation.has("own_frames"):
                assert ws.closed(answer=False) == (1000, "")
            ws.peer.eof()


@case(CHAPTER, "native_cancel", timeouts={"close": 0.3}, cuts=False, compare=False)
def foreign_await_ends_when_its_websocket_has_left(conversation: Conversation) -> None:
    """A WebSocket handler in a foreign await is cancelled natively once that has lasted
    `Timeouts.close` since its client left, however it left."""
    helper = conversation.helper()
    for how in GOODBYES:
        leave(conversation, "/left/default", how)
        assert helper.ask("/notes").body == b"disconnected interrupted", how
    conversation.rests(1)
    assert errors(conversation) == []


@case(CHAPTER, "native_cancel", timeouts={"close": 5.0}, cuts=False, compare=False)
def foreign_await_ends_at_once_where_the_route_says_so(conversation: Conversation) -> None:
    """`cancel_on_disconnect=True` cancels a handler as soon as its client has left."""
    helper = conversation.helper()
    peer = conversation.connect()
    peer.get("/left/http")
    assert helper.ask("/notes").body == b"waiting"
    peer.reset()
    assert helper.ask("/notes").body == b"disconnected interrupted"
    for how in GOODBYES:
        leave(conversation, "/left/at-once", how)
        assert helper.ask("/notes").body == b"disconnected interrupted", how
    conversation.rests(1)


@case(CHAPTER, "native_cancel", timeouts={"close": 0.1}, cuts=False, compare=False)
def foreign_await_goes_on_where_the_route_says_so(conversation: Conversation) -> None:
    """`cancel_on_disconnect=False` never cancels: what the handler waits for ends by itself."""
    helper = conversation.helper()
    for how in GOODBYES:
        leave(conversation, "/left/never", how)
        conversation.pause(0.4)
        assert conversation.stage.said == []
        assert helper.ask("/left/open").status == 200
        assert helper.ask("/notes").body == b"None opened", how


@case(CHAPTER, timeouts={"close": 0.4}, cuts=False, compare=False)
def messages_before_a_goodbye_are_saved(conversation: Conversation) -> None:
    """A handler that saves each message in a foreign await loses none that came before its client
    left, although saving all of them takes longer than `Timeouts.close`."""
    helper = conversation.helper()
    for how in ("fin", "close"):
        ws = conversation.websocket("/left/saves")
        assert ws.receive() == "waiting"
        for number in range(6):
            ws.send(str(number))
        if how == "fin":
            ws.peer.eof()
        else:
            ws.close()
        assert helper.ask("/notes").body == b"saved 0 1 2 3 4 5, None", how
