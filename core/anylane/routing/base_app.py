"""BaseApp: what routing and handling know of an App.

An App is a Router that is served as a whole: it has a state in each server.
"""

from __future__ import annotations

from anylane.lane.life.state import State, state_of
from anylane.routing.router import Router


class BaseApp(Router):
    """A router that is an application by itself. `App` is one, and the type of `ctx.app`."""

    is_whole = True

    @property
    def state(self) -> State:
        """Return the attributes that this app has in the server that runs here.

        Each server has its own, filled in a lifespan or startup hook: `app.state.db = ...`. All
        that runs in the server sees them: hooks, handlers, iterators, background work and jobs.
        Raise UsageError outside of a server.
        """
        return state_of(self)
