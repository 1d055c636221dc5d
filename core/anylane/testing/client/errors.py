"""What a test client raises when no whole answer comes, for the reader of a failed test."""

from __future__ import annotations

from anylane.errors import AnylaneError


class Silence(AnylaneError):
    """The client waits for bytes that never come. The message says what the handlers wait for."""


class IncompleteResponse(AnylaneError):
    """The server ended the connection within a response, or before it."""
