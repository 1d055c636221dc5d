"""TestClient: an HTTP, WebSocket and event-stream client for whole apps, in memory or on a lane."""
