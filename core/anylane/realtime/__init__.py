"""What stays open: WebSockets, event streams and raw streams, and broadcasts to many of them."""
