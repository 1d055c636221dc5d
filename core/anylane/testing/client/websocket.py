"""ClientWebSocket: a session from the client's side, its frames by wsproto.

It does nothing in the background: pings are answered while the client waits or lets time pass.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, Self

from wsproto import events
from wsproto.connection import CLIENT, Connection, ConnectionState
from wsproto.utilities import generate_accept_token

from anylane import json
from anylane.errors import Disconnected, UsageError
from anylane.http.headers import Headers
from anylane.shown import shown
from anylane.testing.client.connection import ClientConnection
from anylane.testing.client.errors import Silence
from anylane.testing.client.response import ClientResponse, Rejected
from anylane.testing.client.wire import Lane

_MAX_PINGS = 1000
"""Pings without a message, after which a waiting test is told that none will come."""

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
"""The sample of RFC 6455 §1.3. Not random: a test must see the same bytes each time."""


def add_handshake(headers: Headers, subprotocols: Sequence[str]) -> None:
    """Add the headers that ask for a WebSocket (RFC 6455 §4.1)."""
    headers.set("connection", "Upgrade")
    headers.set("upgrade", "websocket")
    headers.set("sec-websocket-version", "13")
    headers.set("sec-websocket-key", KEY)
    if subprotocols:
        headers.set("sec-websocket-protocol", ", ".join(subprotocols))


class ClientWebSocket:
    """An open WebSocket. Pings are answered by themselves, also while time is let pass.

    Iterating yields messages until the server closes with 1000 or 1001; any other code raises
    Disconnected. Leaving its block closes it.

    response: the answer to the handshake.
    close_code: the code of the server's close frame; 1006 if the connection ended without one, None
        while it is open.
    close_reason: the reason in that frame.
    """

    def __init__(
        self,
        response: ClientResponse,
        connection: ClientConnection,
        lane: Lane,
        offered: Sequence[str],
    ) -> None:
        self.response = response
        self.close_code: int | None = None
        self.close_reason: str = ""
        if response.status != 101:
            response.read()
            raise Rejected(response) from response.error
        self._check(response, offered)
        self._wire = connection.wire
        self._lane = lane
        self._what = f"a message of {response.request.target}"
        self._messages: deque[str | bytes] = deque()
        self._parts: list[Any] = []
        self._pongs: deque[bytes] = deque()
        self._pings = 0
        self._ended = False
        self._frames = Connection(CLIENT, trailing_data=connection.switched())
        self._wire.on_data = self._attend
        self._take_events()

    @staticmethod
    def _check(response: ClientResponse, offered: Sequence[str]) -> None:
        """Raise UsageError for an answer that a client must not accept (RFC 6455 §4.1)."""
        accept = response.headers.get("sec-websocket-accept")
        expected = generate_accept_token(KEY.encode("ascii")).decode("ascii")
        if accept != expected:
            raise UsageError(f"Sec-WebSocket-Accept is {accept!r}; expected {expected!r}")
        chosen = response.headers.get("sec-websocket-protocol")
        if chosen is not None and chosen not in offered:
            raise UsageError(f"the server chose the subprotocol {chosen!r}, which was not offered")

    @property
    def subprotocol(self) -> str | None:
        """The subprotocol that the server chose, or None."""
        return self.response.headers.get("sec-websocket-protocol")

    @property
    def error(self) -> BaseException | None:
        """What the handler raised and no exception handler took, so far; None if nothing."""
        return self.response.error

    # -- talking -------------------------------------------------------------------------------

    def send(self, message: str | bytes) -> None:
        """Send one message.

        Raises Disconnected if the session is over, UsageError for what is neither str nor bytes.
        """
        if isinstance(message, str):
            self._send(events.TextMessage(message))
            return
        if not isinstance(message, bytes | bytearray | memoryview):
            raise UsageError(f"a message is str or bytes, not {type(message).__name__}")
        self._send(events.BytesMessage(bytes(message)))

    def send_json(self, value: Any) -> None:
        """Send a value as JSON, in one text message.

        Raises Disconnected if the session is over, TypeError for a value that JSON has no form for.
        """
        self.send(json.dumps(value).decode("utf-8"))

    def receive(self, timeout: float | None = None) -> str | bytes:
        """Wait for the next message, and return it.

        Raises Disconnected(code) at the end of the session, TimeoutError after *timeout* seconds,
        and Silence if no message can ever come.
        """
        end = None if timeout is None else self._lane.now() + timeout
        pings = 0
        while not self._messages:
            self._check_open()
            pings += 1
            if end is None and pings > _MAX_PINGS:
                raise Silence(f"{self._what} did not come, after {_MAX_PINGS} pings")
            try:
                self._more(self._what, None if end is None else max(0.0, end - self._lane.now()))
            except TimeoutError:
                raise TimeoutError(
                    f"{self._what} did not come within {timeout:g} seconds"
                ) from None
        return self._messages.popleft()

    def receive_json(self, timeout: float | None = None) -> Any:
        """Wait for the next message, and return its JSON value.

        Raises what `receive` raises, and ValueError if it is not JSON.
        """
        return json.loads(self.receive(timeout))

    def ping(self, payload: bytes | None = None) -> float:
        """Send a ping, wait for its pong (RFC 6455 §5.5.2), and return the seconds between.

        Raises Disconnected if the session is over.
        """
        if payload is None:
            self._pings += 1
            payload = b"%d" % self._pings
        began = self._lane.now()
        self._send(events.Ping(payload))
        while payload not in self._pongs:
            self._check_open()
            self._more(f"the pong of {self.response.request.target}")
        self._pongs.clear()
        return self._lane.now() - began

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Send a close frame, wait for the server's and for the end of the connection.

        Harmless if the session is over (RFC 6455 §7.1.2).
        """
        if not self._ended and self._frames.state is ConnectionState.OPEN:
            self._wire.send(self._frames.send(events.CloseConnection(code, reason or None)))
        while not self._ended:
            self._more(f"the end of {self.response.request.target}")
        self._raise_failure()

    def __iter__(self) -> Iterator[str | bytes]:
        """Yield messages until the server closes with 1000 or 1001. Any other code raises."""
        while True:
            try:
                yield self.receive()
            except Disconnected as exc:
                if exc.code in (1000, 1001):
                    return
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if exc is None:
            self.close()
        else:
            # Waiting for the close frame could fail too, and hide why the test did.
            self._end()

    def __repr__(self) -> str:
        state = "open" if self.close_code is None else f"closed with {self.close_code}"
        why = "" if self.error is None else f": {shown(self.error)}"
        return f"<ClientWebSocket {state} {self.response.request.url}{why}>"

    # -- frames --------------------------------------------------------------------------------

    def _send(self, event: events.Event) -> None:
        self._check_open()
        self._wire.send(self._frames.send(event))

    def _check_open(self) -> None:
        if self.close_code is not None:
            self._raise_failure()
            raise Disconnected(self.close_code, self.close_reason) from self.error

    def _raise_failure(self) -> None:
        self.response._raise_failure()

    def _more(self, what: str, timeout: float | None = None) -> None:
        """Wait for bytes, and take in their frames."""
        self._feed(self._wire.receive(what, timeout))

    def _attend(self) -> bool:
        """Answer pings while nothing receives."""
        data = self._wire.poll()
        if data:
            self._feed(data)
        return bool(data)

    def _feed(self, data: bytes) -> None:
        if data:
            self._frames.receive_data(data)
            self._take_events()
        else:
            self._end()

    def _take_events(self) -> None:
        for event in self._frames.events():
            match event:
                case events.Message():
                    self._parts.append(event.data)
                    if event.message_finished:
                        empty: Any = "" if isinstance(event.data, str) else b""
                        self._messages.append(empty.join(self._parts))
                        self._parts.clear()
                case events.Ping():
                    self._wire.send(self._frames.send(event.response()))
                case events.Pong():
                    self._pongs.append(bytes(event.payload))
                case events.CloseConnection():
                    self._on_close(event)
                case _:
                    raise AssertionError(f"unexpected {event}")

    def _on_close(self, event: events.CloseConnection) -> None:
        if self.close_code is None:
            self.close_code = int(event.code)
            self.close_reason = event.reason or ""
        if self._frames.state is ConnectionState.REMOTE_CLOSING:
            self._wire.send(self._frames.send(event.response()))

    def _end(self) -> None:
        if not self._ended:
            self._ended = True
            if self.close_code is None:
                self.close_code = 1006
            self.response.close()
