"""What probes ask of a server: whether it lives, and whether it can take requests."""
