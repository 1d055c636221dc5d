"""TLS as a layer around a Connection, on `ssl.MemoryBIO`."""
