"""What Prometheus reads of a server."""
