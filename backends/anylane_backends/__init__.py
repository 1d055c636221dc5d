"""Tier 2: the backends. All the I/O there is; they decide nothing."""
