"""What the lanes share that wait until a socket is ready: everything but the waiting itself."""
