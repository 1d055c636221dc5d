"""Layers around a Connection: what stands in front of HTTP, with the same inputs and outputs."""
