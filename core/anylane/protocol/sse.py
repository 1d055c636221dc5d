"""Server-sent events on the wire: HTML standard §9.2.6, "Interpreting an event stream".

Pure functions from fields to whole blocks of bytes. A block ends with an empty line, so that no
two can ever run into each other; nothing that a handler passes can start a field of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from anylane.errors import Disconnected, UsageError
from anylane.protocol.interfaces import Carrier
from anylane.protocol.timers import Timer

if TYPE_CHECKING:
    from anylane.protocol.exchange import Exchange
    from anylane.protocol.request_head import RequestHead


_CR, _LF = b"\r\n"
HEARTBEAT = b":\n\n"
"""A comment: clients ignore it, proxies and kernels see that somebody is there (§9.2.7)."""


def encode_event(
    data: str | bytes, *, event: str | None = None, id: str | None = None, retry: int | None = None
) -> bytes:
    """One event. data: text, or text as UTF-8 bytes; every CR, LF or CRLF begins a new line of it.

    A client joins the lines with LF and fires the event, also for "" (then with empty data).
    Raises UsageError for fields that cannot be sent: see `encode_fields`, and text that has no
    UTF-8 form.
    """
    text = data if isinstance(data, bytes) else encode_text("data", data)
    # Asked for by number: `b"\r" in text` takes eight times as long (CPython 3.13).
    if _CR in text:
        text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if _LF in text:
        text = text.replace(b"\n", b"\ndata: ")
    if event is None and id is None and retry is None:
        return b"data: %b\n\n" % text
    return b"%bdata: %b\n\n" % (encode_fields(event=event, id=id, retry=retry), text)


def encode_fields(
    *, event: str | None = None, id: str | None = None, retry: int | None = None
) -> bytes:
    """The lines besides the data. Behind them either data or an empty line has to follow.

    id: what the client sends as Last-Event-ID when it comes again; "" makes it forget.
    retry: milliseconds until then. Raises UsageError for CR, LF or NUL in event or id, and for a
    retry that is no whole number.
    """
    lines = b""
    if event is not None:
        lines += b"event: %b\n" % _one_line("event", event)
    if id is not None:
        lines += b"id: %b\n" % _one_line("id", id)
    if retry is not None:
        lines += b"retry: %d\n" % check_retry(retry)
    return lines


def encode_comment(text: str) -> bytes:
    """A comment of one line or more; clients ignore it."""
    lines = encode_text("comment", text).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return b": %b\n\n" % lines.replace(b"\n", b"\n: ")


def encode_text(what: str, text: object) -> bytes:
    """UTF-8, the only encoding there is (§9.2.6). what: names it in the error."""
    if not isinstance(text, str):
        raise UsageError(f"{what} of an event is {text!r:.80}; expected str")
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as exc:
        raise UsageError(
            f"{what} of an event has {text[exc.start : exc.end]!r} at {exc.start}: a lone "
            "surrogate has no UTF-8 form. Decode your input with errors='replace'"
        ) from None


def check_retry(retry: object) -> int:
    """Raise UsageError unless a client will take it: ASCII digits (§9.2.6)."""
    # bool is an int to isinstance, but `retry=True` is a mistake.
    if not isinstance(retry, int) or isinstance(retry, bool) or retry < 0:
        raise UsageError(f"retry is {retry!r}; expected whole milliseconds from 0")
    return retry


def _one_line(what: str, text: object) -> bytes:
    data = encode_text(what, text)
    for byte, name in ((b"\r", "CR"), (b"\n", "LF"), (b"\0", "NUL")):
        if byte in data:
            # CR and LF would begin another field. An id with NUL is ignored by clients (§9.2.6),
            # who would then ask for the wrong one.
            raise UsageError(
                f"{what} of an event is {text!r:.80}, which has {name} at {data.index(byte)}; "
                f"expected one line without CR, LF and NUL"
            )
    return data


RETRY = 1000
"""Milliseconds after which a client shall come back to a server that shuts down, where the handler
did not say. Browsers wait 3 to 5 seconds by themselves; a restart is over sooner."""


class EventStreamProtocol:
    """One event stream.

    retry: of the last hint that was sent, in milliseconds. heartbeat: seconds of silence after
    which a comment is sent, None for never.
    """

    __slots__ = ("_carrier", "_exchange", "_heartbeat", "_retry")

    def __init__(
        self,
        carrier: Carrier,
        exchange: Exchange,
        *,
        retry: int | None,
        heartbeat: float | None,
        now: float,
    ) -> None:
        self._carrier = carrier
        self._exchange = exchange
        self._heartbeat = heartbeat
        self._retry = retry
        if retry is not None:
            exchange.send_data(encode_fields(retry=retry) + b"\n")
        self._rest(now)

    def send(self, block: bytes, now: float, *, retry: int | None = None) -> None:
        """One whole block. retry: the hint that is in it."""
        self._exchange.send_data(block)
        if retry is not None:
            self._retry = retry
        if self._heartbeat is not None:
            self._rest(now)

    def timeout(self, now: float) -> None:
        """HEARTBEAT: nothing was sent for so long."""
        if self._exchange.gone is not None:
            return
        # A client that does not keep up has something to read already; comments on top of it
        # would be a queue that grows while it reads nothing.
        if not self._carrier.congested:
            self._exchange.send_data(HEARTBEAT)
        self._rest(now)

    def shutdown(self) -> None:
        """Say when to come back and end the body whole; the handler hears that it is over."""
        retry = RETRY if self._retry is None else self._retry
        self._exchange.send_data(encode_fields(retry=retry) + b"\n")
        self._exchange.send_end()
        self._exchange.lose(Disconnected(None, "the server is shutting down"))

    def end(self) -> None:
        """The body is complete, or nobody reads it any more."""
        self._carrier.timers.clear(Timer.HEARTBEAT)

    def _rest(self, now: float) -> None:
        if self._heartbeat is not None:
            self._carrier.timers.set(Timer.HEARTBEAT, now + self._heartbeat)


def last_event_id(head: RequestHead | None) -> str | None:
    """Return the id of the last event that this client saw before it came again; None if it is new.

    Last-Event-ID, HTML standard §9.2.4. It is the client's word: look it up, do not trust it.
    """
    value = head.get(b"last-event-id") if head is not None else None
    return value.decode("utf-8", "replace") if value else None
