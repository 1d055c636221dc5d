"""Application: what a lane serves. It answers exchanges, whatever it is made of.

An `App` is one (`app.freeze()`); nothing below `handling` knows more of it than this.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from anylane.config.server_config import ServerConfig
    from anylane.lane.host import Forwarded, Log
    from anylane.lane.lifespan import Lifespan
    from anylane.lane.link import Errand, Link
    from anylane.protocol.exchange import Exchange


class Application(Protocol):
    """What answers the exchanges of a server. Several servers may share one."""

    @property
    def on_connect(self) -> Errand | None:
        """What runs for each connection before its first request, or None. It calls
        `link.driver.welcome` or `link.driver.turn_away` at its end."""
        ...

    @property
    def on_disconnect(self) -> Errand | None:
        """What runs after a connection that was welcome, and after its last exchange; or None."""
        ...

    def run(self, exchange: Exchange, link: Link) -> Coroutine[Any, Any, None]:
        """Return the coroutine that answers the exchange, to be run natively by the lane.

        It ends the exchange whatever happens. Nothing of a handler's or the peer's comes out of it;
        a native cancellation from outside passes through.
        """
        ...

    def lifespan(self, log: Log) -> Lifespan:
        """Return what is set up before the first connection and torn down after the last exchange
        of one server."""
        ...

    def forwarded(self, config: ServerConfig) -> Forwarded | None:
        """Return what tells the clients behind trusted proxies, None where no proxy is trusted."""
        ...
