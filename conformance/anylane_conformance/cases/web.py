"""Parts about browsers, hosts and logs, on every form of answer."""

from __future__ import annotations

import json
import re
from typing import Any

from anylane_conformance.cases import case
from anylane_conformance.cases.gate import CHUNKED, FORMS, HANDSHAKE, ask, forms, request
from anylane_conformance.contract.answers import stamped
from anylane_conformance.contract.parts import web
from anylane_conformance.contract.parts.web import PAGE
from anylane_conformance.harness.conversation import Conversation

CHAPTER = "18 parts"

ORIGIN = f"Origin: {PAGE}"
ALLOWED = f"\r\naccess-control-allow-origin: {PAGE}\r\n".encode()
PREFLIGHT = (ORIGIN, "Access-Control-Request-Method: PUT")


def with_header(data: bytes, line: str) -> bytes:
    """Return a request with one more header line, the first behind Host."""
    return data.replace(b"\r\nHost: a\r\n", b"\r\nHost: a\r\n%b\r\n" % line.encode(), 1)


def check_cors(conversation: Conversation) -> None:
    """Send each form of request as a page that is let in, and check what it may read."""
    for form, (data, status) in forms(conversation).items():
        if b"Origin" not in data:
            head = ask(conversation, with_header(data, ORIGIN))
            assert head.startswith(b"HTTP/1.1 %d " % status), form
            assert (ALLOWED in head) is (status != 101), form
            assert (b"\r\nvary: Origin\r\n" in head) is (status != 101), form
    if conversation.has("denials"):
        head = ask(conversation, FORMS["a refused origin"][0])
        assert b"access-control-allow-origin" not in head
    head = ask(conversation, request("/form/value"))
    assert b"access-control-allow-origin" not in head
    assert b"\r\nvary: Origin\r\n" in head


@case(CHAPTER, extra=web.with_cors, cuts=False)
def cors_is_on_every_form_of_answer(conversation: Conversation) -> None:
    """A page that is let in may read an answer of any form, errors too. Every answer depends on
    Origin and says so. A WebSocket handshake has nothing of it."""
    check_cors(conversation)
    head = ask(conversation, request("/vary", ORIGIN))
    assert ALLOWED in head
    assert b"\r\nvary: cookie, Origin\r\n" in head
    assert b"\r\naccess-control-allow-credentials: true\r\n" in head
    assert b"\r\naccess-control-expose-headers: x-status\r\n" in head


@case(
    CHAPTER,
    extra=web.with_cors,
    request_timeout=1.0,
    timeouts={"body": 0.25},
    limits={"body": 100},
    cuts=False,
)
def cors_is_on_answers_to_what_is_late_or_too_large(conversation: Conversation) -> None:
    """The 408 of a body that does not come, the 503 of a handler that takes too long, and the 413
    of a body that grows too large can be read by the page."""
    for data, status in (
        (request("/form/body", ORIGIN, "Content-Length: 9", method="POST"), 408),
        (request("/form/late", ORIGIN), 503),
        (with_header(CHUNKED, ORIGIN) + b"65\r\n" + b"x" * 101 + b"\r\n", 413),
    ):
        peer = conversation.connect()
        peer.send(data)
        conversation.pause(1.25)
        head = peer.until(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 %d " % status)
        assert ALLOWED in head


@case(CHAPTER, extra=web.with_inner_cors)
def preflight_is_answered_without_a_handler(conversation: Conversation) -> None:
    """CORS answers a preflight about a route of its router, and about its own route, and no handler
    runs. About another route it says nothing."""
    peer = conversation.connect()
    for path in ("/inner/a", "/inner/nowhere", "/bare/5", "/own"):
        peer.get(path, *PREFLIGHT, method="OPTIONS")
        answer = peer.answer()
        assert answer.status == 204
        assert answer.headers["access-control-allow-origin"] == PAGE
        assert answer.headers["access-control-allow-methods"] == "PUT"
        assert answer.headers["access-control-allow-headers"] == "x-token"
        assert answer.headers["access-control-max-age"] == "60"
        assert answer.headers["vary"] == (
            "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"
        )
    peer.get("/without", *PREFLIGHT, method="OPTIONS")
    assert "access-control-allow-origin" not in peer.answer().headers
    other = ("Origin: https://evil.example", "Access-Control-Request-Method: PUT")
    peer.get("/own", *other, method="OPTIONS")
    assert peer.answer().status == 403
    assert conversation.stage.said == []
    peer.get("/own", ORIGIN, method="PUT")
    assert peer.answer().headers["access-control-allow-origin"] == PAGE
    assert conversation.stage.said == ["PUT"]


@case(CHAPTER, extra=stamped, config={"cors_origins": (PAGE,)}, cuts=False)
def cors_origins_is_around_every_app(conversation: Conversation) -> None:
    """With the setting `cors_origins` the part CORS is around all that the app has."""
    check_cors(conversation)
    head = ask(conversation, request("/form/value", *PREFLIGHT, method="OPTIONS"))
    assert head.startswith(b"HTTP/1.1 204 ")
    assert ALLOWED in head
    assert b"PUT" in head


@case(CHAPTER, extra=web.with_security_headers, cuts=False, compare=False)
def security_headers_are_on_every_form_of_answer(conversation: Conversation) -> None:
    """Answers of any form tell browsers to be careful, over TLS to use nothing else. A handshake
    has nothing of it."""
    for form, (data, status) in forms(conversation).items():
        head = ask(conversation, data)
        assert head.startswith(b"HTTP/1.1 %d " % status), form
        for line in (
            b"x-content-type-options: nosniff",
            b"x-frame-options: DENY",
            b"x-xss-protection: 0",
            b"content-security-policy: frame-ancestors 'none'",
            b"referrer-policy: strict-origin-when-cross-origin",
            b"cross-origin-opener-policy: same-origin",
            b"cross-origin-resource-policy: same-origin",
        ):
            assert (b"\r\n%b\r\n" % line in head) is (status != 101), (form, line)
        has_hsts = b"\r\nstrict-transport-security: max-age=31536000\r\n" in head
        assert has_hsts is (conversation.tls and status != 101), form


@case(CHAPTER, extra=web.with_a_nonce, compare=False, cuts=False)
def nonce_of_a_policy_is_the_pages(conversation: Conversation) -> None:
    """The nonce in the policy is the one that the handler has, and another one for each request. A
    304 leaves the policy of the page that it is about."""
    peer = conversation.connect()
    seen = set()
    for path in ("/nonce", "/nonce/def", "/nonce"):
        answer = peer.ask(path)
        nonce = answer.body.decode()
        assert re.fullmatch(r"[A-Za-z0-9_-]{22}", nonce)
        assert answer.headers["content-security-policy"] == f"script-src 'nonce-{nonce}'"
        seen.add(nonce)
    assert len(seen) == 3
    assert "content-security-policy" not in peer.ask("/nonce/same").headers


@case(
    CHAPTER,
    extra=web.with_security_headers,
    config={"proxy_headers": True, "forwarded_allow_ips": ("*",)},
)
def hsts_is_sent_behind_a_proxy_that_ends_tls(conversation: Conversation) -> None:
    """What a believed proxy says about the scheme decides about Strict-Transport-Security."""
    peer = conversation.connect()
    answer = peer.ask("/form/value", "X-Forwarded-Proto: https")
    assert answer.headers["strict-transport-security"] == "max-age=31536000"
    answer = peer.ask("/form/value", "X-Forwarded-Proto: http")
    assert "strict-transport-security" not in answer.headers


@case(CHAPTER, "denials", extra=web.with_hosts)
def untrusted_host_is_a_400(conversation: Conversation) -> None:
    """A request that names a host that is not listed gets 400, whether there is a route or not, and
    so does a WebSocket handshake."""
    for lines, status in (
        (b"GET /form/value HTTP/1.1\r\nHost: b.Example.com.:81\r\n\r\n", 200),
        (b"GET /form/value HTTP/1.1\r\nHost: example.com\r\n\r\n", 400),
        (b"GET /nowhere HTTP/1.1\r\nHost: evil.net\r\n\r\n", 400),
        (b"GET /form/value HTTP/1.0\r\n\r\n", 400),
        (request("/form/socket", *HANDSHAKE).replace(b"Host: a", b"Host: evil"), 400),
        (request("/form/socket", *HANDSHAKE), 101),
    ):
        assert int(ask(conversation, lines).split()[1]) == status, lines


@case(
    CHAPTER,
    "denials",
    extra=web.with_redirect,
    config={"proxy_headers": True, "forwarded_allow_ips": ("*",)},
)
def plain_http_is_sent_to_https(conversation: Conversation) -> None:
    """A request over plain HTTP is redirected with its path and query as they are. One whose proxy
    says https is answered. A WebSocket handshake is refused."""
    plain = "X-Forwarded-Proto: http"
    head = ask(conversation, request("/a%2Fb//c?x=%20&y=a+b", plain))
    assert head.startswith(b"HTTP/1.1 308 ")
    assert b"\r\nlocation: https://a/a%2Fb//c?x=%20&y=a+b\r\n" in head
    assert ask(conversation, request("/form/value", "X-Forwarded-Proto: https")).startswith(
        b"HTTP/1.1 200 "
    )
    assert ask(conversation, request("/plain", plain)).startswith(b"HTTP/1.1 200 ")
    head = ask(conversation, request("/form/socket", *HANDSHAKE, plain))
    assert head.startswith(b"HTTP/1.1 403 ")


# --- ids and logs -------------------------------------------------------------------------------


def wait_for(conversation: Conversation, count: int, start: str = "") -> list[str]:
    """Return the notes that begin so, once there are so many of them."""
    found: list[str] = []
    for _ in range(200):
        found = [each for each in conversation.stage.said if each.startswith(start)]
        if len(found) >= count:
            return found
        conversation.pause(0.05)
    raise AssertionError(f"{len(found)} notes, expected {count}: {found}")


def errors_of(conversation: Conversation, count: int) -> list[str]:
    """Return the messages of the errors in the log, once there are so many of them."""
    found: list[str] = []
    for _ in range(200):
        found = [message for level, message in conversation.log if level == "error"]
        if len(found) >= count:
            break
        conversation.pause(0.05)
    return found


@case(CHAPTER, extra=web.with_ids, cuts=False)
def request_id_is_on_every_form_of_answer(conversation: Conversation) -> None:
    """An answer of any form has the id of its request, and so has what is logged about it."""
    for number, (form, (data, status)) in enumerate(forms(conversation).items()):
        head = ask(conversation, with_header(data, f"X-Request-Id: id-{number}-"))
        assert head.startswith(b"HTTP/1.1 %d " % status), form
        assert b"\r\nx-request-id: id-%d-\r\n" % number in head, form
    failed = {
        f"[request id-{n}-]"
        for n, (_, status) in enumerate(forms(conversation).values())
        if status == 500
    }
    found = errors_of(conversation, len(failed))
    assert {re.findall(r"\[request [^]]*\]", each)[0] for each in found} == failed


@case(CHAPTER, "handshake_headers", extra=web.with_ids, cuts=False)
def request_id_is_seen_wherever_its_handler_runs(conversation: Conversation) -> None:
    """The id is known in coroutines, in threads, in background work and in WebSockets, and the
    lines about what fails there have it."""
    peer = conversation.connect()
    assert peer.ask("/ids/async", "X-Request-Id: one").body == b"one"
    wait_for(conversation, 4)
    assert conversation.stage.said == [
        "async one", "run_sync one", "background one", "background def one"
    ]  # fmt: skip
    conversation.stage.said.clear()
    assert peer.ask("/ids/def", "X-Request-Id: two").status == 500
    assert conversation.stage.said == ["def two", "def again two"]
    conversation.stage.said.clear()
    socket = conversation.websocket("/ids/socket", "X-Request-Id: three")
    for text in ("a", "b"):
        socket.send(text)
        assert socket.receive() == text
    assert conversation.stage.said == ["socket three"] * 2
    first, second = errors_of(conversation, 2)
    assert first.endswith(" [request one]")
    assert second.endswith(" [request two]")
    socket.close()
    socket.closed(answer=False)


@case(CHAPTER, extra=web.with_ids_below)
def request_id_stays_with_its_request(conversation: Conversation) -> None:
    """The next request of the same connection does not see the id of the one before it."""
    peer = conversation.connect()
    for path in ("/without", "/without/def"):
        assert peer.ask("/with/id", "X-Request-Id: one").body == b"one"
        assert peer.ask(path, "X-Request-Id: two").body == b"None"


@case(CHAPTER, extra=web.with_ids, compare=False, cuts=False)
def request_id_is_random_if_none_can_be_taken(conversation: Conversation) -> None:
    """Where the client sends no id, or one that could end a field of a log, it gets a new one."""
    peer = conversation.connect()
    seen = set()
    for line in (
        "X-Other: 1",
        'X-Request-Id: a"b',
        "X-Request-Id: a b",
        f"X-Request-Id: {'x' * 200}",
    ):
        made = peer.ask("/form/value", line).headers["x-request-id"]
        assert re.fullmatch(r"[0-9a-f]{32}", made)
        seen.add(made)
    assert len(seen) == 4


def record_of(conversation: Conversation, data: bytes) -> dict[str, Any]:
    """Send a request, and return the line about its exchange."""
    conversation.stage.said.clear()
    peer = conversation.connect()
    peer.send(data)
    peer.until(b"\r\n\r\n")
    (line,) = wait_for(conversation, 1, "{")
    record: dict[str, Any] = json.loads(line)
    return record


SIZES = {
    "a value": 5,
    "the value of a def": 3,
    "nothing": 0,
    "a Response": 8,
    "an iterator": 4,
    "ctx.send": 4,
    "ctx.stream": 5,
    "ctx.event_stream": 13,
    "404": 14,
    "405": 23,
}
"""Bytes of the body of some forms of answer."""


@case(CHAPTER, extra=web.with_access_log, cuts=False)
def access_log_has_a_line_for_every_form_of_answer(conversation: Conversation) -> None:
    """There is one line about an exchange once it is over, with the status and the bytes that its
    answer really had."""
    for number, (form, (data, status)) in enumerate(forms(conversation).items()):
        record = record_of(conversation, with_header(data, f"X-Request-Id: id-{number}"))
        assert record["status"] == status, form
        assert record["request_id"] == f"id-{number}", form
        assert record["bytes"] == SIZES.get(form, record["bytes"]), form
        assert record["duration_ms"] >= 0, form
        assert record["method"].encode() == data.split(b" ")[0], form
        assert record["target"].encode() == data.split(b" ")[1], form
        expected = None if form in ("404", "405", "OPTIONS", "426") else record["target"]
        assert record["route"] == expected, form
    assert [level for level, _ in conversation.log if level == "info"] == []


@case(
    CHAPTER,
    extra=web.with_access_log,
    request_timeout=0.5,
    timeouts={"body": 0.25},
    cuts=False,
)
def access_log_has_a_line_for_what_is_late(conversation: Conversation) -> None:
    """The line about a 408 or a 503 has how long that took."""
    for data, status, least in (
        (request("/form/body", "X-Request-Id: a", "Content-Length: 9", method="POST"), 408, 200),
        (request("/form/late", "X-Request-Id: b"), 503, 400),
    ):
        conversation.stage.said.clear()
        peer = conversation.connect()
        peer.send(data)
        conversation.pause(0.75)
        peer.until(b"\r\n\r\n")
        (line,) = wait_for(conversation, 1, "{")
        record = json.loads(line)
        assert record["status"] == status
        assert record["duration_ms"] >= least


@case(CHAPTER, extra=web.with_access_log, cuts=False, compare=False)
def access_log_says_how_a_session_ended(conversation: Conversation) -> None:
    """The line about a WebSocket has its close code and how long it was open. The one about a
    client that leaves in the middle of an event stream says so."""
    socket = conversation.websocket("/session")
    socket.send("hello")
    assert socket.receive() == "hello"
    conversation.pause(0.2)
    assert conversation.stage.said == []
    socket.close(1001)
    (line,) = wait_for(conversation, 1, "{")
    record = json.loads(line)
    assert record["status"] == 101
    if conversation.has("own_frames"):
        assert record["close_code"] == 1001
    assert record["bytes"] == (7 if conversation.has("own_frames") else 5)
    assert record["duration_ms"] >= 150
    conversation.stage.said.clear()
    peer = conversation.connect()
    peer.get("/flow")
    peer.until(b"data: 2\n\n")
    peer.reset()
    (line,) = wait_for(conversation, 1, "{")
    record = json.loads(line)
    assert (record["status"], record["disconnected"]) == (200, True)
    assert record["bytes"] >= 27


@case(CHAPTER, extra=web.with_timing, cuts=False, compare=False)
def server_timing_is_measured_in_handlers_of_both_kinds(conversation: Conversation) -> None:
    """`async def` and `def` handlers can measure, on the core's clock."""
    peer = conversation.connect()
    for path in ("/timing", "/timing/def"):
        line = peer.ask(path).headers["server-timing"]
        found = re.fullmatch(r"wait;dur=([0-9.]+), total;dur=([0-9.]+)", line)
        assert found is not None, line
        wait, total = map(float, found.groups())
        assert 90 <= wait <= total <= 10_000
    assert re.fullmatch(r"total;dur=[0-9.]+", peer.ask("/nowhere").headers["server-timing"])
