"""WebSocket (RFC 6455): the session between the handshake and the end, and its frames."""
