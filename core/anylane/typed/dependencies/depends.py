"""Depends: a parameter whose value another function gives, for a request or the app's life."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Iterator
from typing import Any, Literal, TypeVar, overload

from anylane.callables import location
from anylane.errors import UsageError
from anylane.shown import shown

T = TypeVar("T")

Scope = Literal["handler", "response", "app"]
SCOPES: tuple[Scope, ...] = ("handler", "response", "app")


def key_of(func: Callable[..., Any]) -> Any:
    """Return what tells a function from others. An object without a hash, such as a dataclass with
    `__call__`, is itself and no other."""
    try:
        hash(func)
    except TypeError:
        return id(func)
    return func


class Dependency:
    """What `Depends` says of a parameter.

    func: gives the value. scope: how long the value lives. inline: whether a plain `def` is called
    directly, because it does not block.
    """

    __slots__ = ("func", "inline", "scope")

    def __init__(self, func: Callable[..., Any], scope: Scope, *, inline: bool) -> None:
        self.func: Callable[..., Any] = func
        self.scope: Scope = scope
        self.inline: bool = inline

    def __repr__(self) -> str:
        return f"Depends({location(self.func)})"


@overload
def Depends(
    func: Callable[..., AsyncGenerator[T, Any]], scope: Scope = ..., *, inline: bool = ...
) -> T: ...
@overload
def Depends(
    func: Callable[..., AsyncIterator[T]], scope: Scope = ..., *, inline: bool = ...
) -> T: ...
@overload
def Depends(
    func: Callable[..., Generator[T, Any, Any]], scope: Scope = ..., *, inline: bool = ...
) -> T: ...
@overload
def Depends(func: Callable[..., Iterator[T]], scope: Scope = ..., *, inline: bool = ...) -> T: ...
@overload
def Depends(func: Callable[..., Awaitable[T]], scope: Scope = ..., *, inline: bool = ...) -> T: ...
@overload
def Depends(func: Callable[..., T], scope: Scope = ..., *, inline: bool = ...) -> T: ...
def Depends(  # noqa: N802  # It reads as a marker, and its type is that of the value.
    func: Callable[..., Any], scope: Scope = "handler", *, inline: bool = False
) -> Any:
    """Say that a parameter is given by a function: `db: Annotated[Database, Depends(database)]`.

    The function may have parameters as a handler has, other dependencies among them. It gives one
    value for each request, however often it is asked for. A plain `def` runs in the pool.

    func: an `async def` or a `def`. With one `yield` in it, what stands behind that is run when the
        value is given back; an exception of the handler, or its interruption, is raised there.
    scope: when that is. "handler": once a whole answer is built and before its head goes out, and
        for streams, event streams and WebSockets when they end. "response": after the last byte.
        "app": the value is made when the server starts, and given back when it stops.
    inline: call a plain `def` directly, because it does not block.

    Raise UsageError for what is no function, and for another scope.
    """
    if not callable(func):
        raise UsageError(
            f"Depends() got {shown(func)}; expected a function, without its parentheses: "
            "Depends(database)"
        )
    if scope not in SCOPES:
        raise UsageError(f"the scope of Depends({location(func)}) is {shown(scope)}; expected one "
                         f"of {', '.join(map(repr, SCOPES))}")  # fmt: skip
    return Dependency(func, scope, inline=inline)
