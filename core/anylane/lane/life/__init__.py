"""The life of a server: what it sets up and tears down, and what it keeps meanwhile."""
