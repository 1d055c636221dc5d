"""Handlers that hold a connection for long: WebSockets, event streams, relays."""
