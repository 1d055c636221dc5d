"""Applications of other frameworks, which an App can have answer below a prefix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anylane.callables import is_coroutine_function
from anylane.errors import RouteError
from anylane.routing.router import Router

if TYPE_CHECKING:
    from anylane.serving import AsgiMount, WsgiMount


def is_asgi(other: object) -> bool:
    """Return whether this is an ASGI 3 application: called with scope, receive and send."""
    if isinstance(other, type | Router) or hasattr(other, "methods"):  # A Mountable has both.
        return False
    return callable(other) and is_coroutine_function(other)


def asgi_mount(prefix: str, application: Any, *, portal: bool) -> AsgiMount:
    """Return what serves an ASGI application below the prefix, and its lifespan."""
    from anylane.serving import AsgiMount

    return AsgiMount(application, _known(prefix), portal=portal)


def wsgi_mount(prefix: str, application: Any) -> WsgiMount:
    """Return what serves a WSGI application below the prefix."""
    from anylane.serving import WsgiMount

    _known(prefix)
    return WsgiMount(application)


def _known(prefix: str) -> str:
    """Return the prefix as such an application is told it. Raise RouteError for a pattern."""
    if "{" in prefix:
        raise RouteError(
            f"mount({prefix!r}, ...): an application of another framework is told its prefix, "
            "which must be the same for all requests; leave the parameters out"
        )
    return "" if prefix == "/" else prefix
