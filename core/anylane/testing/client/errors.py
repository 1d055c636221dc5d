"""What a test client raises, for the reader of a failed test."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anylane.errors import AnylaneError

if TYPE_CHECKING:
    from anylane.testing.client.response import ClientResponse


class Silence(AnylaneError):
    """The client waits for bytes that do not come. The message says what the handlers wait for."""


class IncompleteResponse(AnylaneError):
    """The server ended the connection within a response, or before it."""


class StatusError(AnylaneError):
    """The answer is a 4xx or 5xx (`raise_for_status`). response: the answer."""

    def __init__(self, response: ClientResponse) -> None:
        request = response.request
        super().__init__(
            f"{request.method} {request.target} was answered with {response.status} "
            f"{response.reason}: {response.text[:200]}"
        )
        self.response = response


class Rejected(StatusError):
    """The server answered a WebSocket handshake with something else than 101."""
