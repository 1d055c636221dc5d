"""Faults of the core, each planted in one place.

All lanes would have them alike, so no comparison of lanes can show them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from anylane import Context, HTTPError, Response
from anylane.handling import error_responses, run_exchange
from anylane.http import response
from anylane.protocol.http1 import encoding, machine, payload
from anylane.protocol.http1.writer import Framing, ResponseWriter
from anylane.protocol.timers import Timer, Timers
from anylane.protocol.websocket.frame_writer import FrameWriter
from anylane.protocol.websocket.session import WebSocketProtocol
from anylane.realtime import event_stream

Plant = Callable[[pytest.MonkeyPatch], None]


def around(owner: Any, name: str, change: Callable[..., Any]) -> Plant:
    """Plant what is called with the original and its arguments instead of it."""

    def plant(patch: pytest.MonkeyPatch) -> None:
        real = getattr(owner, name)
        patch.setattr(owner, name, lambda *args, **options: change(real, *args, **options))
        # What was put together without the fault, and with it, is not to be used by the other.
        patch.setattr(encoding, "_beginnings", {})

    return plant


def instead(owner: Any, name: str, value: object) -> Plant:
    """Plant another value."""
    return lambda patch: patch.setattr(owner, name, value)


def later(late: Timer, seconds: float = 0.2) -> Plant:
    """Plant a timer that is set later than it should be."""

    def change(real: Any, self: Timers, timer: Timer, deadline: float) -> None:
        real(self, timer, deadline + seconds * (timer is late))

    return around(Timers, "set", change)


def twice(real: Any, *args: Any) -> None:
    real(*args)
    real(*args)


def padded(real: Any, self: ResponseWriter, data: bytes) -> tuple[bytes, ...]:
    chunks: tuple[bytes, ...] = real(self, data)
    if self.framing is Framing.CHUNKED and chunks:
        return (b"0" + chunks[0], *chunks[1:])
    return chunks


def without(line: bytes) -> Callable[..., bytes]:
    def change(real: Any, *args: Any) -> bytes:
        lines: list[bytes] = real(*args).split(b"\r\n")
        return b"\r\n".join(each for each in lines if not each.startswith(line))

    return change


def persistent(real: Any, *args: Any) -> bytes:
    head: bytes = real(*args)
    kept = b"" if b"\r\nconnection:" in head else b"connection: keep-alive\r\n"
    return head[:-2] + kept + b"\r\n"


def lower_case(real: Any, *args: Any) -> Response:
    found: Response = real(*args)
    return found.set_body((found.body or b"").lower(), "text/plain; charset=utf-8")


def telling(real: Any, ctx: Context, error: HTTPError) -> Response:
    found: Response = real(ctx, error)
    return found.set_text(f"{ctx.request.path} failed")


def reordered(real: Any, *args: Any, **options: Any) -> str:
    crumb, *attributes = real(*args, **options).split("; ")
    return "; ".join((crumb, *reversed(attributes)))


FAULTS: Mapping[str, tuple[Plant, str]] = {
    "a reason phrase is wrong": (
        around(encoding, "status_line", lambda real, status: real(status).replace(b"Not", b"No")),
        "not_found_and_not_allowed",
    ),
    "HTTP/1.1 is told keep-alive": (
        around(ResponseWriter, "head", persistent),
        "iterators_are_streamed",
    ),
    "chunk sizes have a leading zero": (
        around(ResponseWriter, "data", padded),
        "iterators_are_streamed",
    ),
    "streams have no date": (
        around(ResponseWriter, "head", without(b"date:")),
        "iterators_are_streamed",
    ),
    "errors are told in lower case": (
        around(error_responses, "problem", lower_case),
        "routed_parameter",
    ),
    "a 500 says what failed": (
        around(run_exchange, "problem", telling),
        "failing_handler_disturbs_nobody",
    ),
    "the 101 has a header too many": (
        around(machine, "accept_headers", lambda real, *args: [*real(*args), ("server", "x")]),
        "close_that_nobody_answers",
    ),
    "attributes of cookies are in another order": (
        around(response, "cookie_line", reordered),
        "cookies",
    ),
    "100 Continue is sent twice": (
        instead(payload, "_CONTINUE", 2 * b"HTTP/1.1 100 Continue\r\n\r\n"),
        "continue_only_when_the_body_is_read",
    ),
    "a ping is answered twice": (
        around(WebSocketProtocol, "_pong", twice),
        "ping_is_answered_while_the_handler_waits",
    ),
    "a close frame of ours has no reason": (
        around(FrameWriter, "close", lambda real, self, code, reason: real(self, code, "")),
        "bad_utf8_is_refused_at_its_first_byte",
    ),
    "event streams may be buffered by proxies": (
        instead(event_stream, "_HEADERS", event_stream._HEADERS[:-1]),
        "the_head_is_sent_on_entering",
    ),
    "heads may take longer": (later(Timer.HEAD), "header_drip_is_cut_off"),
    "bodies may pause longer": (later(Timer.BODY), "slow_body_is_cut_off"),
    "idle connections live longer": (later(Timer.KEEP_ALIVE), "idle_connection_is_closed"),
    "pings come later": (later(Timer.PING), "pings_and_their_pongs"),
    "pongs may take longer": (later(Timer.PONG), "pings_and_their_pongs"),
    "close handshakes may take longer": (later(Timer.CLOSE), "close_that_nobody_answers"),
    "lingering takes longer": (later(Timer.LINGER), "lingering_has_a_deadline"),
    "stalled readers are kept longer": (later(Timer.WRITE_STALL), "stalled_reader_is_cut_off"),
}
"""By what it does, each fault and the case that is shown to find it."""
