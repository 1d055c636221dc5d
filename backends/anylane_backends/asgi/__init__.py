"""An App as an ASGI 3 application: another server's requests, as exchanges of ours."""
