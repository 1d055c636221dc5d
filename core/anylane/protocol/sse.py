"""Server-sent events on the wire: HTML standard §9.2.6, "Interpreting an event stream".

Pure functions make whole blocks of bytes from fields. A block ends with an empty line, so that no
two can ever run into each other. Nothing that a handler passes can start a field of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anylane.errors import Disconnected, UsageError
from anylane.protocol.interfaces import Carrier, Closing, Join
from anylane.protocol.outgoing import Framed, join
from anylane.protocol.timers import Timer
from anylane.shown import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from anylane.protocol.exchange import Exchange
    from anylane.protocol.request_head import RequestHead


_CR, _LF = b"\r\n"
HEARTBEAT = b":\n\n"
"""A comment: clients ignore it, and proxies on the way see that the connection lives (§9.2.7)."""


def encode_event(
    data: str | bytes, *, event: str | None = None, id: str | None = None, retry: int | None = None
) -> bytes:
    """Return one event as a whole block.

    data: text, or text as UTF-8 bytes; every CR, LF or CRLF begins a new line of it. A client joins
    the lines with LF and fires the event, also for "" (then with empty data). event, id, retry: as
    in `encode_fields`.

    Raise UsageError for data that is no text or has no UTF-8 form, and as `encode_fields` does.
    """
    text = data if isinstance(data, bytes) else encode_text("data", data)
    # They are asked for by number: `b"\r" in text` takes eight times as long (CPython 3.13).
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
    """Return the lines of an event besides its data. Data or an empty line has to follow them.

    event: its type; clients take "message" if there is none. id: what the client sends as
    Last-Event-ID when it comes again; "" makes it forget. retry: milliseconds until then. Raise
    UsageError for CR, LF or NUL in event or id, and for a retry that is no whole number from 0.
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
    """Return a comment of one line or more, as a whole block; clients ignore it. Raise UsageError
    for what is no text or has no UTF-8 form."""
    lines = encode_text("comment", text).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return b": %b\n\n" % lines.replace(b"\n", b"\n: ")


def encode_text(what: str, text: object) -> bytes:
    """Return text in UTF-8, the only encoding of event streams (§9.2.6).

    what: names it in the error. Raise UsageError if it is no str or has no UTF-8 form.
    """
    if not isinstance(text, str):
        raise UsageError(f"{what} of an event is {shown(text)}; expected str")
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as exc:
        raise UsageError(
            f"{what} of an event has {text[exc.start : exc.end]!r} at {exc.start}: a lone "
            "surrogate has no UTF-8 form. Decode your input with errors='replace'"
        ) from None


def check_retry(retry: object) -> int:
    """Return `retry` if clients take it, which is ASCII digits (§9.2.6). Raise UsageError if it is
    no whole number from 0."""
    # bool is an int to isinstance, but `retry=True` is a mistake.
    if not isinstance(retry, int) or isinstance(retry, bool) or retry < 0:
        raise UsageError(f"retry is {shown(retry)}; expected whole milliseconds from 0")
    return retry


def _one_line(what: str, text: object) -> bytes:
    data = encode_text(what, text)
    for byte, name in ((b"\r", "CR"), (b"\n", "LF"), (b"\0", "NUL")):
        if byte in data:
            # CR and LF would begin another field. Clients ignore an id with NUL (§9.2.6), and
            # would ask for the wrong one when they come again.
            raise UsageError(
                f"{what} of an event is {shown(text)}, which has {name} at {data.index(byte)}; "
                f"expected one line without CR, LF and NUL"
            )
    return data


RETRY = 1000
"""Milliseconds after which a client is to come back to a server that shuts down, where the handler
gave no hint. Browsers wait 3 to 5 seconds by themselves; a restart is over sooner."""


_NO = Closing.NO  # A member of an enum takes twice the time of a global to look up.


class EventStreamProtocol:
    """One event stream between its head and its end (HTML standard §9.2).

    retry: milliseconds, sent at once as a hint; None for no hint. heartbeat: seconds of silence
    after which a comment is sent, None for never. now: seconds, on the clock of the connection.
    frame: makes the chunks of a block on the wire; None where each stream has to make its own.
    """

    __slots__ = ("_carrier", "_exchange", "_frame", "_heartbeat", "_retry")

    def __init__(
        self,
        carrier: Carrier,
        exchange: Exchange,
        *,
        retry: int | None,
        heartbeat: float | None,
        now: float,
        frame: Callable[[bytes], Iterable[bytes]] | None = None,
    ) -> None:
        self._carrier = carrier
        self._exchange = exchange
        self._frame = frame
        self._heartbeat = heartbeat
        self._retry = retry
        if retry is not None:
            exchange.send_data(encode_fields(retry=retry) + b"\n")
        self._rest(now)

    def send(self, block: bytes, now: float, *, retry: int | None = None) -> None:
        """Queue one whole block, as the functions of this module make it. Silence begins anew.

        retry: the hint that is in it, in milliseconds. Raise UsageError if the exchange has ended.
        """
        self._exchange.send_data(block)
        if retry is not None:
            self._retry = retry
        if self._heartbeat is not None:
            self._rest(now)

    @property
    def framed(self) -> bool:
        """See `EventSession`."""
        return self._frame is not None

    @property
    def join(self) -> Join | None:
        """See `EventSession`."""
        return None if self._frame is None else join

    def form(self, block: bytes) -> Any:
        """Return a block as `put` takes it."""
        if self._frame is None:
            return block
        return Framed.of(self._frame(block), len(block))

    def put(self, formed: Any, now: float) -> None:
        """Queue what `form` has made. Raise UsageError if the exchange has ended."""
        exchange = self._exchange
        if self._frame is None or exchange.finished:
            exchange.send_data(formed)
        else:  # As `send_data` and the carrier's `send`, without the calls: it is framed already.
            chunks, size, body = formed
            carrier = self._carrier
            if carrier.closing is _NO:
                carrier.out += chunks
                carrier.queued += size
            exchange.sent += body
        if self._heartbeat is not None:
            self._rest(now)

    def timeout(self, now: float) -> None:
        """Send a heartbeat: HEARTBEAT has come, so nothing was sent for so long."""
        if self._exchange.gone is not None:
            return
        # A client that does not keep up has something to read already; comments on top of it
        # would be a queue that grows while it reads nothing.
        if not self._carrier.congested:
            self._exchange.send_data(HEARTBEAT)
        self._rest(now)

    def shutdown(self) -> None:
        """End the stream in a drain: send a hint when to come back, and end the body whole. The
        handler hears Disconnected."""
        retry = RETRY if self._retry is None else self._retry
        self._exchange.send_data(encode_fields(retry=retry) + b"\n")
        self._exchange.send_end()
        self._exchange.lose(Disconnected(None, "the server is shutting down"))

    def end(self) -> None:
        """Stop the heartbeats: the body is complete, or its client is gone."""
        self._carrier.timers.clear(Timer.HEARTBEAT)

    def _rest(self, now: float) -> None:
        if self._heartbeat is not None:
            self._carrier.timers.set(Timer.HEARTBEAT, now + self._heartbeat)


def last_event_id(head: RequestHead | None) -> str | None:
    """Return the id of the last event that this client saw before it came again; None if it is new.

    Last-Event-ID, HTML standard §9.2.4. It is the client's word: look it up, do not trust it. head:
    that of the request, None where it could not be parsed.
    """
    value = head.get(b"last-event-id") if head is not None else None
    return value.decode("utf-8", "replace") if value else None
