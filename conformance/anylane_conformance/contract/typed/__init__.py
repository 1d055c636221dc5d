"""Handlers with typed parameters, and what they depend on."""
