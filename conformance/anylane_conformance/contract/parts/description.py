"""An app that describes itself, below another one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anylane import App

if TYPE_CHECKING:
    from anylane_conformance.contract.stage import Stage


def describe_things(app: App, stage: Stage) -> None:  # as all of them
    """Add an app with a description and its page, below /described."""
    described = App()

    @described.get("/things/{id:int}")
    async def thing(id: int, verbose: bool = False) -> dict[str, Any]:
        """Return a thing."""
        return {"id": id, "verbose": verbose}

    described.openapi(title="Things", version="1")
    app.mount("/described", described)
