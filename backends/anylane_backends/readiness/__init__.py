"""What the lanes have in common that wait until a socket is ready."""
