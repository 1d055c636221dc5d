"""The `websockets` library as a client of every lane, with and without compression."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.sync.client import connect
from websockets.typing import Origin

from anylane import App, Context, Limits, Server, ServerConfig
from anylane_backends.hosting.loading import installed

MESSAGES = ("", "hi", "żółw 🐢 " * 100, b"", bytes(range(256)) * 40, "x" * 300_000)


def build() -> App:
    app = App()

    @app.websocket("/echo")
    async def echo(ctx: Context) -> None:
        ws = await ctx.accept()
        async for message in ws:
            await ws.send(message)

    @app.websocket("/members", origins=["https://good.example"])
    async def members(ctx: Context) -> None:
        await ctx.accept()

    return app


@pytest.fixture(scope="module", params=installed())
def url(request: pytest.FixtureRequest) -> Generator[str]:
    config = ServerConfig(port=0, limits=Limits(message=400_000))
    server = Server(build(), config, backend=request.param)
    server.start().wait_ready()
    yield f"ws://127.0.0.1:{server.addresses[0][1]}"
    server.shutdown(grace=2)
    assert server.wait(10)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"compression": None},
        {
            "compression": None,
            "extensions": [
                ClientPerMessageDeflateFactory(
                    server_no_context_takeover=True,
                    client_no_context_takeover=True,
                    server_max_window_bits=9,
                    client_max_window_bits=9,
                )
            ],
        },
    ],
    ids=["compressed", "plain", "narrow"],
)
def test_every_message_comes_back(url: str, options: dict[str, Any]) -> None:
    with connect(f"{url}/echo", max_size=None, **options) as ws:
        agreed = [extension.name for extension in ws.protocol.extensions]
        assert agreed == ([] if options == {"compression": None} else ["permessage-deflate"])
        for _ in range(2):
            for message in MESSAGES:
                ws.send(message)
                assert ws.recv() == message
        ws.send(["in ", "fragments ", "of text"])
        assert ws.recv() == "in fragments of text"
        assert ws.ping().wait(10)


def test_a_compressed_message_that_is_too_big_is_1009(url: str) -> None:
    with connect(f"{url}/echo") as ws:
        ws.send("x" * 400_001)
        with pytest.raises(ConnectionClosed) as caught:
            ws.recv()
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1009


def test_a_page_of_another_origin_is_turned_away(url: str) -> None:
    with connect(f"{url}/members", origin=Origin("https://good.example")):
        pass
    with pytest.raises(InvalidStatus, match="403"):
        connect(f"{url}/members", origin=Origin("https://evil.example"))
