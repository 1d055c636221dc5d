"""ClientConnection: HTTP/1.1 from the client's side, by h11, over one Wire.

It knows neither cookies nor redirects nor the app.
"""

from __future__ import annotations

import h11

from anylane.errors import UsageError
from anylane.http.headers import Headers
from anylane.testing.client.errors import IncompleteResponse
from anylane.testing.client.request import ClientRequest
from anylane.testing.client.wire import Wire

_MAX_HEAD = 16 * 1024 * 1024
"""Bytes of a response head. The app under test is trusted, so h11's 16 KiB do not apply."""

Head = h11.Response | h11.InformationalResponse
"""The head of a final response, or a 101."""


class ClientConnection:
    """A connection with one request at a time.

    First `send`, then `head`, then `piece` until it is b"". If it is `reusable` then, another
    request may follow.

    wire: the bytes below it.
    informational: status and headers of the 1xx responses of this request, but 100.
    trailers: the fields behind the body, known at its end.
    """

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self._h11 = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MAX_HEAD)
        self._what = ""
        self._early: h11.Response | None = None
        self.informational: list[tuple[int, Headers]] = []
        self.trailers: Headers = Headers()

    @property
    def reusable(self) -> bool:
        """Whether the exchange is complete and another may follow."""
        return self._h11.our_state is h11.DONE and self._h11.their_state is h11.DONE

    def send(self, request: ClientRequest) -> None:
        """Send a whole request.

        With `Expect: 100-continue` the body is sent only if the server asks for it. Raises
        UsageError for a request that h11 refuses to send.
        """
        if self.reusable:
            self._h11.start_next_cycle()
        self._what = f"the answer to {request.method} {request.target}"
        self.informational = []
        self.trailers = Headers()
        try:
            self._send(
                h11.Request(
                    method=request.method,
                    target=request.target,
                    headers=[
                        (name.encode("ascii"), value.encode("latin-1"))
                        for name, value in request.headers.items()
                    ],
                )
            )
            if self._h11.client_is_waiting_for_100_continue and not self._may_continue():
                return
            for piece in request.body:
                self._send(h11.Data(piece))
            self._send(h11.EndOfMessage())
        except h11.LocalProtocolError as exc:
            raise UsageError(f"{exc}. Send malformed requests through a Lockstep.") from exc

    def head(self) -> Head:
        """Wait for the final response, after any informational ones. 101 counts as final.

        Raises IncompleteResponse if the server ends the connection instead, and Silence if nothing
        can come.
        """
        if self._early is not None:
            response, self._early = self._early, None
            return response
        while True:
            event = self._event()
            match event:
                case h11.InformationalResponse() if event.status_code != 101:
                    self._inform(event)
                case h11.Response() | h11.InformationalResponse():
                    return event
                case _:
                    raise AssertionError(f"a response cannot begin with {event}")

    def piece(self, *, wait: bool = True) -> bytes | None:
        """Return the next piece of the body, b"" at its end.

        wait: whether to wait for it. Without waiting the result is None if it has not come.
        """
        event = self._event(wait=wait)
        match event:
            case h11.NEED_DATA:
                return None
            case h11.Data():
                return bytes(event.data)
            case h11.EndOfMessage():
                self.trailers = Headers.from_wire(event.headers)
            case _:
                pass
        return b""

    def switched(self) -> bytes:
        """Return the bytes behind a 101 that were read already."""
        return bytes(self._h11.trailing_data[0])

    def _may_continue(self) -> bool:
        """Wait for 100, and return whether it came instead of a final response."""
        event = self._event()
        if isinstance(event, h11.Response):
            self._early = event
            return False
        assert isinstance(event, h11.InformationalResponse)
        self._inform(event)
        return True

    def _inform(self, event: h11.InformationalResponse) -> None:
        if event.status_code != 100:
            self.informational.append((event.status_code, Headers.from_wire(event.headers)))

    def _send(self, event: h11.Event) -> None:
        if data := self._h11.send(event):
            self.wire.send(data)

    def _event(self, *, wait: bool = True) -> object:
        """Return h11's next event; NEED_DATA only without waiting."""
        try:
            while (event := self._h11.next_event()) is h11.NEED_DATA:
                data = self.wire.receive(self._what) if wait else self.wire.poll()
                if data is None:
                    return event
                self._h11.receive_data(data)
        except h11.RemoteProtocolError as exc:
            # h11's own message for a connection that ended before the status line speaks of its
            # internal states.
            what = "the server closed the connection" if "ConnectionClosed" in str(exc) else exc
            raise IncompleteResponse(f"{self._what} is not whole: {what}") from exc
        return event
