"""Context: everything about one request, for its handler.

It talks to the Exchange and to the Link, never to the wire, and it decides nothing about bytes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any, overload

from anylane.callables import is_coroutine_function, location
from anylane.errors import UsageError
from anylane.handling.answering import Answering
from anylane.handling.blocking import Calls, run_blocking
from anylane.handling.job import Ending, Job
from anylane.http.semantics.preconditions import Validators, demand
from anylane.lane.link import shielded
from anylane.lane.timeout import Timeout
from anylane.protocol.timers import deadline_after
from anylane.realtime.select import Select
from anylane.realtime.source import Source

if TYPE_CHECKING:
    from datetime import datetime

    from anylane.realtime.subprotocols import Credential
    from anylane.routing.function_types import S1, S2, S3, RunSync, T, Ts


class Context(Answering):
    """One request and its response. Handlers and hooks are given it.

    params: the parameters of the route, converted. error: the exception that the response is for,
    or that has ended it, which error and response hooks and `on_end` may look at; None otherwise.
    app: the App that serves this.

    Whatever sends or waits takes in what the client did meanwhile. It raises Disconnected if the
    client is gone, and the lane's cancellation (or `Cancelled`) if the handler was interrupted,
    again at each use; and UsageError once the handler has returned. `run_sync`, `background` and a
    WebSocket's `close` still work after an interruption, until `Timeouts.close` is over.

    For the framework: route, unrouted (what there is instead), items (a returned iterator), held
    (what is given back before the exchange ends), jobs (those of `background`), endings (those of
    `on_end`), credential (a token among the subprotocols), exchange and link. Private to
    `handling`: _request and _response (None until they are first looked at), _failed (`error` has
    not been dealt with), _gate (None where no hook sees the answer), _shown (an answer has passed
    it), _pending (the middleware that has not come to its end).
    """

    __slots__ = (
        "_session",
        "_user",
        "credential",
    )  # Unset until a part sets them: that costs other requests nothing.

    credential: Credential
    jobs: list[Job] | None
    endings: list[Ending] | None
    _calls: Calls | None

    # -- what parts have found out -----------------------------------------------------------------

    @property
    def user(self) -> Any:
        """Return what authentication has found: the claims of `JWTAuth`, or what `verify` of
        another part returned. Raise UsageError where no such part has let the request pass."""
        try:
            return self._user
        except AttributeError:
            raise UsageError(
                "ctx.user is set by BearerAuth, JWTAuth or BasicAuth, and none of them has let "
                "this request pass: app.use(JWTAuth(...)), on a router or a route likewise"
            ) from None

    @user.setter
    def user(self, user: Any) -> None:
        self._user = user

    @property
    def session(self) -> Any:
        """Return the session, a mapping that `Sessions` keeps for this client. Raise UsageError
        where that part is not used."""
        try:
            return self._session
        except AttributeError:
            raise UsageError(
                "ctx.session needs the part Sessions: app.use(Sessions(secret)), on a router or a "
                "route likewise"
            ) from None

    @session.setter
    def session(self, session: Any) -> None:
        self._session = session

    def check_preconditions(
        self,
        etag: str | None = None,
        last_modified: datetime | float | None = None,
        required: bool = False,
        *,
        exists: bool | None = None,
    ) -> None:
        """Raise HTTPError unless the request's conditions let the handler go on (RFC 9110 §13.2).

        Call it before anything is changed. It raises 412 where If-Match, If-Unmodified-Since or
        If-None-Match do not hold, and 304 for a GET or HEAD whose client has the resource already.

        etag: of the resource as it is now; None where it has none. last_modified: when it was
        changed last, seconds since 1970 or a datetime; None where that is not known. required:
        raise 428 where the request has no condition that could be judged. exists: whether there is
        such a resource; None says that there is if one of the two is given. Raise UsageError for
        what is no tag and no moment.
        """
        request, current = self.request, Validators.of(etag, last_modified, exists)
        demand(
            request.method,
            request.headers,
            current,
            required=required,
            now=self.time(),
            answer=self.response.headers,
        )

    # -- waiting ---------------------------------------------------------------------------------

    def now(self) -> float:
        """Return the core's clock, in seconds. It is monotonic, virtual in tests, and of no use
        outside of this process."""
        return self.link.now()

    def time(self) -> float:
        """Return the wall time, in seconds since 1970. It is virtual in tests."""
        return self.link.host.time()

    async def sleep(self, seconds: float) -> None:
        """Wait so many seconds on the core's clock, which is virtual in tests.

        seconds: 0 or less gives others their turn. Raise Disconnected as soon as the client leaves,
        and UsageError if `seconds` is no number. An interruption is raised as `check` says.
        """
        link, exchange = self.link, self.exchange
        if exchange.interrupt is not None and self._calls is None:
            await link.hear()
        alarms = exchange.alarms
        self.check()
        alarm = alarms.set(deadline_after(link.now(), seconds))
        try:
            while not alarm.fired:
                await link.wait()
                self.check()
        finally:
            alarms.cancel(alarm)

    def timeout(self, seconds: float) -> Timeout:
        """Return a block that raises TimeoutError when it takes longer: `async with
        ctx.timeout(5):`. seconds: on the core's clock. See `Timeout`."""
        return Timeout(self.exchange, self.link, seconds)

    @overload
    def select(self, source: S1, /) -> AsyncIterator[tuple[S1, Any]]: ...
    @overload
    def select(self, first: S1, second: S2, /) -> AsyncIterator[tuple[S1 | S2, Any]]: ...
    @overload
    def select(
        self, first: S1, second: S2, third: S3, /
    ) -> AsyncIterator[tuple[S1 | S2 | S3, Any]]: ...
    @overload
    def select(self, *sources: Source) -> AsyncIterator[tuple[Any, Any]]: ...
    def select(self, *sources: Source) -> AsyncIterator[tuple[Any, Any]]:
        """Return an iterator over the items of several sources, in one handler and without a task:
        `async for source, item in ctx.select(ws, subscription)`.

        Sources that have an item get their turns in order. A source that ends is dropped without a
        word (also a subscription that lagged in a Broadcast with on_lag="close"); the loop ends
        when all have. `break` loses no item. The loop raises what a source raises, such as Lagged,
        and Disconnected once the client is gone. Raise UsageError for no source, and for what is
        none.
        """
        if not sources:
            raise UsageError("ctx.select() needs a source: a WebSocket, a Subscription ...")
        return Select(self.exchange, self.link, sources)

    async def run_sync(self, func: Callable[[*Ts], T], *args: *Ts) -> T:
        """Run a blocking function in the pool; return its result, or raise what it raises.

        If the handler is cancelled meanwhile, the function goes on in its thread. After an
        interruption this still works, for cleaning up, until `Timeouts.close` is over. Raise
        UsageError for an `async def`.
        """
        if is_coroutine_function(func):
            raise UsageError(
                f"ctx.run_sync() got {location(func)}, an `async def`; it takes a function that "
                "blocks. Await that one as it is"
            )
        link = self.link
        if self.exchange.interrupt is not None:
            return await shielded(  # type: ignore[no-any-return]
                link, lambda: run_blocking(link, lambda: func(*args))
            )
        return await run_blocking(link, lambda: func(*args), left=self._leave)

    @overload
    def call(self, func: RunSync, blocking: Callable[[*Ts], T], /, *args: *Ts) -> T: ...
    @overload
    def call(self, func: Callable[[*Ts], Awaitable[T]], *args: *Ts) -> T: ...
    # It accepts what both declare; checkers cannot tell that of a TypeVarTuple.
    def call(  # type: ignore[misc]  # pyright: ignore[reportInconsistentOverload]
        self, func: Callable[..., Any], *args: Any
    ) -> Any:
        """Have `func(*args)` awaited for a `def` handler, such as `ctx.call(ctx.sleep, 1)`.

        It blocks the handler's thread. Return the result, or raise what `func` raises. Raise
        UsageError in an `async def` handler and if the handler has ended, and Cancelled if it was
        interrupted.
        """
        if self._calls is None:
            raise UsageError("ctx.call() is for `def` handlers; in an `async def` use await")
        if func == self.run_sync:
            # Already in a pool thread; a second one could only be waited for.
            return args[0](*args[1:])
        if self.link.inline:
            return self.link.drive(func(*args))
        return self._calls.run(func, args)

    def background(self, func: Callable[[*Ts], object], *args: *Ts) -> None:
        """Call `func(*args)` once the last byte of the response was written, whatever became of it.

        func: a `def` runs in the pool, an `async def` is awaited. The functions of one request run
        one after the other. The next request does not wait for them; a drain does, up to
        `Timeouts.drain`. A failure is logged. In the function, `ctx` can be used to wait and not to
        answer. Raise UsageError for what is no function.
        """
        if self.jobs is None:
            self.jobs = []
        self.jobs.append(Job(func, args))

    def on_end(self, func: Callable[[Context], object]) -> None:
        """Call `func(ctx)` once the exchange is over, whatever became of it: for parts that count
        or log. Status and bytes are known then. It must not block; a failure is logged."""
        if self.endings is None:
            self.endings = []
        self.endings.append(func)

    def release(self) -> None:
        """Close the uploads: the exchange is over, and so is its background work."""
        if self._request is not None and self._request.uploads is not None:
            self._request.uploads.close()

    async def run_handler(self, func: Callable[[Context], Any]) -> Any:
        """Run a `def` handler in the pool, where `call` works, and return its result."""
        self._calls = Calls(self.link)
        return await run_blocking(self.link, lambda: func(self), self._calls, self._leave)

    def calls(self) -> Calls:
        """Return what `call` goes through, in a `def` handler and in each step of an iterator."""
        if self._calls is None:
            self._calls = Calls(self.link)
        return self._calls
