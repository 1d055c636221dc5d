"""Stores: what several processes keep together in a Valkey server."""
