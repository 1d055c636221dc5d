"""Schema checks: whether what a test client has seen is what the description of the app says."""
