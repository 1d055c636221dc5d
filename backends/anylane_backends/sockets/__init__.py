"""Sockets: reading and writing without blocking, listening, accepting."""
