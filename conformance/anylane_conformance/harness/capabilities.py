"""Capabilities: the one table of differences between lanes. All that is not here is the same."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """A difference and its reason.

    fails_fast: whether a case that needs it is run where it is missing, and must fail: a
        difference that is gone has to be noticed. Otherwise running it would only wait.
    theirs: whether it is missing where another server decides, which may decide alike. Then such a
        case is run only if that is asked for, and may hold.
    """

    reason: str
    fails_fast: bool = True
    theirs: bool = False


ROWS: dict[str, Row] = {
    "native_cancel": Row(
        "handlers may await the event loop's own library and are cancelled natively. Not on "
        "threads and in memory: no loop is running there"
    ),
    "foreign_refused": Row(
        "a handler that awaits an event loop's library gets a 500 that names it. Where that loop "
        "is running, such an await simply works",
        fails_fast=False,  # where another loop is running, the log may name the await too
    ),
    "concurrent_input": Row(
        "input is seen while a handler is busy. Not on threads: a handler that blocks owns its "
        "connection's thread until it next uses ctx"
    ),
    "reset_after_eof": Row(
        "a reset behind a half-close is seen at once. In memory only: a socket that was read to "
        "its end is not read again, so the kernel tells of the reset when the answer is written",
        fails_fast=False,  # a lane that watches such sockets for errors is right too
    ),
    "parallel_blocking": Row(
        "`def` handlers run beside everything else. Not in memory: they run inline there",
        fails_fast=False,
    ),
    "blocking_async": Row(
        "an `async def` may block its thread: others go on meanwhile, and at its deadline it is "
        "answered for. On threads only: elsewhere it holds up its event loop, or all in memory",
        fails_fast=False,
    ),
    "stray_cancel": Row(
        "what a handler awaits can have been cancelled by other code. On asyncio only: trio "
        "cancels by scopes, and curio wraps what it joins in TaskError",
        fails_fast=False,  # the case itself asks the handler's library
    ),
    "cancel_scopes": Row(
        "an interruption cancels a scope: every await in it, and none that is shielded. On anyio "
        "and trio only: elsewhere it is raised once, and knows nothing of shields"
    ),
    "cancelled_once": Row(
        "a foreign await that cleans up after an interruption goes on. Not on trio and anyio: a "
        "cancelled scope cancels every await in it",
        fails_fast=False,  # the case itself asks the handler's library
    ),
    "real_sockets": Row(
        "there is a kernel with a backlog between the two sides. Not in memory", fails_fast=False
    ),
    "read_size": Row(
        "one read gives no more than `http_buffer_size`. Not where a backend's `ignores` says that "
        "its loop decides, as uvloop's does, nor in memory, where no socket is read"
    ),
    "plain_wire": Row(
        "what the client sends first needs no answer. Not over TLS: a client that the server "
        "leaves in the backlog is still in its handshake",
        fails_fast=False,
    ),
    "named_descriptors": Row(
        "a process can list the files that it has open, by /proc/self/fd. On Linux only: elsewhere "
        "the case cannot look whether they are closed",
        fails_fast=False,
    ),
    "virtual_time": Row("time moves only when the test says so. In memory only", fails_fast=False),
    "own_wire": Row(
        "the bytes of HTTP/1.1 are read and written by us: what is malformed is refused, heads are "
        "bounded, and `date`, `connection` and chunks are as we write them. Not under an ASGI "
        "server, which does all of it",
        theirs=True,
    ),
    "own_connections": Row(
        "connections are ours: how many there may be and for how long, what is told of them, that "
        "they are taken over, reset, or open in one direction. Not under an ASGI server",
        theirs=True,
    ),
    "own_frames": Row(
        "WebSocket frames are ours: pings, close handshakes, compression, and what becomes of "
        "violations. Not under an ASGI server, which gives and takes whole messages",
        theirs=True,
    ),
    "own_drain": Row(
        "a drain begins as soon as the server is told to end. An ASGI server tells an application "
        "last, when it has ended the connections in its own way",
        theirs=True,
    ),
    "own_tls": Row(
        "TLS is ours: versions, protocols, deadlines, alerts, and what handlers see of it. Not "
        "under an ASGI server",
        theirs=True,
    ),
    "own_listeners": Row(
        "the lane accepts from all its listeners. Not under Granian, which has one address",
        theirs=True,
    ),
    "exact_marks": Row(
        "a write waits while the client is behind by more than the marks. Not under an ASGI server "
        "whose `send` returns before what it took is on its way",
        theirs=True,
    ),
    "denials": Row(
        "a WebSocket handshake that is not accepted gets the answer of the app. Not under a server "
        "without the extension `websocket.http.response`, which refuses in its own way",
        theirs=True,
    ),
    "handshake_headers": Row(
        "headers of the app are in the 101 of a WebSocket. Not under a server that leaves them out",
        theirs=True,
    ),
    "interim_and_trailers": Row(
        "early hints and trailers go out. Not under a server without the extensions "
        "`http.response.early_hint` and `http.response.trailers`",
        theirs=True,
    ),
}

OWN: frozenset[str] = frozenset(name for name, row in ROWS.items() if row.theirs)
"""What every lane has that is a server by itself."""
