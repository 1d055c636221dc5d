"""Workers that are interpreters of one process, each with a lock of its own (PEP 684)."""
