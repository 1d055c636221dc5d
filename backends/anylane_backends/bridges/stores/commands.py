"""Commands: what a handler asks of a Valkey server, on any lane, and never for longer than a bound.

The command runs on the bridge's thread, and the handler waits by its own link, which every lane
has. So no thread of the pool is held meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from functools import partial
from typing import Any, Protocol, TypeVar

from anylane.errors import AnylaneError, HTTPError, UsageError
from anylane.lane.link import current_link
from anylane_backends.bridges.broker_thread import within
from anylane_backends.bridges.upkeep import CLOSE, delays, reason

T = TypeVar("T")

Command = Callable[[Any], Coroutine[Any, Any, T]]
"""Takes a client of the library."""


class Reply(Protocol):
    """What `concurrent.futures.Future` offers, as far as it is used."""

    def done(self) -> bool: ...
    def result(self, timeout: float | None = None, /) -> Any: ...
    def cancel(self) -> bool: ...
    def add_done_callback(self, func: Callable[[Any], object], /) -> None: ...


class StoreAway(AnylaneError):
    """The server that keeps sessions or rates does not answer."""


class Commands:
    """Commands of one process. After one that failed, others fail at once for a while, so that a
    server that is away costs no request its time-out.

    run: runs a coroutine function on the bridge's thread and returns its future. make_client: makes
    a client there. timeout: seconds that a command may take.
    """

    def __init__(
        self,
        run: Callable[[Callable[[], Any]], Reply],
        make_client: Callable[[], Any],
        timeout: float,
        log: Callable[[str, str], None],
    ) -> None:
        self._run = run
        self._make_client = make_client
        self._timeout = timeout
        self._log = log
        self._client: Any = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waits: Iterator[float] = delays()
        self._closed_until: float | None = None

    async def ask(self, command: Command[T]) -> T:
        """Run a command for the handler, hook or job that is awaited here.

        Raise StoreAway if the server does not answer in time, what the library raises for an answer
        that is an error, and UsageError where the bridge does not run, and outside of a server.
        """
        link = current_link.get(None)
        if link is None:
            raise UsageError(
                "a store of a bridge is awaited by a handler, hook or job of a server, and none "
                "runs here"
            )
        reply = self._run(partial(self.execute, command))
        if link.inline:  # On threads and in memory, where a handler may block: no longer than this.
            return self._blocked(reply)  # type: ignore[no-any-return]
        reply.add_done_callback(lambda _: link.wake())
        try:
            while not reply.done():
                await link.wait()
        except BaseException:
            reply.cancel()
            raise
        return reply.result()  # type: ignore[no-any-return]

    def _blocked(self, reply: Reply) -> Any:
        try:
            return reply.result(self._timeout + 1)
        except TimeoutError as exc:
            reply.cancel()
            raise StoreAway(reason(exc)) from exc

    def start(self, coroutine: Callable[[], Any]) -> None:
        """Run a coroutine function on the bridge's thread, and do not wait for it. Raise UsageError
        where the bridge does not run."""
        self._run(coroutine)

    async def execute(self, command: Command[T]) -> T:
        """Run a command, on the bridge's thread. Raise as `ask` does."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._client, self._loop, self._closed_until = self._make_client(), loop, None
        if self._closed_until is not None and loop.time() < self._closed_until:
            raise StoreAway("it did not answer a moment ago")
        try:
            result = await within(self._timeout, command(self._client))
        except Exception as exc:
            if not is_connection_error(exc):
                raise
            self._fail(exc, loop.time())
            raise StoreAway(reason(exc)) from exc
        if self._closed_until is not None:
            self._closed_until, self._waits = None, delays()
            self._log("info", "the stores answer again")
        return result

    async def close(self) -> None:
        """Close the client, on the bridge's thread."""
        client, self._client, self._loop = self._client, None, None
        if client is not None:
            await close_client(client)

    def _fail(self, exc: BaseException, now: float) -> None:
        if self._closed_until is None:
            self._log("warning", f"the stores do not answer ({reason(exc)}); trying again")
        if self._closed_until is None or now >= self._closed_until:
            self._closed_until = now + next(self._waits)


async def close_client(client: Any) -> None:
    """Close a client, soon. What it leaves open is aborted at the end of the thread."""
    with suppress(Exception):
        await within(CLOSE, client.aclose(close_connection_pool=True))


def is_connection_error(exc: Exception) -> bool:
    """Return whether the server could not be reached, rather than that it has refused."""
    from valkey import exceptions

    # A server that was demoted by a failover refuses what is written: as good as away.
    kinds = (exceptions.ConnectionError, exceptions.TimeoutError, exceptions.ReadOnlyError)
    return isinstance(exc, (OSError, TimeoutError, *kinds))


def unavailable(what: str) -> HTTPError:
    """Return the answer to a request that cannot be decided without the server."""
    return HTTPError(503, f"{what} cannot be reached; try again later",
                     headers=[("retry-after", "2")])  # fmt: skip


def checked_store(prefix: object, when_away: object, of: str) -> None:
    """Raise UsageError for a prefix that is no str, or another `when_away`."""
    if not isinstance(prefix, str) or not prefix or len(prefix) > 200:
        raise UsageError(f"prefix of {of} is {prefix!r:.80}; expected 1 to 200 characters")
    if when_away not in ("refuse", "allow"):
        raise UsageError(f"when_away of {of} is {when_away!r:.80}; expected 'refuse' or 'allow'")
