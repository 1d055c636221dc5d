"""JavaScript as Pyodide shows it: what is used of its objects, and of the bridge to them.

Nothing else here imports `js` or `pyodide`, which exist in Pyodide alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol

from anylane.errors import UsageError


class Proxy(Protocol):
    """A Python function as JavaScript holds it."""

    def destroy(self) -> None:
        """Give it back. A later call is an error."""


class Promise(Protocol):
    """A promise."""

    def then(self, done: Callable[[Any], object], failed: Callable[[Any], object]) -> object:
        """Call the one function with its value, or the other with the reason of its failure."""
        ...


class Signal(Protocol):
    """An AbortSignal."""

    aborted: bool

    def addEventListener(self, kind: str, func: Proxy) -> None: ...  # noqa: N802  # as in JavaScript
    def removeEventListener(self, kind: str, func: Proxy) -> None: ...  # noqa: N802


class Reader(Protocol):
    """A ReadableStreamDefaultReader, of bytes."""

    def read(self) -> Promise: ...
    def cancel(self) -> Promise: ...


class Writer(Protocol):
    """A WritableStreamDefaultWriter."""

    closed: Promise

    def write(self, chunk: Any) -> Promise: ...
    def close(self) -> Promise: ...
    def abort(self, reason: Any) -> Promise: ...


class Request(Protocol):
    """A Request of the Fetch standard. `body`, a stream, and `signal` are missing in some hosts."""

    method: str
    url: str
    headers: Iterable[tuple[str, str]]
    bodyUsed: bool  # noqa: N815  # as in JavaScript

    def arrayBuffer(self) -> Promise: ...  # noqa: N802


Response = Any
"""A Response of the Fetch standard."""


@dataclass(frozen=True, slots=True)
class Javascript:
    """What is needed of the other language.

    types: its global objects, with the constructors. given: copies a value into it. lent: makes a
    proxy of a function.
    """

    types: Any
    given: Callable[[Any], Any]
    lent: Callable[[Callable[..., object]], Proxy]


def javascript() -> Javascript:
    """Return it. Raise UsageError outside of Pyodide."""
    try:
        types, ffi = import_module("js"), import_module("pyodide.ffi")
    except ImportError as exc:
        raise UsageError(
            "FetchHandler answers the fetch events of JavaScript, and there is none here: it runs "
            "in Pyodide. To serve the app in this Python use `anylane run` or app.run()"
        ) from exc
    return Javascript(types, ffi.to_js, ffi.create_proxy)


class Rejected(Exception):
    """A promise has failed. The message is its reason."""


def outcome(promise: Promise) -> asyncio.Future[Any]:
    """Return a future with the value of a promise, or with Rejected.

    Awaited by itself a promise raises its reason, which Pyodide cannot if that is no error: a
    stream that is cancelled without a reason fails with `undefined`.
    """
    future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def done(value: Any) -> None:
        if not future.done():
            future.set_result(value)

    def failed(reason: Any) -> None:
        if not future.done():
            future.set_exception(Rejected(str(reason)))

    promise.then(done, failed)
    return future
