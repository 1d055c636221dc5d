"""What a worker does, wherever it runs: it serves on the listeners that all of them share."""

from __future__ import annotations

import socket
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from anylane.errors import ConfigError
from anylane.lane.server_core import ServerCore
from anylane_backends.hosting import process
from anylane_backends.hosting.cli.alone import load, serve
from anylane_backends.hosting.cli.app_loading import CannotStart
from anylane_backends.hosting.cli.log_setup import set_up_logging
from anylane_backends.hosting.loading import BackendError
from anylane_backends.hosting.server import Server, tls_of
from anylane_backends.hosting.supervision.heartbeat import Pulse
from anylane_backends.hosting.supervision.service import Post
from anylane_backends.hosting.system.privileges import PrivilegesError
from anylane_backends.sockets.listening import BindError, Listener
from anylane_backends.sockets.spread import Share, Spread

if TYPE_CHECKING:
    from anylane.lane.life.schedule import Lead
    from anylane_backends.hosting.cli.options import Options
    from anylane_backends.hosting.interpreters.orders import Orders
    from anylane_backends.hosting.system.privileges import Identity


class Work:
    """The work of one worker. Call `run`, in its process or interpreter.

    spread: the table of all workers. lead: says whether jobs for one worker run in this one.
    identity: what the worker's process becomes before it imports the app. orders: what takes the
    place of signals, where there are none. begun: called once the log is set up.
    """

    def __init__(
        self,
        options: Options,
        *,
        listeners: list[socket.socket],
        spread: Spread,
        lead: Lead,
        identity: Identity | None = None,
        orders: Orders | None = None,
        begun: Callable[[], None] | None = None,
    ) -> None:
        self._options = options
        self._listeners = listeners
        self._spread = spread
        self._lead = lead
        self._identity = identity
        self._orders = orders
        self._begun = begun
        self._pulse: Pulse | None = None

    def run(self, post: Post) -> None:
        """Serve until SIGTERM. SystemExit has the exit code."""
        try:
            # Again: files of its own, and not the supervisor's descriptors.
            set_up_logging(self._options, instead_of=self._options)
            if self._begun is not None:
                self._begun()
            tls = tls_of(self._options.config)
            if self._identity is not None:
                self._identity.assume()
            serve(
                self._options,
                load(self._options.run),
                self._listeners,
                tls=tls,
                prepare=partial(self._prepare, post),
                ready=partial(self._ready, post),
                signals=self._orders,
            )
        except (ConfigError, CannotStart, BackendError, BindError, PrivilegesError) as exc:
            process.fail(exc.__cause__ or exc, str(exc))
        finally:
            if self._pulse is not None:
                self._pulse.stop()

    def _prepare(self, post: Post, server: Server) -> None:
        core = server.core
        core.number, core.workers = post.number, self._spread.workers
        core.schedule.lead = self._lead
        if post.row is None:
            return
        share = Share(self._spread, post.row)
        for each in self._listeners:
            assert isinstance(each, Listener)
            each.share = share
        core.status.watch(partial(_tell, share, self._spread, core))

    def _ready(self, post: Post, server: Server) -> None:
        server.core.status.changed()  # It has no connection yet, and is to have the next ones.
        self._pulse = post.ready(server.core)


def _tell(share: Share, spread: Spread, core: ServerCore) -> None:
    share.tell(None if core.draining else core.places.open)
    core.workers = spread.workers
