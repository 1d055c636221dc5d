"""The suite under other servers: what anylane promises where an App is an ASGI application."""
