"""Application: what a lane serves. It answers exchanges, whatever it is made of.

`app.freeze()` gives one. Nothing below `handling` knows more of an app than this.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from anylane.config.server_config import ServerConfig
    from anylane.lane.host import Forwarded, Log
    from anylane.lane.life.lifespan import Lifespan
    from anylane.lane.life.schedule import Periodic
    from anylane.lane.link import Errand, Link
    from anylane.protocol.exchange import Exchange


class Application(Protocol):
    """What answers the exchanges of a server. Several servers may share one."""

    @property
    def on_connect(self) -> Errand | None:
        """Return what runs for each connection before its first request, or None.

        It calls `link.driver.welcome` or `link.driver.turn_away` at its end.
        """
        ...

    @property
    def on_disconnect(self) -> Errand | None:
        """Return what runs after a connection that was welcome and its last exchange; or None."""
        ...

    @property
    def jobs(self) -> tuple[Periodic, ...]:
        """Return what runs again and again while a server of it accepts."""
        ...

    def run(self, exchange: Exchange, link: Link) -> Coroutine[Any, Any, None]:
        """Return the coroutine of an exchange.

        The lane runs that coroutine natively. It answers the exchange and ends it, whatever
        happens. Nothing of a handler's or the peer's comes out of it; a native cancellation from
        outside passes through.
        """
        ...

    def relieve(self, stuck: Link, exchange: Exchange, link: Link) -> Coroutine[Any, Any, None]:
        """Return the coroutine that answers an exchange, which is late, in the place of a handler
        that blocks its thread. stuck: the link of that handler.

        As `run`'s; it does no more than the answer needs.
        """
        ...

    def lifespan(self, log: Log) -> Lifespan:
        """Return what one server sets up before its first connection and tears down after its last
        exchange. log: takes what fails at the end."""
        ...

    def configured(self, config: ServerConfig) -> Application:
        """Return what a server with these settings serves: this, or another that has in it what
        the settings ask for. Called once for each server."""
        ...

    def forwarded(self, config: ServerConfig) -> Forwarded | None:
        """Return what tells the clients behind trusted proxies; None where no proxy is trusted."""
        ...
