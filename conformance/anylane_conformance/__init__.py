"""The conformance suite: one conversation for each case, on every backend, compared byte for byte.

The lane in memory is the oracle: each case runs on it whole and cut at every byte, then over real
sockets on each backend, and the transcripts must be the same.

contract/ is the app that all lanes serve, harness/ holds a case with a lane, cases/ are the rules.
"""
