"""The conformance suite: one conversation per case, on every backend, compared byte for byte.

The in-memory lane is the oracle: each case runs on it whole and cut at every byte, then over
real sockets on each backend, and the transcripts must be the same.
"""
