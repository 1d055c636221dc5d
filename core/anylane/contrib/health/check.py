"""Check: one question of your own, such as whether the database answers, and what was found.

It is run apart from the probes that ask for it: at most once at a time, whatever it does, and its
result is shared by all that ask within a short time.
"""

from __future__ import annotations

from _thread import allocate_lock
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from anylane.callables import accepted_positionals, is_coroutine_function, signature_problem
from anylane.errors import UsageError
from anylane.handling.context import Context
from anylane.handling.failures import taken_apart
from anylane.shown import shown

if TYPE_CHECKING:
    from anylane.lane.link import Link
    from anylane.routing.base_app import BaseApp


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a check has found. reason: why it failed, None if it is well; safe to be shown to
    anyone. at: when it ended, on the core's clock. seconds: how long it took."""

    reason: str | None
    at: float
    seconds: float

    @property
    def well(self) -> bool:
        """Return whether nothing is wrong."""
        return self.reason is None


@dataclass(frozen=True, slots=True)
class Check:
    """A question by its name.

    func: a `def`, which runs in the pool, or an `async def`; it may take a ctx, to wait with. It is
    well if it returns None or True. timeout: seconds that it may take. fresh: seconds for which
    its result is used again. Raises UsageError for what is no such function.
    """

    name: str
    func: Callable[..., Any]
    timeout: float
    fresh: float

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:  # type: ignore[redundant-expr]
            raise UsageError(f"Health checks has the name {shown(self.name)}; expected a str")
        if not callable(self.func):
            raise UsageError(
                f"Health checks has {shown(self.func)} for {self.name!r}; expected a function"
            )
        if problem := signature_problem(self.func, "()", "(ctx)"):
            raise UsageError(f"the health check {self.name!r} {problem}")

    async def ask(self, ctx: Context) -> str | None:
        """Run it, and return why it failed; None if it is well. Raise what it raises."""
        func, arguments = self.func, (ctx,)[: accepted_positionals(self.func, 1)]
        found: Any = None
        if is_coroutine_function(func):
            async with ctx.timeout(self.timeout):
                found = await func(*arguments)
        else:
            found = await ctx.run_handler(lambda _: func(*arguments))
            if hasattr(found, "__await__"):
                async with ctx.timeout(self.timeout):
                    found = await found
        if found is None or found is True:
            return None
        if found is False:
            return "returned False"
        return f"returned {type(found).__name__}; expected None or a bool"


class RunningCheck:
    """A check on one server: whether it runs now, and what it has found last."""

    __slots__ = ("_began", "_check", "_lock", "_outcome", "_running", "_told", "_waiting")

    def __init__(self, check: Check) -> None:
        self._check = check
        self._lock = allocate_lock()
        self._outcome: Outcome | None = None
        self._began = 0.0
        self._running = False
        self._waiting: set[Link] = set()
        self._told = False

    def start(self, ctx: Context) -> None:
        """Have it run, unless it runs already or its result is fresh. Return at once."""
        link, now = ctx.link, ctx.link.now()
        with self._lock:
            last = self._outcome
            if self._running or (last is not None and now < last.at + self._check.fresh):
                return
            self._running, self._began = True, now
        # Apart from this exchange: a client that leaves ends no check, and on threads a function
        # that blocks holds none of the threads of handlers.
        link.driver.run_apart(partial(self._run, ctx.app))

    async def outcome(self, ctx: Context) -> Outcome:
        """Return what it finds, or has found; that it is late if it is."""
        link, alarms = ctx.link, ctx.exchange.alarms
        with self._lock:
            if not self._running and self._outcome is not None:
                return self._outcome
            deadline = self._began + self._check.timeout
            self._waiting.add(link)
        alarm = alarms.set(deadline)
        try:
            while self._running and link.now() < deadline:
                await link.wait()
                ctx.check()
        finally:
            alarms.cancel(alarm)
            with self._lock:
                self._waiting.discard(link)
        with self._lock:
            if not self._running and self._outcome is not None:
                return self._outcome
        late = self._late(link.now())
        self._tell(link, late, None)
        return late

    def _late(self, now: float) -> Outcome:
        return Outcome(f"took longer than {self._check.timeout:g} s", now, now - self._began)

    async def _run(self, app: BaseApp, link: Link) -> None:
        """Run it, as an errand of its own."""
        reason: str | None = "was cut off"
        failure: BaseException | None = None
        try:
            reason = await self._check.ask(Context(link.exchange, link, app))
        except BaseException as exc:
            passing, failure = taken_apart(exc, link)
            if failure is not None:
                # Its text may hold an address or a password, and probes are often open to all.
                reason = f"raised {type(failure).__name__}"
            if passing is exc:
                raise
            if passing is not None:
                raise passing from None
        finally:
            now = link.now()
            late = now - self._began >= self._check.timeout
            outcome = self._late(now) if late else Outcome(reason, now, now - self._began)
            with self._lock:
                self._running, self._outcome = False, outcome
                waiting = tuple(self._waiting)
            self._tell(link, outcome, failure)
            for each in waiting:
                each.wake()

    def _tell(self, link: Link, outcome: Outcome, failure: BaseException | None) -> None:
        """Log that it fails, or is well again: once each."""
        with self._lock:
            if outcome.well is not self._told:
                return
            self._told = not outcome.well
        name = self._check.name
        if outcome.well:
            link.host.log("info", f"the health check {name!r} is well again", None)
        else:
            said = "" if failure is None else f": {shown(failure, 1000)}"
            link.host.log("warning", f"the health check {name!r} {outcome.reason}{said}", failure)
