"""State: the attributes that an app has in one running server.

An app may be served several times in one process, so its state cannot be its own. Each server makes
a `States`, and names it in the context of its lifespan. Lanes copy that context for each exchange,
so finding the state costs a request nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextvars import ContextVar, Token
from typing import Any

from anylane.errors import UsageError


class State:
    """Attributes of your own: `app.state.db = ...` in a lifespan, `ctx.app.state.db` in a handler.

    Reading or deleting one that was not set raises AttributeError, which says what is there. It is
    shared by all that runs in its server; on threads, lock what you change there.
    """

    def __getattr__(self, name: str) -> Any:
        there = ", ".join(sorted(vars(self))) or "nothing"
        raise AttributeError(
            f"app.state has no {name!r}; it has: {there}. Set it in a lifespan or startup hook of "
            f"the same app: app.state.{name} = ...",
            name=name,
            obj=self,
        )

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        if name not in vars(self):
            self.__getattr__(name)
        object.__delattr__(self, name)

    def __repr__(self) -> str:
        return f"<State with {', '.join(sorted(vars(self))) or 'nothing'}>"


class States:
    """The states of one server: one for each app that it serves.

    apps: the app that is served, and those that are mounted in it.
    """

    __slots__ = ("_by_app", "_token")

    def __init__(self, apps: Iterable[object]) -> None:
        self._by_app = {id(app): (app, State()) for app in apps}
        self._token: Token[States] | None = None

    def of(self, app: object) -> State | None:
        """Return the state of an app, None if this server does not serve it."""
        found = self._by_app.get(id(app))
        return None if found is None else found[1]

    def enter(self) -> None:
        """Make these the states of the current context and of all its copies."""
        self._token = current_states.set(self)

    def leave(self) -> None:
        """Undo `enter`. Call this in the same task."""
        token, self._token = self._token, None
        if token is not None:
            try:
                current_states.reset(token)
            except ValueError:  # Another context, which a lane has no reason for: it is not ours.
                pass


current_states: ContextVar[States] = ContextVar("anylane_states")
"""The states of the server that runs in this context. It is set once for each server."""


def state_of(app: object) -> State:
    """Return the state that an app has in the server that runs here.

    Raise UsageError outside of a server, and for an app that the server does not serve.
    """
    states = current_states.get(None)
    if states is None:
        raise UsageError(
            "app.state belongs to a running server, and none runs here; use it in a lifespan, "
            "hook, handler or job. In a thread or callback of your own, take `state = app.state` "
            "before you start it, and hand that over"
        )
    state = states.of(app)
    if state is None:
        raise UsageError(
            "app.state is asked of an app that the server here does not serve; it serves another "
            "one. Use ctx.app.state, or mount this app: app.mount('/prefix', other)"
        )
    return state
