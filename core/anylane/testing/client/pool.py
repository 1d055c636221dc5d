"""ConnectionPool: one running app, the connections to it, and which of them are free.

It looks into no request and no response.
"""

from __future__ import annotations

from collections.abc import Callable

from anylane.testing.client.connection import ClientConnection
from anylane.testing.client.log import ClientLog
from anylane.testing.client.request import ClientRequest
from anylane.testing.client.response import ClientResponse
from anylane.testing.client.wire import Lane


class ConnectionPool:
    """The connections of a client. The first use starts the server.

    start: starts a server and returns its lane.
    raises: whether a response raises what its handler raised.
    log: what the server has logged.
    """

    def __init__(self, start: Callable[[ClientLog], Lane], *, raises: bool) -> None:
        self.log: ClientLog = ClientLog()
        self.raises = raises
        self._start = start
        self._lane: Lane | None = None
        self._idle: list[ClientConnection] = []
        self._busy: list[ClientConnection] = []

    @property
    def lane(self) -> Lane:
        """The lane that the app runs on. It is started, with its startup hooks, on first use.

        What a startup hook raises passes.
        """
        if self._lane is None:
            self._lane = self._start(self.log)
        return self._lane

    def take(self) -> ClientConnection:
        """Return a connection that was kept alive, or a new one."""
        connection = self._alive() or ClientConnection(self.lane.connect())
        self._busy.append(connection)
        return connection

    def _alive(self) -> ClientConnection | None:
        """Return a kept connection that the server has not closed, or None."""
        while self._idle:
            connection = self._idle.pop()
            if connection.wire.poll() is None:
                return connection
            connection.wire.close()
        return None

    def give_back(self, connection: ClientConnection) -> None:
        """Keep a connection if it can be used again. Otherwise the server sees a reset."""
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
        """Send a request, and return its response without waiting for it.

        on_head: called with the response when its head has come.
        """
        connection = self.take()
        log, mark = self.log, self.log.mark()
        response = ClientResponse(
            request,
            connection,
            lambda: log.failure(connection.wire.address, mark),
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
        """End every connection, then the server. A later use starts another one."""
        for connection in self._busy:
            connection.wire.reset()
        for connection in self._idle:
            connection.wire.close()
        self._busy.clear()
        self._idle.clear()
        lane, self._lane = self._lane, None
        if lane is not None:
            lane.close()
