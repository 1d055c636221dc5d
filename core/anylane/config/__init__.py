"""The settings of a server: what they are, their checks, and where they are read from."""
