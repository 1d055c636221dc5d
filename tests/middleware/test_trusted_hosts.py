"""TrustedHosts and HTTPSRedirect: wrong hosts are kept out, plain HTTP is sent to https."""

from __future__ import annotations

import re
from typing import Any

import pytest

from anylane import App, Context, HTTPError, ServerConfig, UsageError
from anylane.middleware import HTTPSRedirect, TrustedHosts
from anylane.testing import Lockstep, TestClient

PROXIED = ServerConfig(proxy_headers=True, forwarded_allow_ips=("192.0.2.1",))

HANDSHAKE = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


def app_with(*parts: Any) -> App:
    app = App()
    for part in parts:
        app.use(part)

    @app.get("/{rest:path}")
    async def home(ctx: Context) -> str:
        return "home"

    @app.post("/{rest:path}")
    async def post(ctx: Context) -> str:
        return "post"

    @app.websocket("/socket")
    async def socket(ctx: Context) -> None:
        await ctx.accept()

    return app


def ask(
    app: App,
    target: str = "/",
    host: str | None = "example.com",
    *more: str,
    method: str = "GET",
    version: str = "1.1",
    config: ServerConfig | None = None,
) -> str:
    """Return the answer to a request that is written by hand."""
    wire = Lockstep(app, config)
    lines = [f"{method} {target} HTTP/{version}", *more]
    if host is not None:
        lines.insert(1, f"Host: {host}")
    wire.receive(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
    return wire.take().decode("latin-1")


def status(answer: str) -> int:
    return int(answer.split(" ")[1])


def location(answer: str) -> str | None:
    found = re.search(r"\r\nlocation: ([^\r]*)\r\n", answer)
    return None if found is None else found[1]


# --- TrustedHosts -------------------------------------------------------------------------------

HOSTS = TrustedHosts(["example.com", "*.example.org", "[::1]", "127.0.0.1", "LOCALHOST"])


@pytest.mark.parametrize(
    "host",
    ["example.com", "EXAMPLE.com", "example.com.", "example.com:8000", "example.com:",
     "example.com.:80", "a.example.org", "a.b.example.org:1", "[::1]", "[::1]:8000", "127.0.0.1:80",
     "localhost"],
)  # fmt: skip
def test_a_listed_host_is_answered_whatever_its_port_and_case(host: str) -> None:
    assert status(ask(app_with(HOSTS), host=host)) == 200


@pytest.mark.parametrize(
    "host",
    ["example.net", "a.example.com", "example.org", "evil-example.com", "example.com.evil.net",
     "xexample.org", "[::2]", "example.com..", "127.0.0.1.evil.net", ""],
)  # fmt: skip
def test_another_host_is_a_400(host: str) -> None:
    answer = ask(app_with(HOSTS), host=host)
    assert status(answer) == 400
    if host:
        assert host not in answer.partition("\r\n\r\n")[2]


def test_a_request_without_a_host_is_a_400() -> None:
    assert status(ask(app_with(HOSTS), host=None, version="1.0")) == 400
    assert status(ask(app_with(TrustedHosts(["*"])), host=None, version="1.0")) == 400


def test_an_absolute_target_names_the_host() -> None:
    assert status(ask(app_with(HOSTS), "http://example.com/x")) == 200
    assert status(ask(app_with(HOSTS), "http://evil.net/x", "evil.net")) == 400


def test_a_star_is_any_host() -> None:
    assert status(ask(app_with(TrustedHosts(["*"])), host="any.example:1")) == 200


def test_websockets_and_paths_without_a_route_are_kept_out_too() -> None:
    app = app_with(HOSTS)
    for target in ("/socket", "/nowhere"):
        assert status(ask(app, target, "evil.net", HANDSHAKE.strip())) == 400
    assert status(ask(app, "/socket", "example.com", HANDSHAKE.strip())) == 101


def test_a_part_before_it_may_answer_any_host() -> None:
    class Up:
        def request(self, ctx: Context) -> None:
            if ctx.request.path == "/up":
                raise HTTPError(418)

    app = app_with()
    app.use(HOSTS, order=1)
    app.use(Up(), order=0)
    assert status(ask(app, "/up", "10.0.0.7")) == 418
    assert status(ask(app, "/x", "10.0.0.7")) == 400


@pytest.mark.parametrize(
    ("hosts", "message"),
    [
        ("example.com", "write ['example.com']"),
        (5, "write [5]"),
        ([], "is empty"),
        ([5], "expected a str"),
        (["https://example.com"], "without scheme, port and path"),
        (["example.com:80"], "without scheme, port and path"),
        (["example.com/x"], "without scheme, port and path"),
        (["a.*.example.com"], "without scheme, port and path"),
        (["*example.com"], "without scheme, port and path"),
        (["é.example"], "xn--"),
        ([""], "without scheme, port and path"),
    ],
)
def test_what_can_be_no_host_is_refused(hosts: Any, message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        TrustedHosts(hosts)


# --- HTTPSRedirect ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "to"),
    [
        ("/", "/"),
        ("/a/b?x=1&y=%2F", "/a/b?x=1&y=%2F"),
        ("/a%2Fb//c?", "/a%2Fb//c?"),
        ("/a;b=c/~x/%e2%82%ac?q=a+b&&=", "/a;b=c/~x/%e2%82%ac?q=a+b&&="),
        ("//evil.net/x", "//evil.net/x"),
        ("/?next=http://evil.net", "/?next=http://evil.net"),
        ("http://example.com/abs?x", "/abs?x"),
        ("/nowhere?a?b", "/nowhere?a?b"),
    ],
)
def test_path_and_query_stay_as_they_are(target: str, to: str) -> None:
    answer = ask(app_with(HTTPSRedirect()), target)
    assert (status(answer), location(answer)) == (308, f"https://example.com{to}")


@pytest.mark.parametrize(
    ("part", "host", "to"),
    [
        (HTTPSRedirect(), "EXAMPLE.com:8000", "https://example.com/x"),
        (HTTPSRedirect(port=8443), "example.com:8000", "https://example.com:8443/x"),
        (HTTPSRedirect(host="www.example.com"), "evil.net", "https://www.example.com/x"),
        (HTTPSRedirect(), "[::1]:8000", "https://[::1]/x"),
        (HTTPSRedirect(status=307), "example.com", "https://example.com/x"),
    ],
)
def test_host_and_port(part: HTTPSRedirect, host: str, to: str) -> None:
    assert location(ask(app_with(part), "/x", host)) == to


def test_a_post_keeps_its_method() -> None:
    answer = ask(app_with(HTTPSRedirect(status=307)), "/x", "a", "Content-Length: 0", method="POST")
    assert (status(answer), location(answer)) == (307, "https://a/x")


@pytest.mark.parametrize("host", ["user@evil.net", "a/b", "a?b", "a#b", "a..b"])
def test_a_host_that_is_none_is_a_400(host: str) -> None:
    answer = ask(app_with(HTTPSRedirect()), "/x", host)
    assert (status(answer), location(answer)) == (400, None)


def test_no_host_at_all_is_a_400() -> None:
    assert status(ask(app_with(HTTPSRedirect()), host=None, version="1.0")) == 400


def test_an_asterisk_goes_to_the_host() -> None:
    answer = ask(app_with(HTTPSRedirect()), "*", method="OPTIONS")
    assert location(answer) == "https://example.com"


def test_the_scheme_is_what_a_believed_proxy_says() -> None:
    app = app_with(HTTPSRedirect())
    for said, config, expected in (
        ("https", PROXIED, 200),
        ("http", PROXIED, 308),
        ("https", None, 308),
        ("https, http", PROXIED, 308),
    ):
        answer = ask(app, "/x", "a", f"X-Forwarded-Proto: {said}", config=config)
        assert status(answer) == expected


def test_a_redirect_that_may_go_round_in_circles_is_told_to_the_operator() -> None:
    client = TestClient(app_with(HTTPSRedirect()))
    for _ in range(3):
        client.get("/", headers={"x-forwarded-proto": "https"})
    (line,) = [each.message for each in client.log if each.level == "warning"]
    assert "set proxy_headers and forwarded_allow_ips" in line


def test_a_websocket_is_refused_for_no_browser_follows() -> None:
    answer = ask(app_with(HTTPSRedirect()), "/socket", "a", HANDSHAKE.strip())
    assert (status(answer), location(answer)) == (403, None)


@pytest.mark.parametrize(
    ("target", "expected"),
    [("/up", 200), ("/up/", 308), ("/open/x", 200), ("/open", 308), ("/open/../x", 200),
     ("/%75p", 200)],
)  # fmt: skip
def test_exempt_paths_are_answered(target: str, expected: int) -> None:
    app = app_with(HTTPSRedirect(exempt=["/up", "/open/"]))
    assert status(ask(app, target)) == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"status": 200}, "expected 301, 302, 307 or 308"),
        ({"port": 0}, "expected 1 to 65535"),
        ({"port": "443"}, "expected 1 to 65535"),
        ({"host": "https://a"}, "expected a name such as"),
        ({"host": "a:443"}, "expected a name such as"),
        ({"host": 5}, "expected a name such as"),
        ({"exempt": "/up"}, "write ['/up']"),
        ({"exempt": ["up"]}, "expected a path such as"),
        ({"exempt": [5]}, "expected a path such as"),
    ],
)
def test_what_cannot_be_meant_by_a_redirect_is_refused(
    arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        HTTPSRedirect(**arguments)
