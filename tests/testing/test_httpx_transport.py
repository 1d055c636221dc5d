"""HttpxTransport: httpx and httpx2, sync and async, in front of an app in memory."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import Any

import httpx
import httpx2
import pytest

import anylane.testing
from anylane import App
from anylane.testing import HttpxTransport

PACKAGES = pytest.mark.parametrize("package", [httpx, httpx2], ids=lambda each: each.__name__)


@pytest.fixture
def app() -> App:
    app = App()

    @app.get("/users/{id:int}")
    async def user(ctx):
        return {"id": ctx.params["id"], "q": ctx.request.query.get("q")}

    @app.post("/echo")
    async def echo(ctx):
        return await ctx.request.body()

    @app.get("/login")
    async def login(ctx):
        ctx.response.set_header("set-cookie", "session=1; Path=/").redirect("/cookie", 303)

    @app.get("/cookie")
    async def cookie(ctx):
        return ctx.request.headers.get("cookie", "")

    @app.get("/ticks")
    async def ticks(ctx):
        async with ctx.stream() as out:
            for n in range(3):
                await out.write(f"{n}\n")
                await ctx.sleep(100)

    @app.get("/broken")
    async def broken(ctx):
        raise ValueError("broken")

    @app.get("/half")
    async def half(ctx):
        async with ctx.stream() as out:
            await out.write("half")
            raise ValueError("broken")

    return app


def client_of(package: Any, transport: Any) -> Any:
    return package.Client(transport=transport, base_url="http://test")


@PACKAGES
def test_a_sync_client(package, app):
    transport = HttpxTransport(app)
    with client_of(package, transport) as client:
        response = client.get("/users/7", params={"q": "x"})
        assert (response.status_code, response.json()) == (200, {"id": 7, "q": "x"})
        assert (response.http_version, response.reason_phrase) == ("HTTP/1.1", "OK")
        assert client.post("/echo", content=b"body").content == b"body"
        assert client.post("/echo", content=iter([b"bo", b"dy"])).content == b"body"
        assert client.get("/login", follow_redirects=True).text == "session=1"
        assert client.get("/broken").status_code == 500
    assert isinstance(transport.log[-1].error, ValueError)


@PACKAGES
def test_an_async_client(package, app):
    async def pieces():
        yield b"bo"
        yield b"dy"

    async def main():
        transport: Any = HttpxTransport(app)
        async with package.AsyncClient(transport=transport, base_url="http://test") as client:
            assert (await client.get("/users/7")).json() == {"id": 7, "q": None}
            assert (await client.post("/echo", content=pieces())).content == b"body"
            async with client.stream("GET", "/ticks") as response:
                assert [line async for line in response.aiter_lines()] == ["0", "1", "2"]

    asyncio.run(main())


@PACKAGES
def test_a_stream_comes_piece_by_piece_in_virtual_time(package, app):
    transport = HttpxTransport(app)
    with client_of(package, transport) as client, client.stream("GET", "/ticks") as response:
        lines = response.iter_lines()
        assert (next(lines), transport.now) == ("0", 0)
        assert (next(lines), transport.now) == ("1", 100)


@PACKAGES
def test_a_response_that_breaks_off_is_the_packages_own_error(package, app):
    client = client_of(package, HttpxTransport(app))
    with client, pytest.raises(package.RemoteProtocolError):
        client.get("/half")


@PACKAGES
def test_what_a_handler_raises_passes_when_asked(package, app):
    client = client_of(package, HttpxTransport(app, raise_server_exceptions=True))
    with client, pytest.raises(ValueError, match="broken"):
        client.get("/broken")


@PACKAGES
def test_closing_the_client_runs_the_hooks(package, app):
    said: list[str] = []
    app.on_startup(lambda: said.append("up"))
    app.on_shutdown(lambda: said.append("down"))
    with client_of(package, HttpxTransport(app)) as client:
        client.get("/users/1")
    assert said == ["up", "down"]


@PACKAGES
def test_it_is_a_transport_of_each_installed_package(package):
    assert issubclass(HttpxTransport, package.BaseTransport)
    assert issubclass(HttpxTransport, package.AsyncBaseTransport)


def test_without_httpx_everything_else_imports():
    code = """
import sys
sys.modules["httpx"] = sys.modules["httpx2"] = None
from anylane.testing import TestClient
assert "pytest" not in sys.modules
try:
    from anylane.testing import HttpxTransport
except ImportError as exc:
    print(exc)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "HttpxTransport needs httpx or httpx2: pip install httpx2"


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="Nothing"):
        _ = anylane.testing.Nothing  # type: ignore[attr-defined]
