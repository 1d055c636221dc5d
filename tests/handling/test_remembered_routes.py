"""What a request line led to before is remembered, and nobody may be able to tell."""

from __future__ import annotations

from typing import Any

import pytest

from anylane import App, Context, Router, ServerConfig
from anylane.errors import Cancelled
from anylane.testing import Lockstep, World

OFTEN = 4
"""More than it takes to be remembered, by the bytes of the head as by method and target."""
UPGRADE = (
    "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
)  # fmt: skip


class Clients:
    """Of one server, each on a connection of its own or all on one."""

    def __init__(self, app: App, *, express: bool, anew: bool) -> None:
        self._world = World(app, ServerConfig(express=express))
        self._anew = anew
        self.wire = Lockstep(world=self._world)

    def ask(self, target: str, *fields: str, host: str = "a", method: str = "GET") -> str:
        if self._anew:
            self.wire = Lockstep(world=self._world)
        lines = (f"{method} {target} HTTP/1.1", f"Host: {host}", *fields, "", "")
        self.wire.receive("\r\n".join(lines).encode())
        head, _, body = self.wire.take().decode("latin-1").partition("\r\n\r\n")
        return f"{head[9:12]} {body}".strip() if head else ""


@pytest.fixture(params=[True, False], ids=["express", "h11"])
def express(request: Any) -> Any:
    return request.param


@pytest.fixture(params=[True, False], ids=["new connections", "one connection"])
def anew(request: Any) -> Any:
    return request.param


def test_parameters_are_each_requests_own(express: bool, anew: bool) -> None:
    app = App()

    @app.get("/{id:int}")
    async def handler(ctx: Context) -> str:
        ctx.params["seen"] = ctx.params.get("seen", 0) + 1
        return f"{ctx.params}"

    clients = Clients(app, express=express, anew=anew)
    for number in (7, 8) * OFTEN:
        assert clients.ask(f"/{number}") == f"200 {{'id': {number}, 'seen': 1}}"


def test_a_path_may_be_a_page_and_a_websocket(express: bool) -> None:
    app = App()

    @app.get("/both")
    async def page(ctx: Context) -> str:
        return "page"

    @app.websocket("/both")
    @app.websocket("/socket")
    async def socket(ctx: Context) -> None:
        await ctx.accept()

    clients = Clients(app, express=express, anew=True)
    for _ in range(OFTEN):
        assert clients.ask("/both") == "200 page"
        assert clients.ask("/both", *UPGRADE).startswith("101")
        assert clients.ask("/socket", *UPGRADE).startswith("101")
        assert clients.ask("/socket").startswith("426")


def test_each_host_has_its_own_routes(express: bool, anew: bool) -> None:
    app = App()
    for host in ("a.example", "b.example"):
        part = Router(host=host)

        @part.get("/")
        async def page(ctx: Context, host: str = host) -> str:
            return host

        app.include(part)
    clients = Clients(app, express=express, anew=anew)
    for _ in range(OFTEN):
        for host in ("a.example", "b.example"):
            assert clients.ask("/", host=host) == f"200 {host}"


def test_a_guard_is_asked_each_time(express: bool, anew: bool) -> None:
    app = App()
    open_now = True

    @app.get("/", when=lambda _: open_now)
    async def page(ctx: Context) -> str:
        return "open"

    clients = Clients(app, express=express, anew=anew)
    for _ in range(OFTEN):
        assert clients.ask("/") == "200 open"
    open_now = False
    assert clients.ask("/").startswith("404")


def test_methods_are_told_apart(express: bool, anew: bool) -> None:
    app = App()

    @app.get("/")
    async def read(ctx: Context) -> str:
        return "read"

    @app.delete("/")
    async def delete(ctx: Context) -> str:
        return "deleted"

    clients = Clients(app, express=express, anew=anew)
    for _ in range(OFTEN):
        assert clients.ask("/") == "200 read"
        assert clients.ask("/", method="DELETE") == "200 deleted"
        assert clients.ask("/", method="HEAD") == "200"
        assert clients.ask("/", method="PUT").startswith("405")


def test_a_handler_is_cancelled_each_time_its_client_leaves(express: bool) -> None:
    app = App()
    ends: list[str] = []

    @app.get("/", cancel_on_disconnect=True)
    async def forever(ctx: Context) -> None:
        try:
            await ctx.sleep(1000)
        except Cancelled:
            ends.append("cancelled")
            raise
        ends.append("slept")

    clients = Clients(app, express=express, anew=True)
    for number in range(OFTEN):
        assert clients.ask("/") == ""
        clients.wire.lose()
        assert ends == ["cancelled"] * (number + 1)
