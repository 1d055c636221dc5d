"""Backend: what a lane is to the code that chooses and runs one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from anylane.lane.server_core import ServerCore


class Backend(Protocol):
    """A lane. Found through the entry-point group `anylane.backends`."""

    name: str
    concurrent_input: bool
    """Pongs, heartbeats and disconnects are handled while a handler is busy."""
    native_cancel: bool
    """A deadline interrupts a handler in any of its awaits."""

    def run(self, server: ServerCore) -> None:
        """Own the process's loop until shutdown."""

    async def serve(self, server: ServerCore) -> None:
        """The same inside a running loop."""
