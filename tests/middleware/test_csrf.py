"""CSRF: which requests are another site's, and the token where a browser does not say."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anylane import App, Context, ServerConfig, UsageError
from anylane.http.cookies import parse_cookies
from anylane.middleware import CSRF, Sessions
from anylane.testing import Rejected, TestClient

SECRET = "a secret of more than thirty-two bytes"


def served(*parts: Any, **options: Any) -> TestClient:
    app = App()
    for part in parts or (CSRF(),):
        app.use(part)

    @app.get("/")
    async def page(ctx: Context) -> str:
        return "page"

    @app.get("/form")
    async def form(ctx: Context) -> str:
        return str(ctx.state.csrf_token)

    @app.get("/late")
    async def late(ctx: Context) -> None:
        async with ctx.stream() as out:
            try:
                await out.write(ctx.state.csrf_token.encode())
            except UsageError as exc:
                await out.write(str(exc).encode())

    @app.route("/", ["POST", "PUT", "DELETE", "PATCH"], name="change")
    async def change(ctx: Context) -> str:
        return "changed"

    @app.post("/echo")
    async def echo(ctx: Context) -> dict[str, Any]:
        form = await ctx.request.form()
        body = await ctx.request.body()
        chunks = [chunk async for chunk in ctx.request.stream()]
        return {"text": form["text"], "body": len(body), "stream": len(b"".join(chunks))}

    @app.websocket("/ws")
    async def ws(ctx: Context) -> None:
        await ctx.accept()

    return TestClient(app, **options)


HOST = "http://testserver"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"sec-fetch-site": "same-origin"}, 200),
        ({"sec-fetch-site": "none"}, 200),
        ({"sec-fetch-site": "same-origin", "origin": "http://proxied"}, 200),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "cross-site", "origin": HOST}, 403),
        ({"sec-fetch-site": "new-value"}, 403),
        ([("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")], 403),
        ({"origin": HOST}, 200),
        ({"origin": HOST.upper()}, 200),
        ({"origin": f"{HOST}:80"}, 200),
        ({"origin": "https://testserver"}, 200),  # A proxy may end TLS.
        ({"origin": f"{HOST}:8080"}, 403),
        ({"origin": "http://testserver.evil"}, 403),
        ({"origin": "http://eviltestserver"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": ""}, 403),
        ([("origin", HOST), ("origin", HOST)], 403),
        ({"origin": f"{HOST}, http://evil"}, 403),
        ({}, 403),
        ({"x-csrf-token": "A" * 43}, 403),
    ],
)
def test_the_browser_says_where_a_request_comes_from(
    method: str, headers: Any, status: int
) -> None:
    assert served().request(method, "/", headers=headers).status == status


def test_safe_methods_pass() -> None:
    client = served()
    for method in ("GET", "HEAD", "OPTIONS"):
        answer = client.request(method, "/", headers={"sec-fetch-site": "cross-site"})
        assert answer.status in (200, 204)
        assert "set-cookie" not in answer.headers and "vary" not in answer.headers


def test_over_tls_a_page_without_it_is_none_of_ours() -> None:
    config = ServerConfig(proxy_headers=True, forwarded_allow_ips=("*",))
    client = served(config=config, headers={"x-forwarded-proto": "https"})
    assert client.post("/", headers={"origin": "https://testserver"}).status == 200
    assert client.post("/", headers={"origin": HOST}).status == 403
    with pytest.raises(Rejected):
        client.websocket("/ws", headers={"origin": HOST})
    form = client.get("/form")
    assert form.headers["set-cookie"].startswith("__Host-csrf=")
    assert form.headers["set-cookie"].endswith("; HttpOnly; Path=/; SameSite=Lax; Secure")


def test_trusted_origins_pass() -> None:
    client = served(CSRF(trusted_origins=["https://Admin.example:443"]))
    for site in ({}, {"sec-fetch-site": "cross-site"}):
        assert client.post("/", headers={**site, "origin": "https://admin.example"}).status == 200
        assert client.post("/", headers={**site, "origin": "https://b.example"}).status == 403


def test_exempt_requests_pass() -> None:
    client = served(CSRF(exempt=lambda ctx: ctx.request.path == "/"))
    assert client.post("/").status == 200
    assert client.post("/echo").status == 403


@pytest.mark.parametrize(
    ("origin", "status"),
    [(HOST, 101), ("https://good.example", 101), ("http://evil", 403), ("null", 403), (None, 403)],
)
def test_a_handshake_is_unsafe(origin: str | None, status: int) -> None:
    client = served(CSRF(trusted_origins=["https://good.example"]))
    headers = {"sec-fetch-site": "same-origin"} | ({} if origin is None else {"origin": origin})
    if status == 101:
        client.websocket("/ws", headers=headers).close()
    else:
        with pytest.raises(Rejected) as rejected:
            client.websocket("/ws", headers=headers)
        assert rejected.value.response.status == status


def test_clients_that_are_no_browsers_may_be_let_in() -> None:
    client = served(CSRF(trusted_origins=[None]))
    client.websocket("/ws").close()
    assert client.post("/").status == 403  # Of a form no origin says nothing.
    with pytest.raises(Rejected):
        client.websocket("/ws", headers={"origin": "http://evil"})


PARTS = pytest.mark.parametrize("parts", [(), (Sessions(SECRET), CSRF())], ids=["own", "session"])


class TestToken:
    @PARTS
    def test_it_comes_in_a_header_or_in_a_form(self, parts: tuple[object, ...]) -> None:
        client = served(*parts)
        page = client.get("/form")
        assert page.headers["vary"] == "Cookie"
        assert page.headers["cache-control"] == "private"
        token = page.text
        assert client.post("/", headers={"x-csrf-token": token}).status == 200
        answer = client.post("/echo", data={"csrf_token": token, "text": "x"})
        assert answer.status == 200
        size = answer.json()["body"]
        assert answer.json() == {"text": "x", "body": size, "stream": size}
        boundary = "x"
        body = "".join(
            f'--{boundary}\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
            for name, value in (("csrf_token", token), ("text", "x"))
        )
        body += f"--{boundary}--\r\n"
        answer = client.post(
            "/echo",
            content=body.encode(),
            headers={"content-type": f"multipart/form-data; boundary={boundary}"},
        )
        assert answer.json() == {"text": "x", "body": len(body), "stream": len(body)}

    @PARTS
    def test_it_is_masked_anew_each_time(self, parts: tuple[object, ...]) -> None:
        client = served(*parts)
        first, second = client.get("/form"), client.get("/form")
        assert first.text != second.text
        assert "set-cookie" in first.headers and "set-cookie" not in second.headers
        assert second.headers["vary"] == "Cookie"
        assert second.headers["cache-control"] == "private"
        for token in (first.text, second.text):
            assert client.post("/", headers={"x-csrf-token": token}).status == 200

    @PARTS
    def test_it_is_good_for_one_client_only(self, parts: tuple[object, ...]) -> None:
        client = served(*parts)
        token = client.get("/form").text
        client.cookies.clear()
        assert client.post("/", headers={"x-csrf-token": token}).status == 403
        client.get("/form")
        assert client.post("/", headers={"x-csrf-token": token}).status == 403

    @PARTS
    @given(st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=90))
    def test_no_other_text_is_one(self, parts: tuple[object, ...], text: str) -> None:
        with served(*parts) as client:
            client.get("/form")
            answer = client.post("/", headers=[("x-csrf-token", text.strip())])
            assert answer.status == 403
            assert client.log == []

    def test_it_does_not_help_another_site(self) -> None:
        client = served()
        token = client.get("/form").text
        for headers in ({"origin": "http://evil"}, {"sec-fetch-site": "cross-site"}):
            assert client.post("/", headers={**headers, "x-csrf-token": token}).status == 403

    def test_the_secret_itself_is_taken_too(self) -> None:
        client = served()
        secret = parse_cookies(client.get("/form").headers.get_all("set-cookie"))["csrf"]
        assert client.post("/", headers={"x-csrf-token": secret}).status == 200

    @pytest.mark.parametrize("secret", ["", "x", "A" * 42, "A" * 44, "\xe4" * 43, "=" * 43])
    def test_a_bad_cookie_is_replaced(self, secret: str) -> None:
        client = served()
        headers = {"cookie": f"csrf={secret}"}
        assert client.post("/", headers={**headers, "x-csrf-token": secret}).status == 403
        assert "set-cookie" in client.get("/form", headers=headers).headers

    def test_a_token_in_another_kind_of_body_is_not_looked_for(self) -> None:
        client = served()
        token = client.get("/form").text
        assert client.post("/", json={"csrf_token": token}).status == 403
        assert client.post("/?csrf_token=" + token).status == 403

    def test_a_new_login_has_a_new_one(self) -> None:
        app = App()
        app.use(Sessions(SECRET))
        app.use(CSRF())

        @app.get("/form")
        async def form(ctx: Context) -> str:
            return str(ctx.state.csrf_token)

        @app.post("/login")
        async def login(ctx: Context) -> None:
            ctx.session.renew()
            ctx.session["user"] = "ada"

        client = TestClient(app)
        token = client.get("/form").text
        assert client.post("/login", headers={"x-csrf-token": token}).status == 204
        assert client.post("/login", headers={"x-csrf-token": token}).status == 403
        token = client.get("/form").text
        assert client.post("/login", headers={"x-csrf-token": token}).status == 204

    @PARTS
    def test_it_has_to_be_read_before_the_head_goes_out(self, parts: tuple[object, ...]) -> None:
        client = served(*parts)
        said = client.get("/late").text
        assert "out" in said and "before" in said
        client.get("/form")
        token = client.get("/late").text
        assert client.post("/", headers={"x-csrf-token": token}).status == 200

    def test_it_is_like_random(self) -> None:
        token = served().get("/form").text
        assert len(base64.urlsafe_b64decode(token[:43] + "=")) == 32


csrf: Any = CSRF


async def asynchronous(ctx: Context) -> bool:
    return False


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: csrf(trusted_origins="https://a"), r"trusted_origins .*write \['https://a'\]"),
        (lambda: csrf(trusted_origins=["a.example"]), "trusted_origins of 'CSRF' has 'a.example'"),
        (lambda: csrf(trusted_origins=["https://a/"]), "without a path"),
        (lambda: csrf(trusted_origins=["null"]), "leave it out"),
        (lambda: csrf(trusted_origins=["same-origin"]), "leave it out"),
        (lambda: csrf(exempt="/"), r"expected a function \(ctx\)"),
        (lambda: csrf(exempt=asynchronous), "which would always count as true"),
        (lambda: csrf(exempt=lambda: True), r"write \(ctx\)"),
        (lambda: csrf(header="a b"), "header"),
        (lambda: csrf(field=""), "field is ''"),
        (lambda: csrf(cookie="a b"), "cookie name"),
    ],
)
def test_what_cannot_be_right_is_refused_at_once(make: Callable[[], object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make()
