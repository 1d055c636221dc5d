"""HTTP/1.1 (RFC 9112): the machine of one connection, and the grammar it reads and writes."""
