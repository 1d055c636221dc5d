"""An ASGI server with one fault each, between uvicorn and the application."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from anylane.lane.server_core import ServerCore
from anylane_conformance.asgi.hosted import Serve
from anylane_conformance.asgi.uvicorn import UvicornBackend

Change = Callable[[dict[str, Any]], list[dict[str, Any]]]


class FaultlessBackend(UvicornBackend):
    """It changes nothing. Those below change what the application sends."""

    def change(self, message: dict[str, Any]) -> list[dict[str, Any]]:
        return [message]

    def host(self, application: Serve, server: ServerCore) -> None:
        async def between(scope: Any, receive: Any, send: Any) -> None:
            async def changed(message: Any) -> None:
                for each in self.change(message):
                    await send(each)

            await application(scope, receive, changed)

        super().host(between, server)


class LosesHeadersBackend(FaultlessBackend):
    def change(self, message: dict[str, Any]) -> list[dict[str, Any]]:
        headers = [each for each in message.get("headers", ()) if each[0] != b"content-type"]
        return [{**message, "headers": headers} if "headers" in message else message]


class LosesPiecesBackend(FaultlessBackend):
    def change(self, message: dict[str, Any]) -> list[dict[str, Any]]:
        return [] if message.get("body") == b"two\n" else [message]


class RepeatsMessagesBackend(FaultlessBackend):
    def change(self, message: dict[str, Any]) -> list[dict[str, Any]]:
        return [message, message] if message["type"] == "websocket.send" else [message]


class HidesCloseCodesBackend(FaultlessBackend):
    def change(self, message: dict[str, Any]) -> list[dict[str, Any]]:
        return [{**message, "code": 1000} if message["type"] == "websocket.close" else message]
