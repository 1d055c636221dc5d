"""ClientConnection: HTTP/1.1 from the client's side, by h11, over one Wire."""

from __future__ import annotations

import h11

from anylane.errors import UsageError
from anylane.http.headers import Headers
from anylane.testing.client.errors import IncompleteResponse
from anylane.testing.client.request import ClientRequest
from anylane.testing.client.wire import Wire

_MAX_HEAD = 16 * 1024 * 1024
"""Bytes of a response head. The app under test is trusted; h11's default of 16 KiB is not meant."""


Head = h11.Response | h11.InformationalResponse


class ClientConnection:
    """One request at a time: `send`, `head`, `piece` by `piece`, then again if it is `reusable`."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self._h11 = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MAX_HEAD)
        self._what = ""
        self._early: h11.Response | None = None
        self.informational: list[tuple[int, Headers]] = []
        self.trailers = Headers()

    @property
    def reusable(self) -> bool:
        """The exchange is complete, and another may follow."""
        return self._h11.our_state is h11.DONE and self._h11.their_state is h11.DONE

    def send(self, request: ClientRequest) -> None:
        """Send it whole. Whoever says `Expect: 100-continue` waits for it before the body."""
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
        """The final response, after any informational ones. 101 counts as one."""
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
        """The next of the body, b"" at its end; `trailers` are known then.

        None if it has not come yet, where that is not to be waited for.
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
        """After a 101: what was read too far."""
        return bytes(self._h11.trailing_data[0])

    def _may_continue(self) -> bool:
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
        try:
            while (event := self._h11.next_event()) is h11.NEED_DATA:
                data = self.wire.receive(self._what) if wait else self.wire.poll()
                if data is None:
                    return event
                self._h11.receive_data(data)
        except h11.RemoteProtocolError as exc:
            # h11's own words for a connection that ended before the status line are about its
            # states.
            what = "the server closed the connection" if "ConnectionClosed" in str(exc) else exc
            raise IncompleteResponse(f"{self._what} is not whole: {what}") from exc
        return event
