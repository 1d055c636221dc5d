"""Stepping a portable handler by hand, on lanes where no event loop owns it.

A portable handler awaits only `ctx`, so PARK is all that it ever yields. Anything else comes from
an event loop's library and is foreign: the handler gets an error that names what it awaited.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from contextvars import ContextVar
from types import TracebackType
from typing import Any, NoReturn, Self

from anylane.errors import Cancelled, UsageError
from anylane.lane.link import Link
from anylane.shown import shown, spoken

LOOPS = ("asyncio", "trio", "curio", "anyio", "uvloop", "sniffio")
"""The packages of event loops."""

_RUN_BY: dict[str, tuple[str, ...]] = {
    "asyncio": ("asyncio", "anyio", "sniffio"),
    "uvloop": ("asyncio", "anyio", "sniffio", "uvloop"),
    "anyio": LOOPS,  # It runs on asyncio or trio.
    "trio": ("trio", "anyio", "sniffio"),
    "curio": ("curio",),
}
"""By lane, the packages that may be awaited there. One that is not here runs any of them."""

_SYMPTOMS = (
    "no running event loop",
    "no current event loop",
    "async context",
    "'NoneType' object has no attribute",
    "'RunContext' object has no attribute",
    "Not currently running on any asynchronous event loop",
    "unrecognized yield message",
    "Task got bad yield",
    "No module named 'anyio._backends.",
)
"""Parts of the messages by which the libraries say that none of their loops is running here."""


class ForeignAwaitError(UsageError):
    """A handler awaited something that needs an event loop, on a lane that has none.

    It is raised in the handler, at that `await`. The message names what was awaited.
    """


class Park:
    """The type of PARK, which `park` yields up to `step`: resume this coroutine after `notify`."""

    __slots__ = ()

    def __await__(self) -> Generator[Park, None, None]:
        yield self


PARK = Park()


in_memory: ContextVar[bool] = ContextVar("anylane_in_memory", default=False)
"""Whether what runs here is stepped in memory. A loop that runs around it, such as that of an async
test, is not its own then."""


def step(coroutine: Coroutine[Any, Any, Any], lane: str) -> bool:
    """Run a coroutine until its next PARK; return False when it has ended.

    lane: the name of the backend, for the message. A foreign await is answered inside the coroutine
    with ForeignAwaitError, as often as it tries. What the coroutine raises passes through.
    """
    send: Callable[[], Any] = lambda: coroutine.send(None)  # noqa: E731
    while True:
        try:
            yielded = send()
        except StopIteration:
            return False
        if yielded is PARK:
            return True
        error = ForeignAwaitError(_message(_awaited(coroutine, yielded), lane))
        send = lambda: coroutine.throw(error)  # noqa: E731, B023


def explain(exc: BaseException, lane: str, *, inline: bool = True) -> str | None:
    """Return a message if `exc` came out of an event loop's library that is not run by the lane,
    else None.

    Such a library does not always yield first: `asyncio.sleep` raises RuntimeError("no running
    event loop"). inline: whether the lane has no event loop.
    """
    if isinstance(exc, ForeignAwaitError):
        return str(exc)
    text = spoken(exc)
    if not any(part in text for part in _SYMPTOMS):
        return None
    own = () if inline else _RUN_BY.get(lane, LOOPS)
    traceback = exc.__traceback__
    while traceback is not None:
        code = traceback.tb_frame.f_code
        package = str(traceback.tb_frame.f_globals.get("__name__", "")).partition(".")[0]
        if package in LOOPS and package not in own:
            awaited = f"{package}.{code.co_name}"
            return _message(awaited, lane) if inline else _other_loop(awaited, lane)
        traceback = traceback.tb_next
    return None


def _awaited(coroutine: Any, yielded: object) -> str:
    """Return the name of the innermost thing with a name that the handler awaits."""
    name = shown(yielded)
    found = coroutine
    while found is not None:
        code = getattr(found, "cr_code", None) or getattr(found, "gi_code", None)
        if code is not None:
            frame = getattr(found, "cr_frame", None) or getattr(found, "gi_frame", None)
            module = frame.f_globals.get("__name__", "") if frame is not None else ""
            if module.partition(".")[0] in LOOPS:
                return f"{module.partition('.')[0]}.{code.co_name}"
            name = code.co_name
        found = getattr(found, "cr_await", None) or getattr(found, "gi_yieldfrom", None)
    return name if yielded is None else f"{name} ({shown(yielded)})"


def _message(awaited: str, lane: str) -> str:
    return (
        f"the handler awaited {awaited}, which needs its own event loop, and the {lane} lane has "
        "none. Await only ctx there (ctx.sleep, ctx.run_sync ...), or choose that loop's backend."
    )


def _other_loop(awaited: str, lane: str) -> str:
    package = awaited.partition(".")[0]
    backend = "anyio" if package == "sniffio" else package
    return (
        f"the handler awaited {awaited}, which needs {package}'s own event loop, and the {lane} "
        f"lane runs another. Await only ctx there (ctx.sleep, ctx.run_sync ...), or choose that "
        f"loop's backend: --backend {backend}."
    )


class SteppedScope:
    """A scope on a lane without native cancellation (see `Scope`).

    Its cancellation is seen at the next `wait()` inside, which raises `Cancelled`. shields: keep
    out the cancellations of the scopes around it.
    """

    __slots__ = ("_link", "_open", "cancelled", "caught", "shields")

    def __init__(self, link: SteppedLink, *, shields: bool = False) -> None:
        self._link = link
        self._open = True
        self.shields: bool = shields
        self.cancelled: bool = False
        self.caught: bool = False

    def cancel(self) -> None:
        """Cancel what runs inside, from any thread. Do nothing once the block was left."""
        if self._open and not self.cancelled:
            self.cancelled = True
            self._link.wake()

    async def __aenter__(self) -> Self:
        self._link.scopes.append(self)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        self._open = False
        self._link.scopes.remove(self)
        # The outermost cancelled scope takes the cancellation, as in trio.
        self.caught = (
            isinstance(exc, Cancelled) and self.cancelled and not self._link.is_cancelled()
        )
        return self.caught


class Done:
    """The handle of a function that ran inline (see `Handle`). Making it runs the function."""

    __slots__ = ("_error", "_value")

    def __init__(self, func: Callable[[], Any]) -> None:
        self._error: BaseException | None = None
        self._value: Any = None
        try:
            self._value = func()
        except BaseException as exc:  # noqa: BLE001  # kept for result(), as a future would
            self._error = exc

    def done(self) -> bool:
        """Return True: the function has ended."""
        return True

    def result(self) -> Any:
        """Return what the function has returned, or raise what it has raised."""
        if self._error is not None:
            raise self._error
        return self._value


class SteppedLink(Link):
    """The Link of lanes that step. A lane supplies `notify` and `block`.

    latched: whether `notify` was called since `park` last returned. scopes: those that are open,
    outermost first. closed: the coroutine is closed where it was parked: its server is gone.
    """

    __slots__ = ("closed", "latched", "scopes")

    inline = True

    def __init__(self, driver: Any, exchange: Any) -> None:
        super().__init__(driver, exchange)
        self.latched: bool = False
        self.closed: bool = False
        self.scopes: list[SteppedScope] = []

    def is_cancelled(self) -> bool:
        """Return whether a scope that is open was cancelled, and no shield is inside of it."""
        for scope in reversed(self.scopes):
            if scope.cancelled or scope.shields:
                return scope.cancelled
        return False

    def is_cancellation(self, exc: BaseException) -> bool:
        """Return whether a scope raises `exc`, or the coroutine is closed."""
        if isinstance(exc, GeneratorExit):
            return self.closed
        return super().is_cancellation(exc) or (isinstance(exc, Cancelled) and self.is_cancelled())

    async def park(self) -> None:
        """Suspend until `notify` (see `Link.park`). Raise Cancelled if an open scope was cancelled,
        before or after suspending."""
        if self.is_cancelled():
            self._cancel()
        if not self.latched:
            try:
                await PARK
            except GeneratorExit:  # Nothing goes on here, so nothing else can say so.
                self.closed = True
                raise
        self.latched = False
        if self.is_cancelled():
            self._cancel()

    def _cancel(self) -> NoReturn:
        if self.exchange.interrupt is not None:
            self.exchange.told = True
        raise Cancelled

    def scope(self) -> SteppedScope:
        """Return a scope whose cancellation is seen at the next `wait()` inside."""
        return SteppedScope(self)

    def shield(self) -> SteppedScope:
        """Return a scope inside of which the cancellations of those around it are not seen."""
        return SteppedScope(self, shields=True)

    def submit(self, func: Callable[[], Any]) -> Done:
        """Run the function now, on this stack. What it raises is kept for `result()`."""
        return Done(func)

    def drive(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine to its end on this stack, and `block` where it parks. Return its result,
        or raise what it raises."""
        result: list[Any] = []

        async def collect() -> None:
            result.append(await coroutine)

        runner = collect()
        while step(runner, self.host.lane):
            self.block()
        return result[0]

    def block(self) -> None:
        """Block this stack until something has happened to the exchange."""
        raise NotImplementedError
