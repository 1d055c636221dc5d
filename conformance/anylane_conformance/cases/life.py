"""What belongs to an app: its state, the apps that are mounted in it, its jobs."""

from __future__ import annotations

from anylane_conformance.cases import case
from anylane_conformance.contract.life import state
from anylane_conformance.harness.conversation import Conversation

CHAPTER = "12 framework"


@case(CHAPTER, extra=state.of_state)
def state_of_the_server_is_seen_by_all_that_runs_in_it(conversation: Conversation) -> None:
    """What a lifespan and a startup hook set on app.state is seen by the hooks of connections and
    requests, by handlers of both kinds, iterators, pool threads and background work."""
    notes = conversation.helper()
    peer = conversation.connect()
    answer = peer.ask("/state/async")
    assert answer.body == b"lifespan, startup, connected True"
    assert answer.headers["x-around"] == "True"
    assert peer.ask("/state/def").body == b"lifespan, startup"
    assert peer.ask("/state/items").body == b"lifespan lifespan\nstartup lifespan\n"
    assert peer.ask("/state/run-sync").body == b"lifespan"
    assert peer.ask("/state/background").body == b"answered"
    assert notes.ask("/notes").body == b"background lifespan"
    ws = conversation.websocket("/state/ws")
    ws.send("hi")
    assert ws.receive() == "'hi' lifespan"
    peer.leave()
    assert notes.ask("/notes").body == b"disconnect lifespan"


@case(CHAPTER, extra=state.of_state)
def state_says_what_is_missing(conversation: Conversation) -> None:
    """An attribute that was not set is an AttributeError that says what is there; the state of an
    app that the server does not serve is a UsageError that says what to do."""
    peer = conversation.connect()
    missing = peer.ask("/state/missing").body
    assert (
        b"app.state has no 'database'; it has: around, connected, visits. Set it in a lifespan"
        in missing
    )
    assert b"does not serve" in peer.ask("/state/other").body


@case(CHAPTER, extra=state.of_state, cuts=False)
def state_is_there_until_the_end(conversation: Conversation) -> None:
    """The second half of a lifespan still sees the state."""
    assert conversation.connect().ask("/state/run-sync").body == b"lifespan"
    conversation.stop()
    assert "left with lifespan" in conversation.stage.said
