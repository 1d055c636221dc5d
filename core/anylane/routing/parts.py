"""Parts: objects that take part in every request of a router, from `app.use` and `router.use`.

Nothing here calls one; `handling` does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Protocol, runtime_checkable

from anylane.callables import is_coroutine_function, location, signature_problem
from anylane.errors import UsageError
from anylane.shown import shown

METHODS = {
    "request": "(ctx)",
    "around": "(ctx, call_next)",
    "response": "(ctx)",
    "body": "(ctx)",
}
"""What a part may have, and the parameters of each. It has one of them at least."""


@runtime_checkable
class Transform(Protocol):
    """Changes the bytes of one body on their way out, as compression does.

    It may have a `pooled_above`, in bytes: a whole body that is longer is fed in the pool, so that
    it does not hold up the loop. It is fed by one thread at a time.
    """

    def feed(self, chunk: bytes, /) -> bytes:
        """Take a piece of the body; return what can be sent, which may be nothing."""
        ...

    def flush(self) -> bytes:
        """Return all that was held back, so that the client can read what was fed so far."""
        ...

    def finish(self) -> bytes:
        """Return the end of the body. Nothing is fed afterwards."""
        ...


ROUTES = "check_routes"
"""What a part may have besides: it is given the routes that it sees, when an app is frozen."""


def is_part(value: object) -> bool:
    """Return whether *value* has a method of a part and is no function itself."""
    return not callable(value) and any(hasattr(value, name) for name in METHODS)


def check_part(part: object, where: str) -> None:
    """Raise UsageError for what is no part. where: who was given it, for the message."""
    found = {name: getattr(part, name) for name in METHODS if hasattr(part, name)}
    if not found or isinstance(part, type):
        hint = "; write its parentheses" if isinstance(part, type) else ""
        raise UsageError(
            f"{where} got {shown(part)}; expected an object with one or more of the methods "
            f"{', '.join(name + form for name, form in METHODS.items())}{hint}"
        )
    for name, method in found.items():
        if not callable(method):
            raise UsageError(f"{name_of_part(part)}.{name} is {shown(method)}; expected a method")
        if problem := signature_problem(method, METHODS[name]):
            raise UsageError(f"{name} of the part {name_of_part(part)} {problem}")
        if name == "around" and not is_coroutine_function(method):
            raise UsageError(f"{location(method)} is no `async def`, as `around` of a part must be")
        if name == "body" and is_coroutine_function(method):
            raise UsageError(f"{location(method)} is an `async def`; `body` of a part is a `def`")


def name_of_part(part: Any) -> str:
    """Return the name of a part, for messages: its own, or that of its class."""
    name = getattr(part, "name", None)
    return name if isinstance(name, str) else type(part).__name__


class HasParts(Protocol):
    """What this file asks of a `Route`."""

    @property
    def middleware(self) -> tuple[Any, ...]:
        """Its own middleware, parts among it."""
        ...

    @property
    def hooks(self) -> tuple[Any, ...]:
        """The hooks of the routers that it is a part of, outermost first."""
        ...


def parts_of(route: HasParts) -> Iterator[Any]:
    """Yield the parts that see the requests of a route, outermost first."""
    for level in dict.fromkeys(route.hooks):
        yield from (hook.func for hook in sorted(level.parts))
    yield from filter(is_part, route.middleware)


def warnings_of(routes: Iterable[HasParts]) -> list[str]:
    """Have each part look at the routes that it sees. Return what they warn about, a line each.

    A part is asked if it has a method `check_routes(routes)`, which returns lines, or None. Raise
    what one raises, and UsageError if it returns anything else.
    """
    seen: dict[int, tuple[Any, list[HasParts]]] = {}
    for route in routes:
        for part in parts_of(route):
            if hasattr(part, ROUTES):
                found = seen.setdefault(id(part), (part, []))[1]
                if not found or found[-1] is not route:
                    found.append(route)
    lines: list[str] = []
    for part, found in seen.values():
        said = part.check_routes(found)
        if said is None:
            continue
        if not isinstance(said, list) or not all(isinstance(each, str) for each in said):
            raise UsageError(
                f"check_routes of the part {name_of_part(part)} returned {shown(said)}; expected "
                "a list of lines, or None"
            )
        lines += said
    return lines


def transformed(body: bytes, transforms: Iterable[Transform]) -> bytes:
    """Return a whole body after all that changes it."""
    for transform in transforms:
        body = transform.feed(body) + transform.finish()
    return body
