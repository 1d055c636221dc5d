"""SecurityHeaders and CSP: what browsers are told, and what is refused before it is told."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode
from typing import Any

import pytest

from anylane import App, Context, HTTPError, ServerConfig, UsageError
from anylane.middleware import CSP, SecurityHeaders
from anylane.testing import Lockstep, TestClient

PROXIED = ServerConfig(proxy_headers=True, forwarded_allow_ips=("192.0.2.1",))


def client(part: SecurityHeaders, config: ServerConfig | None = None) -> TestClient:
    app = App()
    app.use(part)

    @app.get("/")
    async def home(ctx: Context) -> dict[str, Any]:
        return {"nonce": getattr(ctx.state, "csp_nonce", None)}

    @app.get("/own")
    async def own(ctx: Context) -> str:
        ctx.response.set_header("Content-Security-Policy", "default-src 'self'")
        ctx.response.set_header("X-Frame-Options", "SAMEORIGIN")
        ctx.response.set_header("Referrer-Policy", "no-referrer")
        ctx.response.set_header("Strict-Transport-Security", "max-age=5")
        return "own"

    @app.get("/same")
    async def same(ctx: Context) -> None:
        ctx.response.set_status(304)

    @app.get("/fail")
    async def fail(ctx: Context) -> str:
        raise KeyError("x")

    @app.get("/teapot")
    async def teapot(ctx: Context) -> str:
        raise HTTPError(418)

    return TestClient(app, config)


DEFAULT = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "x-xss-protection": "0",
    "content-security-policy": "frame-ancestors 'none'",
    "referrer-policy": "strict-origin-when-cross-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


@pytest.mark.parametrize("path", ["/", "/fail", "/teapot", "/nowhere", "/same"])
def test_every_answer_has_them(path: str) -> None:
    answer = client(SecurityHeaders()).get(path)
    for name, value in DEFAULT.items():
        assert answer.headers.get_all(name) == [value]
    for absent in ("strict-transport-security", "permissions-policy"):
        assert absent not in answer.headers


def test_what_the_handler_has_set_itself_stays() -> None:
    headers = client(SecurityHeaders()).get("/own").headers
    assert headers.get_all("content-security-policy") == ["default-src 'self'"]
    assert headers.get_all("x-frame-options") == ["SAMEORIGIN"]
    assert headers.get_all("referrer-policy") == ["no-referrer"]
    assert headers.get_all("x-content-type-options") == ["nosniff"]


def test_none_leaves_one_out() -> None:
    part = SecurityHeaders(csp=None, referrer=None, opener=None, resource=None, hsts=None)
    headers = client(part).get("/").headers
    left = {*headers} & {*DEFAULT}
    assert left == {"x-content-type-options", "x-xss-protection"}


@pytest.mark.parametrize(
    ("said", "by", "told"),
    [
        ("https", PROXIED, "max-age=31536000"),
        ("http", PROXIED, None),
        (None, PROXIED, None),
        ("https", None, None),  # Nobody is believed.
    ],
)
def test_hsts_goes_out_over_tls_only(
    said: str | None, by: ServerConfig | None, told: str | None
) -> None:
    headers = {} if said is None else {"x-forwarded-proto": said}
    answer = client(SecurityHeaders(), by).get("/", headers=headers)
    assert answer.headers.get("strict-transport-security") == told


def test_hsts_that_the_handler_sets_stays() -> None:
    headers = {"x-forwarded-proto": "https"}
    answer = client(SecurityHeaders(), PROXIED).get("/own", headers=headers)
    assert answer.headers.get_all("strict-transport-security") == ["max-age=5"]


def test_more_of_hsts() -> None:
    part = SecurityHeaders(hsts=63_072_000, hsts_subdomains=True, hsts_preload=True)
    answer = client(part, PROXIED).get("/", headers={"x-forwarded-proto": "https"})
    assert answer.headers["strict-transport-security"] == (
        "max-age=63072000; includeSubDomains; preload"
    )


@pytest.mark.parametrize(
    ("ancestors", "frames"),
    [("'none'", "DENY"), ("'self'", "SAMEORIGIN"), ("https://a.example", None), (None, None)],
)
def test_x_frame_options_says_what_it_can(ancestors: str | None, frames: str | None) -> None:
    csp = CSP(default_src="'self'") if ancestors is None else CSP(frame_ancestors=ancestors)
    answer = client(SecurityHeaders(csp=csp)).get("/")
    assert answer.headers.get("x-frame-options") == frames


def test_permissions() -> None:
    part = SecurityHeaders(
        permissions={
            "camera": [],
            "geolocation": ["self", "https://maps.example.com"],
            "fullscreen": ["*"],
        }
    )
    assert client(part).get("/").headers["permissions-policy"] == (
        'camera=(), geolocation=(self "https://maps.example.com"), fullscreen=*'
    )


def test_a_websocket_has_none_and_its_rejection_has_them() -> None:
    app = App()
    app.use(SecurityHeaders())

    @app.websocket("/socket")
    async def socket(ctx: Context) -> None:
        await ctx.accept()

    @app.websocket("/closed")
    async def closed(ctx: Context) -> None:
        raise HTTPError(403)

    handshake = (
        b"Host: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    for path, status, has in ((b"/socket", b"101", False), (b"/closed", b"403", True)):
        wire = Lockstep(app)
        wire.receive(b"GET " + path + b" HTTP/1.1\r\n" + handshake)
        head = wire.take()
        assert head.startswith(b"HTTP/1.1 " + status)
        assert (b"nosniff" in head) is has


# --- nonces -------------------------------------------------------------------------------------

STRICT = CSP(
    default_src="'self'",
    script_src=[CSP.NONCE, "'strict-dynamic'"],
    style_src=["'self'", CSP.NONCE],
    base_uri="'none'",
    upgrade_insecure_requests=True,
)


def test_a_nonce_is_new_for_each_request_and_in_all_places() -> None:
    asked = client(SecurityHeaders(csp=STRICT))
    seen = set()
    for _ in range(3):
        answer = asked.get("/")
        nonce = answer.json()["nonce"]
        assert len(urlsafe_b64decode(nonce + "==")) == 16
        assert answer.headers["content-security-policy"] == (
            f"default-src 'self'; script-src 'nonce-{nonce}' 'strict-dynamic'; "
            f"style-src 'self' 'nonce-{nonce}'; base-uri 'none'; upgrade-insecure-requests"
        )
        seen.add(nonce)
    assert len(seen) == 3


def test_there_is_no_nonce_where_no_policy_has_one() -> None:
    assert client(SecurityHeaders()).get("/").json() == {"nonce": None}


def test_a_304_leaves_the_policy_of_the_page_in_the_cache_as_it_is() -> None:
    headers = client(SecurityHeaders(csp=STRICT)).get("/same").headers
    assert "content-security-policy" not in headers
    assert "x-content-type-options" in headers


def test_errors_have_the_policy_too() -> None:
    for path in ("/fail", "/nowhere"):
        headers = client(SecurityHeaders(csp=STRICT)).get(path).headers
        assert "'nonce-" in headers["content-security-policy"]


def test_a_second_policy_is_reported_on_only() -> None:
    part = SecurityHeaders(csp_report_only=CSP(script_src=[CSP.NONCE], report_to="csp"))
    answer = client(part).get("/")
    nonce = answer.json()["nonce"]
    assert answer.headers["content-security-policy"] == "frame-ancestors 'none'"
    assert answer.headers["content-security-policy-report-only"] == (
        f"script-src 'nonce-{nonce}'; report-to csp"
    )


# --- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"csp": "default-src 'self'"}, "expected CSP(default_src"),
        ({"csp_report_only": {}}, "expected CSP(default_src"),
        ({"referrer": "never"}, "'no-referrer'"),
        ({"opener": "same_origin"}, "'same-origin'"),
        ({"resource": True}, "'cross-origin'"),
        ({"embedder": "x"}, "'require-corp'"),
        ({"hsts": -1}, "seconds, 0 or more, or None"),
        ({"hsts": True}, "seconds, 0 or more, or None"),
        ({"hsts": 1.5}, "seconds, 0 or more, or None"),
        ({"hsts": None, "hsts_subdomains": True}, "hsts=None; hsts_subdomains"),
        ({"hsts_subdomains": 1}, "expected True or False"),
        ({"hsts_preload": True}, "needs hsts_subdomains=True"),
        ({"hsts": 60, "hsts_subdomains": True, "hsts_preload": True}, "hstspreload.org"),
        ({"permissions": ["camera"]}, "expected a mapping"),
        ({"permissions": {"Camera!": []}}, "expected a feature"),
        ({"permissions": {"camera": "self"}}, "write ['self']"),
        ({"permissions": {"camera": ["maps.example"]}}, "expected 'self', '*' or an origin"),
        ({"permissions": {"camera": ['https://a"b']}}, "expected 'self', '*' or an origin"),
        ({"permissions": {"camera": [5]}}, "expected 'self', '*' or an origin"),
    ],
)
def test_what_cannot_be_meant_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        SecurityHeaders(**arguments)


@pytest.mark.parametrize(
    ("directives", "message"),
    [
        ({}, "has no directives"),
        ({"default_src": False}, "has no directives"),
        ({"default_scr": "'self'"}, "'default-scr'; expected one of base-uri"),
        ({"default_src": "self"}, "write it in single quotes"),
        ({"script_src": ["strict-dynamic"]}, "write it in single quotes"),
        ({"script_src": '"self"'}, "write it in single quotes"),
        ({"script_src": "'nonce-abc'"}, "a nonce must be new for each request"),
        ({"script_src": "nonce-abc"}, "a nonce must be new for each request"),
        ({"script_src": "'sha256-x y'"}, "expected a source"),
        ({"script_src": "'md5-abc'"}, "expected a source"),
        ({"script_src": "a.example;default-src *"}, "expected a source"),
        ({"script_src": ["a.example b.example"]}, "expected a source"),
        ({"script_src": ["a.example, b"]}, "expected a source"),
        ({"script_src": "x\r\ny: z;"}, "expected a source"),
        ({"script_src": ["é.example"]}, "expected a source"),
        ({"script_src": [5]}, "expected a str"),
        ({"script_src": 5}, "expected a str, a list or True"),
        ({"script_src": True}, "has no value"),
        ({"script_src": []}, "has no value"),
        ({"script_src": "'none' 'self'"}, "beside other values"),
        ({"frame_ancestors": "'unsafe-inline'"}, "write it in single quotes"),
        ({"frame_ancestors": CSP.NONCE}, "a nonce must be new"),
        ({"sandbox": "allow-everything"}, "expected a source"),
        ({"require_trusted_types_for": "script"}, "expected a source"),
        ({"upgrade_insecure_requests": "yes"}, "expected True"),
        ({"report_uri": "/csp;x"}, "expected a source"),
    ],
)
def test_a_policy_that_browsers_do_not_understand_is_refused(
    directives: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        CSP(**directives)


@pytest.mark.parametrize(
    ("directives", "text"),
    [
        ({"default_src": "'self'"}, "default-src 'self'"),
        ({"img_src": "'self' data: https:"}, "img-src 'self' data: https:"),
        ({"connect_src": ["wss://a.example:8443", "*.b.example", "*"]},
         "connect-src wss://a.example:8443 *.b.example *"),
        ({"script_src": "https://cdn.example/lib/ 'unsafe-inline' 'self' 'self'"},
         "script-src https://cdn.example/lib/ 'unsafe-inline' 'self'"),
        ({"script_src": "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"},
         "script-src 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"),
        ({"sandbox": True}, "sandbox"),
        ({"sandbox": ["allow-scripts"]}, "sandbox allow-scripts"),
        ({"trusted_types": "'none'"}, "trusted-types 'none'"),
        ({"require_trusted_types_for": "'script'"}, "require-trusted-types-for 'script'"),
        ({"report_uri": "/csp?x=1"}, "report-uri /csp?x=1"),
        ({"frame_ancestors": "http://localhost:*"}, "frame-ancestors http://localhost:*"),
        ({"default_src": "'self'", "object_src": "'none'", "sandbox": False},
         "default-src 'self'; object-src 'none'"),
    ],
)  # fmt: skip
def test_a_policy_is_written_as_browsers_read_it(directives: dict[str, Any], text: str) -> None:
    assert CSP(**directives).text() == text
