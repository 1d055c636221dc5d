"""Files as answers: those of a directory, and one that a handler names."""
