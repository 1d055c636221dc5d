# ruff: noqa: PYI001, PYI021
# Other modules take the type variables from here, and this file is the only place to say what each
# name stands for.

from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Iterator,
)
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import (
    Any,
    ParamSpec,
    Protocol,
    TypeAlias,
    TypeVar,
    TypeVarTuple,
    overload,
    type_check_only,
)

from anylane.app import App
from anylane.errors import Refused
from anylane.handling.context import Context as Context
from anylane.realtime.source import Source
from anylane.routing.hooks import Stop
from anylane.routing.parts import Transform

P = ParamSpec("P")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
Ts = TypeVarTuple("Ts")
S1 = TypeVar("S1", bound=Source)
S2 = TypeVar("S2", bound=Source)
S3 = TypeVar("S3", bound=Source)
E = TypeVar("E", bound=Exception)
E_co = TypeVar("E_co", bound=Exception, covariant=True)
E_contra = TypeVar("E_contra", bound=Exception, contravariant=True)

Verdict: TypeAlias = Stop | None
"""What a request or response hook returns; anything else is an error when it runs."""

@type_check_only
class CallNext(Protocol):
    """What middleware is given to go on with."""

    def __call__(self, ctx: Context = ..., /) -> Awaitable[None]: ...

# The type variables stand for the function itself: a decorator returns it with the type that it
# has.

SocketHandler = TypeVar("SocketHandler", bound=Callable[..., Awaitable[Any]])
"""A WebSocket handler: `async def`."""

RequestHook = TypeVar("RequestHook", bound=Callable[[Context], Verdict | Awaitable[Verdict]])
"""A request or response hook."""

AroundHook = TypeVar("AroundHook", bound=Callable[[Context, CallNext], Awaitable[Any]])
"""Middleware: `async def`."""

PlainHook = TypeVar("PlainHook", bound=Callable[[], object])
"""A startup or shutdown hook."""

ConnectionHook = TypeVar("ConnectionHook", bound=Callable[[Context], object])
"""A hook of connections."""

RefusalHook = TypeVar(
    "RefusalHook", bound=Callable[[Context], object] | Callable[[Context, Refused], object]
)
"""A hook of `request_error`."""

JobFunction = TypeVar("JobFunction", bound=Callable[[], object] | Callable[[Context], object])
"""A job of `every`."""

@type_check_only
class ExceptionHandler(Protocol[E_contra, P, T_co]):  # pyright: ignore[reportInvalidTypeVarUse]
    """A function that takes `(ctx, exc)` and has the signature P. It is both of the overloads."""

    @overload
    def __call__(self, ctx: Context, exc: E_contra, /) -> T_co: ...
    @overload
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T_co: ...

@type_check_only
class ExceptionDecorator(Protocol[E_co]):
    """What `exception_handler` returns. The function keeps its signature."""

    def __call__(self, func: ExceptionHandler[E_co, P, T], /) -> Callable[P, T]: ...

Guard: TypeAlias = Callable[[Context], object]
"""What `when=` takes: a `def` that returns at once something true or false."""

RouteMiddleware: TypeAlias = Callable[[Context, CallNext], Awaitable[Any]] | Part
"""What stands in the `middleware=` of a route."""

@type_check_only
class RequestPart(Protocol):
    def request(self, ctx: Context, /) -> Verdict | Awaitable[Verdict]: ...

@type_check_only
class AroundPart(Protocol):
    def around(self, ctx: Context, call_next: CallNext, /) -> Awaitable[Any]: ...

@type_check_only
class ResponsePart(Protocol):
    def response(self, ctx: Context, /) -> Verdict | Awaitable[Verdict]: ...

@type_check_only
class BodyPart(Protocol):
    def body(self, ctx: Context, /) -> Transform | None: ...

Part: TypeAlias = RequestPart | AroundPart | ResponsePart | BodyPart
"""What `use` takes: an object with at least one of the methods of a part."""

@type_check_only
class RunSync(Protocol):
    """The type of `ctx.run_sync`, by which `ctx.call` knows it."""

    def __call__(self, func: Callable[[*Ts], T], *args: *Ts) -> Awaitable[T]: ...

Span: TypeAlias = (
    AsyncIterator[Any]
    | Iterator[Any]
    | AbstractAsyncContextManager[Any, Any]
    | AbstractContextManager[Any, Any]
)
"""What a function of `lifespan` gives: one `yield`, or a context manager."""

LifespanFunction = TypeVar(
    "LifespanFunction",
    bound=Callable[[], Span]
    | Callable[[App], Span]
    | AbstractAsyncContextManager[Any, Any]
    | AbstractContextManager[Any, Any],
)
"""A function of `lifespan`, or the context manager itself."""
