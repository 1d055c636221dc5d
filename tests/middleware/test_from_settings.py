"""Parts that settings of a server ask for are around all of its app, and of no other server."""

from __future__ import annotations

import re

import pytest

from anylane import App, ConfigError, Context, Router, Server, ServerConfig, UsageError
from anylane.middleware import CORS, Compression
from anylane.testing import TestClient

PAGE = "https://app.example.com"

ASKING = {"origin": PAGE, "access-control-request-method": "PUT"}


def served() -> App:
    app = App()
    api = Router("/api")

    @app.get("/")
    async def home(ctx: Context) -> str:
        return "home"

    @api.get("/items/{id:int}")
    async def item(ctx: Context) -> str:
        return "item"

    app.include(api)
    return app


def test_a_setting_is_in_force_on_every_app_that_is_served_with_it() -> None:
    client = TestClient(served(), config=ServerConfig(cors_origins=(PAGE,)))
    for path, status in (("/", 200), ("/api/items/1", 200), ("/nowhere", 404), ("/api/x", 404)):
        answer = client.get(path, headers={"origin": PAGE})
        assert answer.status == status
        assert answer.headers["access-control-allow-origin"] == PAGE
    assert client.request("OPTIONS", "/api/items/1", headers=ASKING).status == 204
    assert client.delete("/", headers={"origin": PAGE}).headers["vary"] == "Origin"


def test_servers_of_one_app_have_settings_of_their_own() -> None:
    app = served()
    with_it = TestClient(app, config=ServerConfig(cors_origins=(PAGE,)))
    without = TestClient(app)
    for _ in range(3):  # What is remembered of a request line is no other server's.
        for path in ("/", "/api/items/1", "/nowhere"):
            found = with_it.get(path, headers={"origin": PAGE}).headers
            assert found["access-control-allow-origin"] == PAGE
            assert (
                "access-control-allow-origin"
                not in without.get(path, headers={"origin": PAGE}).headers
            )


def test_a_server_without_such_settings_serves_the_frozen_app_itself() -> None:
    frozen = served().freeze()
    assert frozen.configured(ServerConfig()) is frozen
    assert frozen.configured(ServerConfig(cors_origins=("*",))) is not frozen


def test_a_part_that_the_app_uses_itself_is_not_doubled() -> None:
    app = served()
    app.use(CORS([PAGE]))
    with pytest.raises(UsageError, match="ask for CORS, which the app uses itself"):
        Server(app, ServerConfig(port=0, cors_origins=(PAGE,)))


@pytest.mark.parametrize(
    ("origins", "advice"),
    [
        ("https://a.example", "expected a tuple of origins"),
        ((1,), "expected a tuple of origins"),
        (("a.example",), "expected a scheme: 'https://a.example'"),
        (("https://a.example/",), "without a slash or path: 'https://a.example'"),
        (("null",), "leave it out"),
    ],
)
def test_an_origin_that_no_browser_sends_is_refused(origins: object, advice: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(advice)):
        ServerConfig(cors_origins=origins)  # type: ignore[arg-type]


def test_origins_come_from_the_environment_and_from_files() -> None:
    config = ServerConfig.from_env({"ANYLANE_CORS_ORIGINS": f"{PAGE},http://localhost:3000"})
    assert config.cors_origins == (PAGE, "http://localhost:3000")


def test_compression_is_a_setting_and_goes_with_others() -> None:
    app = App()

    @app.get("/")
    async def home(ctx: Context) -> str:
        return "again and again " * 100

    config = ServerConfig(compression=True, cors_origins=(PAGE,))
    headers = {"accept-encoding": "gzip", "origin": PAGE}
    found = TestClient(app, config=config).get("/", headers=headers).headers
    assert found["content-encoding"] == "gzip"
    assert found["access-control-allow-origin"] == PAGE
    assert sorted(found["vary"].split(", ")) == ["Accept-Encoding", "Origin"]
    assert "content-encoding" not in TestClient(app).get("/", headers=headers).headers
    assert ServerConfig.from_env({"ANYLANE_COMPRESSION": "true"}).compression
    with pytest.raises(ConfigError, match="compression"):
        ServerConfig(compression=6)  # type: ignore[arg-type]


def test_compression_that_the_app_uses_itself_is_not_doubled() -> None:
    app = served()
    app.use(Compression())
    with pytest.raises(UsageError, match="ask for Compression, which the app uses itself"):
        Server(app, ServerConfig(port=0, compression=True))
