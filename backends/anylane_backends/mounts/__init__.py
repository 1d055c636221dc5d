"""Applications of other kinds inside of an App: ASGI on every lane, WSGI in the pool."""
