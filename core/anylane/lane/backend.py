"""Backend: what a lane is to the code that chooses and runs one.

A backend does the I/O. It decides nothing about requests: see `ServerCore` for what it serves, and
`Driver` and `Link` for what it supplies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from anylane.lane.server_core import ServerCore


class Backend(Protocol):
    """A lane. It is found through the entry-point group `anylane.backends`."""

    name: str
    """What users type, such as "asyncio"; messages say it too."""
    concurrent_input: bool
    """Whether pongs, heartbeats and disconnects are handled while a handler is busy."""
    native_cancel: bool
    """Whether a deadline interrupts a handler in any of its awaits. Where it is False, the handler
    is interrupted at its next use of `ctx`."""

    def run(self, server: ServerCore) -> None:
        """Serve until `server.over`, in a loop of the backend's own. Block until then.

        Attach to the server, enter its lifespan, accept from `server.listeners`, which are bound
        and listening, and call `server.ready()`: docs/writing-a-backend.md has the order. Raise
        what the lifespan raises.
        """

    async def serve(self, server: ServerCore) -> None:
        """Do what `run` does, inside a loop that is running already.

        Raise UsageError if the backend has no loop. If the calling task is cancelled, every
        connection is aborted, and the cancellation passes through.
        """
