"""The parts that settings of a server ask for, around all that the app itself uses.

Settings belong to a server and parts to an app. So a server that has such settings serves a copy of
the app's pipelines inside these parts; other servers of the same app do not see them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anylane.config.server_config import ServerConfig


def parts_of(config: ServerConfig) -> Iterator[object]:
    """Yield a part for each setting that asks for one, the outermost first. A new setting has a
    line here and one in `ServerConfig.asks_for_parts`."""
    if config.cors_origins:
        from anylane.middleware.cors import CORS

        yield CORS(config.cors_origins)
    if config.compression:
        from anylane.middleware.compression import Compression

        yield Compression()
