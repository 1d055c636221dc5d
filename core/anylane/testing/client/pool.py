"""ConnectionPool: one running app, the connections to it, and which of them are free."""

from __future__ import annotations

from collections.abc import Callable

from anylane.testing.client.connection import ClientConnection
from anylane.testing.client.log import Journal
from anylane.testing.client.request import ClientRequest
from anylane.testing.client.response import ClientResponse
from anylane.testing.client.wire import Lane


class ConnectionPool:
    """Starts the server with the first use. journal: what an operator would have seen.

    start: makes a running server. raises: whether what handlers raise passes.
    """

    def __init__(self, start: Callable[[Journal], Lane], *, raises: bool) -> None:
        self.journal = Journal()
        self.raises = raises
        self._start = start
        self._lane: Lane | None = None
        self._idle: list[ClientConnection] = []
        self._busy: list[ClientConnection] = []

    @property
    def lane(self) -> Lane:
        """Where the app runs; runs the startup hooks first. What they raise passes."""
        if self._lane is None:
            self._lane = self._start(self.journal)
        return self._lane

    def take(self) -> ClientConnection:
        """A connection that is kept alive, or a new one."""
        connection = self._alive() or ClientConnection(self.lane.connect())
        self._busy.append(connection)
        return connection

    def _alive(self) -> ClientConnection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.wire.poll() is None:
                return connection
            connection.wire.close()
        return None

    def give_back(self, connection: ClientConnection) -> None:
        """Keep it if it can be used again; otherwise the server sees a reset."""
        if connection not in self._busy:
            return
        self._busy.remove(connection)
        if connection.reusable:
            self._idle.append(connection)
        else:
            connection.wire.reset()

    def send(
        self, request: ClientRequest, on_head: Callable[[ClientResponse], None]
    ) -> ClientResponse:
        """Send it; the answer waits for itself."""
        connection = self.take()
        journal, mark = self.journal, self.journal.mark()
        response = ClientResponse(
            request,
            connection,
            lambda: journal.failure(connection.wire.address, mark),
            on_head=on_head,
            on_end=lambda: self.give_back(connection),
            raises=self.raises,
        )
        try:
            connection.send(request)
        except BaseException:
            response.close()
            raise
        return response

    def close(self) -> None:
        """End every connection, then the server; the next use would start it anew."""
        for connection in self._busy:
            connection.wire.reset()
        for connection in self._idle:
            connection.wire.close()
        self._busy.clear()
        self._idle.clear()
        lane, self._lane = self._lane, None
        if lane is not None:
            lane.close()
