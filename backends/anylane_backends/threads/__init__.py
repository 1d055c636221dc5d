"""The threads lane: one thread selects, a bounded pool of workers steps handlers."""

from anylane_backends.threads.lane import ThreadsBackend

__all__ = ["ThreadsBackend"]
