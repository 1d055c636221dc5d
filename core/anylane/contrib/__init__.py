"""Ready-made handlers and adapters that use other libraries, or files by `ctx.run_sync`.

Nothing else of anylane imports them.
"""

from anylane.contrib.jwks_file import JWKSFile as JWKSFile

__all__: list[str] = ["JWKSFile"]
