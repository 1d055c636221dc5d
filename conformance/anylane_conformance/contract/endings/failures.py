"""Handlers, hooks, iterators and jobs that raise what they should not."""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from anylane import App, Cancelled, Context, Disconnected, HTTPError, Router

if TYPE_CHECKING:
    from anylane_conformance.contract.stage import Stage


class OwnError(BaseException):
    """A user's own exception that is no Exception."""


class UnspeakableError(Exception):
    """An exception that cannot be told of."""

    def __repr__(self) -> str:
        raise OwnError("no repr")

    def __str__(self) -> str:
        raise OwnError("no str")


class UnspeakableBaseError(BaseException):
    """The same, and no Exception."""

    def __repr__(self) -> str:
        raise OwnError("no repr")

    def __str__(self) -> str:
        raise OwnError("no str")


KINDS: dict[str, Callable[[], BaseException]] = {
    "own": lambda: OwnError("of a user"),
    "generator-exit": GeneratorExit,
    "system-exit": lambda: SystemExit(3),
    "keyboard-interrupt": KeyboardInterrupt,
    "asyncio-cancelled": CancelledError,
    "cancelled": Cancelled,
    "unspeakable": UnspeakableError,
    "unspeakable-base": UnspeakableBaseError,
    "group": lambda: BaseExceptionGroup("several", [OwnError("one"), ValueError("two")]),
}
"""What is raised, by name. No lane has cancelled anything."""

WHOLE = (
    "async", "def", "inline", "request", "response", "around", "around-after", "own-middleware",
    "handling", "first-of-async-items", "first-of-items", "run-sync", "called", "tuple",
)  # fmt: skip
"""Where it is raised before a head is out: the answer is a 500."""

BEGUN = ("stream", "events", "async-items", "items", "closing-items")
"""Where it is raised behind a head: the answer must not look whole."""


def fail(kind: str) -> Any:
    """Raise what has this name."""
    failure = KINDS[kind]()
    raise failure


def build(app: App, stage: Stage) -> None:
    """Add what raises, below /raise/{where}/{kind}, /raise-later and /raise-ws."""
    router = Router("/raise")
    _hooks(router)
    _whole(router)
    _begun(router)
    app.include(router)
    _handlers_of_exceptions(app)
    _websockets(app)
    _jobs(app, stage)
    _groups(app)
    _unknown_awaits(app, stage)


class HandledError(Exception):
    """Raised for an exception handler that fails itself."""


def _hooks(router: Router) -> None:
    def at(ctx: Context, where: str) -> None:
        if ctx.route is not None and ctx.route.pattern.text.startswith(f"/raise/{where}/"):
            fail(ctx.params["kind"])

    @router.middleware
    async def around(ctx: Context, call_next: Any) -> None:
        at(ctx, "around")
        await call_next()
        at(ctx, "around-after")

    @router.request_middleware
    async def before(ctx: Context) -> None:
        at(ctx, "request")

    @router.response_middleware
    def after(ctx: Context) -> None:
        at(ctx, "response")


def _whole(router: Router) -> None:
    for where in ("request", "response", "around", "around-after"):

        @router.get(f"/{where}/{{kind}}")
        async def answered(ctx: Context) -> str:
            return "answered"

    async def own(ctx: Context, call_next: Any) -> None:
        await ctx.sleep(0)
        fail(ctx.params["kind"])

    @router.get("/own-middleware/{kind}", middleware=[own])
    async def never(ctx: Context) -> str:
        return "answered"

    @router.get("/async/{kind}")
    async def of_async(ctx: Context) -> None:
        await ctx.sleep(0)
        fail(ctx.params["kind"])

    @router.get("/def/{kind}")
    def of_def(ctx: Context) -> None:
        fail(ctx.params["kind"])

    @router.get("/inline/{kind}", inline=True)
    def inline(ctx: Context) -> None:
        fail(ctx.params["kind"])

    @router.get("/handling/{kind}")
    async def handling(ctx: Context) -> None:
        raise HandledError

    @router.get("/run-sync/{kind}")
    async def run_sync(ctx: Context) -> None:
        await ctx.run_sync(fail, ctx.params["kind"])

    @router.get("/called/{kind}")
    def called(ctx: Context) -> None:
        async def later() -> None:
            await ctx.sleep(0)
            fail(ctx.params["kind"])

        ctx.call(later)

    @router.get("/tuple/{kind}")
    async def of_tuple(ctx: Context) -> Any:
        return KINDS[ctx.params["kind"]](), 1

    @router.get("/first-of-async-items/{kind}")
    async def first_of_async_items(ctx: Context) -> Any:
        async def items() -> AsyncGenerator[str]:
            fail(ctx.params["kind"])
            yield "one"

        return items()

    @router.get("/first-of-items/{kind}")
    def first_of_items(ctx: Context) -> Any:
        return map(fail, [ctx.params["kind"]])


def _begun(router: Router) -> None:
    @router.get("/stream/{kind}")
    async def stream(ctx: Context) -> None:
        async with ctx.stream() as out:
            await out.write("one")
            await ctx.sleep(0)
            fail(ctx.params["kind"])

    @router.get("/events/{kind}")
    async def events(ctx: Context) -> None:
        async with ctx.event_stream() as events:
            await events.send("one")
            await ctx.sleep(0)
            fail(ctx.params["kind"])

    @router.get("/async-items/{kind}")
    async def async_items(ctx: Context) -> Any:
        async def items() -> AsyncGenerator[str]:
            yield "one"
            await ctx.sleep(0)
            fail(ctx.params["kind"])

        return items()

    @router.get("/items/{kind}")
    def of_items(ctx: Context) -> Any:
        def items() -> Iterator[str]:
            yield "one"
            fail(ctx.params["kind"])

        return items()

    @router.get("/closing-items/{kind}")
    async def closing(ctx: Context) -> Any:
        async def items() -> AsyncGenerator[Any]:
            try:
                yield "one"
                yield object()  # No chunk, so that the rest is closed.
            finally:
                fail(ctx.params["kind"])

        return items()


def _handlers_of_exceptions(app: App) -> None:
    @app.exception_handler(HandledError)
    async def handled(ctx: Context, exc: Exception) -> None:
        await ctx.sleep(0)
        fail(ctx.params["kind"])


def _websockets(app: App) -> None:
    @app.websocket("/raise-ws/{kind}")
    async def raising(ctx: Context) -> None:
        ws = await ctx.accept()
        await ws.receive()
        fail(ctx.params["kind"])

    @app.websocket("/raise-ws-early/{kind}")
    async def early(ctx: Context) -> None:
        await ctx.sleep(0)
        fail(ctx.params["kind"])


def _jobs(app: App, stage: Stage) -> None:
    async def later(ctx: Context, kind: str) -> None:
        await ctx.sleep(0)
        fail(kind)

    @app.get("/raise-later/{how}/{kind}")
    async def left(ctx: Context) -> str:
        kind = ctx.params["kind"]
        if ctx.params["how"] == "async":
            ctx.background(later, ctx, kind)
        else:
            ctx.background(fail, kind)
        ctx.background(stage.note, f"behind {kind}")
        return "answered"


class Unknown:
    """An awaitable that no event loop knows."""

    def __await__(self) -> Generator[Unknown]:
        yield self


def _unknown_awaits(app: App, stage: Stage) -> None:
    """Add handlers that await what no event loop knows."""

    @app.get("/await-unknown/first")
    async def first(ctx: Context) -> None:
        await Unknown()

    @app.get("/await-unknown/later")
    async def later(ctx: Context) -> None:
        await ctx.sleep(0.01)
        await Unknown()

    @app.get("/await-unknown/in-background")
    async def in_background(ctx: Context) -> str:
        async def job() -> None:
            await Unknown()

        ctx.background(job)
        ctx.background(stage.note, "behind it")
        return "begun"


def _groups(app: App) -> None:
    @app.get("/group-of/{what}")
    async def group_of(ctx: Context) -> None:
        leaf = {"error": HTTPError(409, "taken"), "gone": Disconnected()}[ctx.params["what"]]
        raise ExceptionGroup("outer", [ExceptionGroup("inner", [leaf])])

    @app.get("/group-of-two")
    async def group_of_two(ctx: Context) -> None:
        raise ExceptionGroup("two", [HTTPError(409, "taken"), ValueError("and this")])


number: ContextVar[int] = ContextVar("number", default=0)
"""How many connections came before, for the hook at the end of each."""


def connections(app: App, stage: Stage) -> None:
    """Add, for a case of its own, hooks of connections that raise one kind after the other: at the
    odd connections as they come, at the even ones as they go, and not at the first."""

    def kind(at: int) -> str | None:
        return tuple(KINDS)[(at - 1) // 2] if 0 < at <= 2 * len(KINDS) else None

    @app.on_connect
    async def hello(ctx: Context) -> None:
        at = len(stage.guests)
        stage.guests.append(ctx.request.client)
        number.set(at)
        await ctx.sleep(0.01)
        found = kind(at)
        if found is not None and at % 2:
            fail(found)

    @app.on_disconnect
    async def goodbye(ctx: Context) -> None:
        await ctx.sleep(0)
        stage.note(f"gone {number.get()}")
        found = kind(number.get())
        if found is not None:
            fail(found)
