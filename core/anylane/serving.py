"""Server and serve(): the backends' own, loaded when somebody asks for them.

Its types are in serving.pyi, so that no statement here imports what does I/O.
"""


def __getattr__(name: str) -> object:
    if name in ("Server", "serve"):
        from anylane_backends import serving

        return getattr(serving, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
