"""Absolute URLs: what they are made of, and where none can be made."""

from __future__ import annotations

from typing import Any

import pytest

from anylane import App, Context, RouteError, Router
from anylane.testing import Lockstep


async def page(ctx: Context) -> str:
    return "page"


def url_of(
    name: str, app: App, *lines: str, version: str = "1.1", local: Any = ("127.0.0.1", 8000)
) -> str:
    """The URL that a handler of *app* makes for a request with these header lines."""
    found: list[str] = []

    @app.get("/ask")
    async def ask(ctx: Context) -> None:
        found.append(ctx.url_for(name))

    wire = Lockstep(app, local=local)
    wire.receive("\r\n".join([f"GET /ask HTTP/{version}", *lines, "", ""]).encode())
    assert wire.take().startswith(f"HTTP/{version[:1]}".encode())
    errors = [record.error for record in wire.log if record.error is not None]
    if errors:
        raise errors[0]
    return found[0]


def app_with(router: Router | None = None, **options: Any) -> App:
    app = App()
    if router is None:
        app.get("/page", **options)(page)
    else:
        router.get("/page", **options)(page)
        app.include(router)
    return app


@pytest.mark.parametrize(
    ("local", "authority"),
    [
        (("127.0.0.1", 8000), "127.0.0.1:8000"),
        (("127.0.0.1", 80), "127.0.0.1"),
        (("::1", 8000, 0, 0), "[::1]:8000"),
        (("fe80::1%eth0", 80, 0, 2), "[fe80::1]"),
        ("/run/app.sock", "localhost"),
        (None, "localhost"),
    ],
)
def test_a_request_without_a_host_has_the_address_of_the_server(local: Any, authority: str) -> None:
    assert url_of("page", app_with(), version="1.0", local=local) == f"http://{authority}/page"


def test_an_absolute_target_names_the_host() -> None:
    app = app_with()
    found: list[str] = []

    @app.get("/ask")
    async def ask(ctx: Context) -> None:
        found.append(ctx.url_for("page"))

    Lockstep(app).receive(b"GET http://shop:81/ask HTTP/1.0\r\n\r\n")
    assert found == ["http://shop:81/page"]


def test_a_host_with_a_star_is_the_one_of_the_request_if_that_fits() -> None:
    router = Router(host="*.shop.example")
    assert (
        url_of("page", app_with(router), "Host: Tenant.Shop.Example:8000")
        == "http://Tenant.Shop.Example:8000/page"
    )
    for other in ("shop.example", "evilshop.example", "other.example"):
        with pytest.raises(RouteError, match=r"is for the host '\*\.shop\.example'"):
            url_of("page", app_with(Router(host="*.shop.example")), f"Host: {other}")


def test_an_address_of_a_router_is_in_brackets() -> None:
    assert (
        url_of("page", app_with(Router(host="[::1]")), "Host: a:8000") == "http://[::1]:8000/page"
    )


def test_routes_of_one_name_at_several_hosts_are_refused() -> None:
    app = app_with(Router(host="a.example"), name="page")
    other = Router(host="b.example")
    other.get("/page", name="page")(page)
    app.include(other)
    assert app.path_for("page") == "/page"
    with pytest.raises(RouteError, match=r"several hosts: a\.example of .*give them names"):
        url_of("page", app, "Host: a.example")


def test_a_page_and_a_websocket_of_one_path_are_found_by_the_pages_scheme() -> None:
    app = app_with()
    app.websocket("/page", name="page")(page)
    assert url_of("page", app, "Host: a") == "http://a/page"


def test_what_no_route_is_called_is_refused() -> None:
    with pytest.raises(RouteError, match="there is no route called 'none'"):
        url_of("none", app_with(), "Host: a")
