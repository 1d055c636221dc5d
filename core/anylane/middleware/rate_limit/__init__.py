"""Rate limits: how often a client may ask."""
