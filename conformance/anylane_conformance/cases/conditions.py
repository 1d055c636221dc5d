"""Conditional requests: ctx.check_preconditions before a handler acts, ETags on its answer."""

from __future__ import annotations

from anylane_conformance.cases import case
from anylane_conformance.contract.parts import compressed
from anylane_conformance.contract.parts.compressed import LAST_MODIFIED, TEXT
from anylane_conformance.harness.conversation import Conversation
from anylane_conformance.harness.peer import Answer, Peer

CHAPTER = "18 parts"

EARLIER = "Sun, 06 Nov 1994 08:49:36 GMT"


def ask(peer: Peer, method: str, path: str, *headers: str) -> Answer:
    """Send a request without a body and return its answer."""
    peer.get(path, *headers, method=method)
    return peer.answer(to_head=method == "HEAD")


def own(answer: Answer) -> dict[str, str]:
    """Return the headers but for those that a server adds by itself."""
    return {name: each for name, each in answer.headers.items() if name not in ("date", "server")}


@case(CHAPTER, extra=compressed.build_conditions, cuts=False)
def nothing_has_run_before_a_412(conversation: Conversation) -> None:
    """ctx.check_preconditions answers 412 before the handler changes anything, in an async def and
    in a def: where If-Match fails by the strong comparison, where If-None-Match names what is
    there, and 428 where a condition is required and there is none (RFC 9110 §13.2.2, RFC 6585)."""
    peer, said = conversation.connect(), conversation.stage.said
    for method, path, conditions, status in (
        ("PUT", "one", ['If-Match: "v2"'], 412),
        ("PUT", "one", ['If-Match: W/"v1"'], 412),
        ("PUT", "one", ["If-Match: v1"], 412),
        ("PUT", "one", ['If-None-Match: "v1"'], 412),
        ("PUT", "one", ["If-None-Match: *"], 412),
        ("PUT", "one", ['If-Match: "v1"', 'If-None-Match: W/"v1"'], 412),
        ("PUT", "one", [], 428),
        ("PUT", "one", ["If-Unmodified-Since: never"], 428),
        ("PUT", "two", ["If-Match: *"], 412),
        ("PUT", "two", ['If-Match: "v1"'], 412),
        ("PUT", "two", [], 428),
        ("DELETE", "one", ['If-Match: "v2"'], 412),
        ("DELETE", "two", ["If-Match: *"], 412),
    ):
        answer = ask(peer, method, f"/notes/{path}", *conditions)
        assert (answer.status, said) == (status, []), (method, path, conditions)
    assert ask(peer, "PUT", "/notes/one", 'If-Match: "v0", "v1"').body == b"v2"
    assert ask(peer, "PUT", "/notes/one", 'If-Match: "v0"', 'If-Match: "v2"').body == b"v3"
    assert ask(peer, "PUT", "/notes/two", "If-None-Match: *").body == b"v1"
    assert ask(peer, "DELETE", "/notes/two", "If-Match: *").status == 204
    assert ask(peer, "DELETE", "/notes/one").status == 204
    assert said == ["put one", "put one", "put two", "deleted two", "deleted one"]


@case(CHAPTER, extra=compressed.build_conditions)
def a_304_of_the_handler_has_no_body_and_the_fields_of_the_200(conversation: Conversation) -> None:
    """ctx.check_preconditions answers a GET or HEAD with 304 where If-None-Match or, without it,
    If-Modified-Since says that the client has it. The 304 has tag, date, Cache-Control and Vary,
    and nothing else that was set; the connection goes on (RFC 9110 §15.4.5)."""
    peer, said = conversation.connect(), conversation.stage.said
    for method in ("GET", "HEAD"):
        for conditions in (
            ['If-None-Match: "v0", W/"v1"'],
            ["If-None-Match: *"],
            [f"If-Modified-Since: {LAST_MODIFIED}"],
            ['If-None-Match: "v1"', f"If-Modified-Since: {EARLIER}"],
        ):
            answer = ask(peer, method, "/notes/one", *conditions)
            assert (answer.status, said) == (304, [])
            assert own(answer) == {
                "etag": '"v1"',
                "last-modified": LAST_MODIFIED,
                "cache-control": "no-cache",
                "vary": "cookie",
            }
        for conditions in (
            ['If-None-Match: "v2"'],
            [f"If-Modified-Since: {EARLIER}"],
            ["If-Modified-Since: 0"],
            ['If-None-Match: "v2"', f"If-Modified-Since: {LAST_MODIFIED}"],
        ):
            assert ask(peer, method, "/notes/one", *conditions).status == 200
            assert said.pop() == "got one"


@case(CHAPTER, extra=compressed.build_conditions, cuts=False)
def whole_answers_are_tagged_and_not_sent_twice(conversation: Conversation) -> None:
    """ETags gives a 200 to GET and HEAD a tag that stays as long as its body, and answers 304 to
    a client that names it. What is about the body is not in the 304; cookies are."""
    peer = conversation.connect()
    tag = ask(peer, "GET", "/tagged/text").headers["etag"]
    assert ask(peer, "HEAD", "/tagged/text").headers["etag"] == tag
    assert tag[0] == tag[-1] == '"'
    for method in ("GET", "HEAD"):
        for given in (tag, f"W/{tag}", f'"other", {tag}', "*"):
            answer = ask(peer, method, "/tagged/text", f"If-None-Match: {given}")
            assert answer.status == 304
            assert own(answer) == {
                "etag": tag,
                "cache-control": "no-cache",
                "set-cookie": answer.headers["set-cookie"],
            }
    answer = ask(peer, "GET", "/tagged/text", 'If-None-Match: "other"')
    assert (answer.status, answer.body) == (200, TEXT.encode())


@case(CHAPTER, extra=compressed.build_conditions, cuts=False)
def tags_of_the_handler_stay_and_other_answers_have_none(conversation: Conversation) -> None:
    """A tag and a date that the handler has set are what the client's are held against. Streams,
    other methods and statuses, and what must not be stored get no tag, and never a 304 or 412."""
    peer = conversation.connect()
    own = "/tagged/own/%22mine%22"
    for conditions, status in (
        ([], 200),
        (['If-None-Match: "mine"'], 304),
        ([f"If-Modified-Since: {LAST_MODIFIED}"], 304),
        ([f"If-Modified-Since: {EARLIER}"], 200),
        (['If-None-Match: "other"', f"If-Modified-Since: {LAST_MODIFIED}"], 200),
        (['If-Match: "other"'], 200),
        ([f"If-Unmodified-Since: {EARLIER}"], 200),
    ):
        answer = ask(peer, "GET", own, *conditions)
        assert (answer.status, answer.headers["etag"]) == (status, '"mine"'), conditions
    broken = ask(peer, "GET", "/tagged/own/broken", 'If-None-Match: "broken"')
    assert (broken.status, broken.headers["etag"]) == (200, "broken")
    for method, path, status in (
        ("GET", "pieces", 200),
        ("GET", "stream", 200),
        ("GET", "secret", 200),
        ("POST", "text", 200),
        ("GET", "status/201", 201),
        ("GET", "status/206", 206),
        ("GET", "status/404", 404),
    ):
        conditions = ["If-None-Match: *"] if path != "secret" else []
        answer = ask(peer, method, f"/tagged/{path}", *conditions)
        assert (answer.status, "etag" in answer.headers) == (status, False), path
