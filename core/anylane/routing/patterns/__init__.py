"""Patterns: their syntax, what their parameters become, and which of several matches a path."""
