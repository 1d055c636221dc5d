"""The door from the core to the backends: what does I/O is loaded when it is first asked for.

This is the only module of the core that names the backends. Its types are in serving.pyi, so that
no statement here imports what does I/O.
"""

_HOMES = {
    "Server": "hosting.server",
    "serve": "hosting.server",
    "run": "hosting.process",
    "SocketLane": "hosting.client_lane",
    "main": "hosting.cli.commands",
    "AsgiApplication": "asgi.application",
    "AsgiMount": "mounts.asgi",
    "WsgiMount": "mounts.wsgi",
}


def __getattr__(name: str) -> object:
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(f"anylane_backends.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
