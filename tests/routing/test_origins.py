"""Which pages may open a WebSocket. RFC 6455 §10.2."""

from __future__ import annotations

import pytest

from anylane import App, Context, RouteError
from anylane.testing import Lockstep

SITE = "https://example.com"
HANDSHAKE = (
    "GET / HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{origin}\r\n"
)


def status(origins: list[str | None] | None, *values: str, host: str = "a:8000") -> int:
    app = App()
    reached: list[bool] = []

    @app.websocket("/", origins=origins)
    async def handler(ctx: Context) -> None:
        reached.append(True)
        await ctx.accept()

    wire = Lockstep(app)
    origin = "".join(f"Origin: {value}\r\n" for value in values)
    wire.receive(HANDSHAKE.format(host=host, origin=origin).encode())
    found = int(wire.take().split(b" ")[1])
    assert bool(reached) is (found == 101)
    return found


@pytest.mark.parametrize(
    ("origins", "values", "expected"),
    [
        (None, [], 101),
        (None, ["https://evil.example"], 101),
        ([SITE], [SITE], 101),
        ([SITE], ["HTTPS://Example.COM"], 101),
        (["HTTPS://Example.com"], [SITE], 101),
        ([SITE], ["http://example.com"], 403),
        ([SITE], ["https://example.com:444"], 403),
        ([SITE], ["https://example.com.evil.example"], 403),
        ([SITE], ["null"], 403),
        ([SITE], [SITE, SITE], 403),
        ([SITE, None], [SITE, "https://evil.example"], 403),
        ([SITE], [], 403),
        ([SITE, None], [], 101),
        (["null"], ["null"], 101),
        (["same-origin"], ["http://a:8000"], 101),
        (["same-origin"], ["https://A:8000"], 101),
        (["same-origin"], ["http://a"], 403),
        # RFC 6454 §6.2: browsers leave the default port out.
        (["https://example.com:443"], [SITE], 101),
        ([SITE], ["https://example.com:443"], 101),
        (["http://example.com:443"], ["http://example.com"], 403),
        (["https://[::1]:443"], ["https://[::1]"], 101),
        (["same-origin"], ["same-origin"], 403),
        (["same-origin"], [], 403),
        (["same-origin", SITE], [SITE], 101),
    ],
)
def test_who_may_open_a_websocket(origins, values, expected):
    assert status(origins, *values) == expected


@pytest.mark.parametrize(
    ("host", "origin", "expected"),
    [
        ("example.com:443", SITE, 101),
        ("example.com", "https://example.com:443", 101),
        ("Example.com:", SITE, 101),
        ("example.com:80", "http://example.com", 101),
        ("[::1]", "http://[::1]:80", 101),
        ("example.com:80", SITE, 403),
        ("example.com:443", "http://example.com", 403),
        ("example.com", "https://example.com:444", 403),
        ("example.com", "ftp://example.com:443", 403),
        ("example.com", "null", 403),
        ("null", "null", 403),
    ],
)
def test_the_same_origin_with_and_without_its_port(host: str, origin: str, expected: int) -> None:
    assert status(["same-origin"], origin, host=host) == expected


@pytest.mark.parametrize(
    "origins", [SITE, [], ["example.com"], [SITE + "/"], ["https://u@example.com"], ["*"]]
)
def test_origins_that_no_browser_sends_are_refused_at_registration(origins):
    with pytest.raises(RouteError, match="origins of '/'"):
        App().websocket("/", origins=origins)
