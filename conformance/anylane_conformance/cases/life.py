"""What belongs to an app: its state, the apps that are mounted in it, its jobs."""

from __future__ import annotations

from anylane_conformance.cases import case
from anylane_conformance.contract.life import jobs, mounts, state
from anylane_conformance.harness.conversation import Conversation

CHAPTER = "12 framework"


@case(CHAPTER, "own_connections", extra=state.of_state)
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


# --- mounted apps --------------------------------------------------------------------------------

BEFORE = ["in-outer", "request-outer", "in-inner", "request-inner"]
AFTER = ["out-inner", "out-outer", "response-inner", "response-outer"]


@case(CHAPTER, extra=mounts.mounted)
def mounted_app_runs_inside_of_the_hooks_around_it(conversation: Conversation) -> None:
    """All hooks of a mounted app run inside of those of the app around it, whatever their orders;
    each hook finds its own app in ctx.app. Answers pass the inner hooks first."""
    assert conversation.stage.life[-2:] == ["inner in", "inmost in"]
    peer = conversation.connect()
    answer = peer.ask("/inner/")
    assert answer.body == b"inner True /inner/ /beside"
    assert answer.headers["x-order"].split() == [*BEFORE, "handler", *AFTER]
    answer = peer.ask("/inner/inmost/")
    assert answer.body == b"inmost True /inner/inmost/ /beside"
    assert answer.headers["x-order"].split() == [
        *BEFORE, "in-inmost", "request-inmost", "handler", "out-inmost", *AFTER[:2],
        "response-inmost", *AFTER[2:],
    ]  # fmt: skip
    answer = peer.ask("/inner/stream")
    assert answer.body == b"inner /inner/\n" * 2
    assert answer.headers["x-order"].split() == [*BEFORE, *AFTER]
    answer = peer.ask("/inner/sent")
    assert answer.headers["x-order"].split() == [*BEFORE, *AFTER[2:]]
    notes = conversation.helper()
    assert notes.ask("/notes").body == b"background inner inner"
    answer = peer.ask("/beside")
    assert answer.body == b"/inner/ /inner/inmost/ /files/a%20b/c"
    assert answer.headers["x-order"] == "in-outer request-outer out-outer response-outer"
    ws = conversation.websocket("/inner/ws")
    assert ws.receive() == " ".join(["inner", *BEFORE, *AFTER[2:]])
    assert ws.closed() == (1000, "")


@case(CHAPTER, extra=mounts.mounted)
def mounted_app_deals_with_its_own_failures_first(conversation: Conversation) -> None:
    """The exception handlers of a mounted app are asked first, then those of the app around it,
    which run in their own app. `errors=` and json_default of a mounted app are its own."""
    peer = conversation.connect()
    assert peer.ask("/inner/fail/tea").body == b"by the inner app"
    assert peer.ask("/inner/inmost/fail/tea").body == b"by the inner app"
    answer = peer.ask("/inner/fail/coffee")
    assert (answer.status, answer.body) == (418, b"coffee for outer")
    assert answer.headers["x-order"].split() == [*BEFORE, *AFTER]
    answer = peer.ask("/inner/fail/http")
    assert (answer.status, answer.headers["content-type"]) == (409, "application/problem+json")
    assert peer.ask("/inner/odd").body == b'{"odd":"(1+2j)"}'
    assert peer.ask("/inner/inmost/odd").body == b'{"odd":"(1+2j)"}'
    answer = peer.ask("/inner/fail/bug")
    assert answer.status == 500
    assert answer.headers["x-order"].split() == [*BEFORE, *AFTER[2:]]
    (line,) = [message for level, message in conversation.log if level == "error"]
    assert "fail" in line
    assert "ZeroDivisionError" in line


@case(CHAPTER, extra=mounts.mounted)
def what_lies_below_a_mount_is_its_own(conversation: Conversation) -> None:
    """404, 405 and OPTIONS below the prefix of a mounted app run its hooks and are written as it
    says; beside it they do not."""
    peer = conversation.connect()
    answer = peer.ask("/inner/nowhere")
    assert (answer.status, answer.headers["content-type"]) == (404, "application/problem+json")
    assert answer.headers["x-order"].split() == [*BEFORE, *AFTER]
    peer.get("/inner/", method="DELETE")
    answer = peer.answer()
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    assert answer.headers["x-order"].split() == [*BEFORE, *AFTER]
    peer.get("/inner/inmost/", method="OPTIONS")
    answer = peer.answer()
    assert (answer.status, answer.headers["allow"]) == (204, "GET, HEAD, OPTIONS")
    assert "in-inmost" in answer.headers["x-order"]
    for path in ("/innermost", "/nowhere"):
        answer = peer.ask(path)
        assert (answer.status, answer.headers["content-type"]) == (404, "text/plain; charset=utf-8")
        assert answer.headers["x-order"] == "in-outer request-outer out-outer response-outer"


@case(CHAPTER, extra=mounts.mounted)
def mountable_serves_all_below_its_prefix(conversation: Conversation) -> None:
    """An object with `handle` and `methods` is asked for the prefix and for all paths below it,
    which it is given decoded; other methods are 405."""
    peer = conversation.connect()
    for target, path in (
        ("/files", b"''"),
        ("/files/", b"''"),
        ("/files/a/b.txt", b"'a/b.txt'"),
        ("/files/a%20b//c", b"'a b//c'"),
    ):
        assert peer.ask(target).body == b"GET " + path
    peer.get("/files/a", method="HEAD")
    assert peer.answer(to_head=True).status == 200
    peer.get("/files/a", method="POST")
    answer = peer.answer()
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD, OPTIONS, PUT")


@case(CHAPTER, extra=mounts.mounted, cuts=False)
def mounted_apps_are_left_in_reverse(conversation: Conversation) -> None:
    """The lifespans of mounted apps are entered in line with those of the app around them, in the
    order in which they are mounted, and left in reverse."""
    assert conversation.connect().ask("/inner/inmost/").status == 200
    conversation.stop()
    assert conversation.stage.said[-2:] == ["inmost out", "inner out"]


# --- periodic jobs -------------------------------------------------------------------------------


@case(CHAPTER, extra=jobs.of_every_kind)
def jobs_have_their_turns(conversation: Conversation) -> None:
    """A job runs again and again, `async def` or `def`, with a context of its own each time, and
    sees the state of its app. A failure is logged, and the next turn comes."""
    peer = conversation.connect()
    assert peer.ask("/turns/3").body == b"/inner/there async def failure waiting"
    errors = [message for level, message in conversation.log if level == "error"]
    assert len(errors) >= 3
    for line, name in zip(errors, ("ValueError", "SystemExit", "ValueError"), strict=False):
        assert "the job " in line
        assert "of_failure" in line
        assert name in line


@case(CHAPTER, extra=jobs.of_long_turns, cuts=False)
def job_never_overlaps_itself(conversation: Conversation) -> None:
    """Turns of a job that would begin while it still runs are left out, and not made up for."""
    assert conversation.connect().ask("/long-turns").body == b"True"


@case(CHAPTER, extra=jobs.of_the_end, cuts=False, timeouts={"drain": 0.5})
def drain_waits_for_a_job_and_then_interrupts_it(conversation: Conversation) -> None:
    """A drain begins no more turns. It waits for those that run, up to `Timeouts.drain`, and then
    interrupts them."""
    notes = conversation.helper()
    assert notes.ask("/notes").body == b"short begins"
    conversation.drain()
    conversation.pause(0.7)
    conversation.stop()
    assert conversation.stage.said == ["short ends", "endless shutdown"]
    assert any("endless" in line and "cut off" in line for _, line in conversation.log)


@case(CHAPTER, "native_cancel", extra=jobs.of_an_event_loop, cuts=False)
def job_may_use_the_library_of_its_loop(conversation: Conversation) -> None:
    """An `async def` job runs in a task of the lane's own loop."""
    assert conversation.helper().ask("/notes").body == b"native"


@case(CHAPTER, extra=jobs.of_rare_turns, cuts=False)
def jobs_do_not_keep_a_server(conversation: Conversation) -> None:
    """The first turn of a job comes one interval after the start; a server that is told to shut
    down does not wait for it."""
    assert conversation.connect().ask("/").status == 200
    conversation.stop()
    assert conversation.stage.said == []
