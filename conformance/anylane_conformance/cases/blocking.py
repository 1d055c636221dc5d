"""`def` handlers."""

from __future__ import annotations

from anylane_conformance.cases import case
from anylane_conformance.harness.conversation import Conversation

CHAPTER = "7 def handlers"


@case(CHAPTER)
def def_handler(conversation: Conversation) -> None:
    """A plain function returns JSON as a coroutine function does, inline too."""
    peer = conversation.connect()
    assert peer.ask("/def/7").body == b'{"n":7}'
    assert peer.ask("/inline").body == b"inline"
    peer.post("/def", b'{"read": "in advance"}')
    assert peer.answer().body == b'{"read":"in advance"}'


@case(CHAPTER, cuts=False)
def blocking_for_a_while(conversation: Conversation) -> None:
    """A function that blocks for 0.3 s is answered when it is done."""
    peer = conversation.connect()
    assert peer.ask("/nap").body == b"rested"


@case(CHAPTER, "parallel_blocking", cuts=False)
def blocking_disturbs_nobody(conversation: Conversation) -> None:
    """While one handler blocks its thread, fifty other requests are answered."""
    blocked, others = conversation.connect(), [conversation.connect() for _ in range(5)]
    blocked.get("/block")
    for _ in range(10):
        for peer in others:
            assert peer.ask("/").status == 200
    assert blocked.nothing_yet()
    assert others[0].ask("/unblock").status == 200
    assert blocked.answer().body == b"unblocked"


@case(CHAPTER)
def call_from_a_def_handler(conversation: Conversation) -> None:
    """ctx.call awaits for a function, and gives it results and exceptions."""
    peer = conversation.connect()
    assert peer.ask("/call").body == b"called 42"
    assert peer.ask("/call-fails").body == b"caught 'inside'"
    assert peer.ask("/run-sync").body == b"(3, 2)"


@case(CHAPTER)
def call_from_a_def_generator(conversation: Conversation) -> None:
    """ctx.call works in each step of a sync iterator, of any handler, and as it is closed
    early."""
    peer = conversation.connect()
    assert peer.ask("/generator/call").body == b"one\ntwo\n(3, 2)\n"
    assert conversation.helper().ask("/notes").body == b"cleaned up"
    assert peer.ask("/generator/of-async").body == b"one\ntwo\n"


@case(CHAPTER)
def a_def_generator_cleans_up_where_it_is_not_sent(conversation: Conversation) -> None:
    """The `finally` of a sync iterator that is closed early may use ctx.call, as its steps may."""
    peer = conversation.connect()
    peer.send(b"HEAD /generator/call HTTP/1.1\r\nHost: a\r\n\r\n")
    assert peer.answer(to_head=True).status == 200
    assert conversation.helper().ask("/notes").body == b"cleaned up"


@case(CHAPTER)
def context_variables_of_a_def_handler(conversation: Conversation) -> None:
    """What a function sets in context variables is seen by what ctx.call awaits, the other way
    round, and by the hooks behind it."""
    peer = conversation.connect()
    said = peer.ask("/variables").headers["x-said"]
    assert said == "by a def"
    answer = peer.ask("/variables/call")
    assert answer.body == b'["before","first","first","second"]'
    assert answer.headers["x-said"] == "second"
    answer = peer.ask("/variables/reset")
    assert (answer.body, answer.headers["x-said"]) == (b"nothing", "nothing")
    assert peer.ask("/variables/fails").headers["x-said"] == "before it failed"
    assert peer.ask("/variables/run-sync").body == b"nothing"


@case(CHAPTER)
def context_variables_of_a_def_generator(conversation: Conversation) -> None:
    """All steps of a sync iterator run in one context, which is its handler's."""
    peer = conversation.connect()
    answer = peer.ask("/variables/generator")
    assert answer.body == (b"by the generator\nby the generator\nby the handler\nnothing\n")
    assert peer.ask("/variables/of-async").body == b"by the generator\nby the coroutine\n"


@case(CHAPTER, "parallel_blocking", cuts=False)
def disconnect_is_seen_while_blocking(conversation: Conversation) -> None:
    """A function that blocks can see `ctx.disconnected` turn true meanwhile."""
    helper = conversation.helper()
    peer = conversation.connect()
    peer.get("/watch")
    assert helper.ask("/notes").body == b"watching"
    peer.reset()
    assert helper.ask("/notes").body == b"disconnected: True"


@case(CHAPTER, "parallel_blocking", "concurrent_input", cuts=False)
def ping_is_answered_while_a_function_blocks(conversation: Conversation) -> None:
    """A ping is answered while a WebSocket handler waits for a function in the pool."""
    ws = conversation.websocket("/blocked")
    ws.ping(b"during")
    assert ws.pong() == b"during"
    assert conversation.helper().ask("/unblock").status == 200
    assert ws.receive() == "unblocked: True"
    assert ws.closed() == (1000, "")
