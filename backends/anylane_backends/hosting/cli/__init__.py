"""The `anylane` command."""
