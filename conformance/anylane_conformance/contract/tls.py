"""Handlers that tell what TLS knows of a client, and that read late what came over it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anylane import App, Context

if TYPE_CHECKING:
    from anylane_conformance.contract.stage import Stage


def build(app: App, stage: Stage) -> None:
    """Add the handlers for cases about TLS."""

    @app.get("/tls")
    async def tls(ctx: Context) -> dict[str, Any]:
        tls = ctx.request.tls
        if tls is None:
            return {"scheme": ctx.request.scheme}
        subject = (tls.peer_certificate or {}).get("subject", ())
        return {
            "scheme": ctx.request.scheme,
            "version": tls.version,
            "cipher": bool(tls.cipher),
            "alpn": tls.alpn,
            "server_name": tls.server_name,
            "client": dict(pair for names in subject for pair in names).get("commonName"),
        }

    @app.post("/upload-later")
    async def upload_later(ctx: Context) -> dict[str, int]:
        await _told_to_go(stage)
        return {"length": len(await ctx.request.body())}

    @app.websocket("/receive-later")
    async def receive_later(ctx: Context) -> None:
        ws = await ctx.accept()
        await _told_to_go(stage)
        total = 0
        while message := await ws.receive():
            total += len(message)
        await ws.send(f"received {total}")


async def _told_to_go(stage: Stage) -> None:
    with stage.room.subscribe() as subscription:
        stage.note("waiting")
        await anext(subscription)
