"""Ready-made handlers and adapters that use other libraries, or files by `ctx.run_sync`.

Nothing else of anylane imports them.
"""

__all__: list[str] = []
