"""Supervision: worker processes, and the one process that starts, watches and replaces them."""
