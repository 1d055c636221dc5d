"""BearerAuth and BasicAuth: who is let in, and what the others are told."""

from __future__ import annotations

import base64
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anylane import (
    STOP,
    App,
    Context,
    HTTPError,
    Limits,
    Response,
    Router,
    ServerConfig,
    UsageError,
)
from anylane.middleware import BasicAuth, BearerAuth
from anylane.testing import Rejected, TestClient


def served(*parts: Any) -> TestClient:
    app = App()
    for part in parts:
        app.use(part)

    @app.route("/", ["GET", "OPTIONS"])
    async def home(ctx: Context) -> dict[str, Any]:
        return {"user": ctx.user}

    @app.get("/anonymous")
    async def anonymous(ctx: Context) -> dict[str, Any]:
        return {}

    @app.websocket("/ws", subprotocols=["chat"])
    async def ws(ctx: Context) -> None:
        websocket = await ctx.accept()
        await websocket.send(str(ctx.user))

    @app.websocket("/plain")
    async def plain(ctx: Context) -> None:
        chosen = ctx.request.query.get("chosen")
        websocket = await ctx.accept(chosen)
        await websocket.send(str(ctx.user))

    return TestClient(app, ServerConfig(limits=Limits(header_field=16384)))


def by_token(token: str) -> str | None:
    return {"good": "ada", "weird": "eve"}.get(token)


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def basic(name: str, password: str) -> dict[str, str]:
    encoded = base64.b64encode(f"{name}:{password}".encode()).decode()
    return {"authorization": f"Basic {encoded}"}


class TestBearer:
    def test_a_good_token_sets_the_user(self) -> None:
        client = served(BearerAuth(by_token))
        assert client.get("/", headers=bearer("good")).json() == {"user": "ada"}
        assert client.get("/", headers={"authorization": "bEARER  good"}).status == 200

    @pytest.mark.parametrize(
        "verify",
        [
            by_token,
            lambda ctx, token: by_token(token) if ctx.request.path == "/" else None,
            partial(lambda table, token: table.get(token), {"good": "ada"}),
        ],
    )
    def test_verify_may_be_any_function(self, verify: Callable[..., Any]) -> None:
        client = served(BearerAuth(verify))
        assert client.get("/", headers=bearer("good")).json() == {"user": "ada"}
        assert client.get("/", headers=bearer("bad")).status == 401

    def test_verify_may_be_async(self) -> None:
        async def verify(ctx: Context, token: str, table: Any = None) -> str | None:
            await ctx.sleep(1)
            return by_token(token)

        async def plain(token: str, table: Any = None) -> str | None:
            return by_token(token)

        class Verify:
            async def __call__(self, token: str) -> str | None:
                return by_token(token)

        def returns_a_coroutine(token: str) -> Any:
            return plain(token)

        for each in (plain, Verify(), returns_a_coroutine):
            client = served(BearerAuth(each))
            assert client.get("/", headers=bearer("good")).json() == {"user": "ada"}
            assert client.get("/", headers=bearer("bad")).status == 401
        client = served(BearerAuth(verify))
        assert client.get("/", headers=bearer("good")).json() == {"user": "ada"}

    @pytest.mark.parametrize(
        ("headers", "status", "challenge"),
        [
            ({}, 401, 'Bearer realm="api"'),
            ({"authorization": "Bearer"}, 401, 'Bearer realm="api", error="invalid_token", '),
            ({"authorization": "Basic Z29vZDo="}, 401, 'Bearer realm="api"'),
            ({"authorization": "Bearergood"}, 401, 'Bearer realm="api"'),
            (bearer("bad"), 401, 'Bearer realm="api", error="invalid_token", '),
            (bearer("go od"), 401, 'Bearer realm="api", error="invalid_token", '),
            (bearer("good, good"), 401, 'Bearer realm="api", error="invalid_token", '),
            (bearer("g\xf6\xf6d"), 401, 'Bearer realm="api", error="invalid_token", '),
            (bearer("a" * 8193), 401, 'Bearer realm="api", error="invalid_token", '),
            ([("authorization", "Bearer good")] * 2, 400, 'Bearer realm="api", error="invalid_re'),
        ],
    )
    def test_all_others_get_a_challenge(self, headers: Any, status: int, challenge: str) -> None:
        answer = served(BearerAuth(by_token)).get("/", headers=headers)
        assert answer.status == status
        assert answer.headers["www-authenticate"].startswith(challenge)
        assert ("error" in answer.headers["www-authenticate"]) == ("error" in challenge)

    @given(st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=60))
    def test_nothing_of_a_token_comes_back(self, text: str) -> None:
        token = f"s3cret{text.strip()}"
        client = served(BearerAuth(by_token))
        with client:
            answer = client.get("/", headers=[("authorization", f"Bearer {token}")])
            assert answer.status in (400, 401)
            assert "s3cret" not in answer.text + str(answer.headers.items())
            assert "s3cret" not in str(client.log)

    def test_the_query_string_is_never_looked_at(self) -> None:
        client = served(BearerAuth(by_token))
        assert client.get("/?access_token=good&token=good").status == 401

    def test_token_says_where_it_is(self) -> None:
        async def from_cookie(ctx: Context) -> str | None:
            return ctx.request.cookies.get("token")

        for where in (from_cookie, lambda ctx: ctx.request.cookies.get("token")):
            client = served(BearerAuth(by_token, token=where))
            assert client.get("/", headers=bearer("good")).status == 401
            assert client.get("/", cookies={"token": "good"}).json() == {"user": "ada"}
            assert client.get("/", cookies={"token": ""}).status == 401
            assert client.get("/", cookies={"token": "a" * 8193}).status == 401
        broken = served(BearerAuth(by_token, token=lambda ctx: 5))
        assert broken.get("/").status == 500

    def test_a_refusal_of_the_functions_own_is_the_answer(self) -> None:
        def verify(token: str) -> None:
            raise HTTPError(403 if token == "good" else 401, "no")

        client = served(BearerAuth(verify))
        forbidden = client.get("/", headers=bearer("good"))
        assert forbidden.status == 403 and "www-authenticate" not in forbidden.headers
        refused = client.get("/", headers=bearer("other"))
        assert refused.status == 401
        assert refused.headers["www-authenticate"] == 'Bearer realm="api"'

    def test_a_failure_lets_nobody_in(self) -> None:
        def verify(token: str) -> None:
            raise KeyError("the database is away")

        answer = served(BearerAuth(verify)).get("/", headers=bearer("good"))
        assert answer.status == 500 and "database" not in answer.text

    @pytest.mark.parametrize(
        ("answer", "status"),
        [
            (HTTPError(403), 403),
            (HTTPError(401), 401),
            (Response("no", status=401), 500),
            (STOP, 500),
        ],
    )
    def test_an_answer_is_no_user(self, answer: Any, status: int) -> None:
        client = served(BearerAuth(lambda token: answer))
        assert client.get("/", headers=bearer("good")).status == status

    def test_false_is_no_user(self) -> None:
        client = served(BearerAuth(lambda token: token == "good"))
        assert client.get("/", headers=bearer("bad")).status == 401
        assert client.get("/", headers=bearer("good")).json() == {"user": True}

    def test_optional_lets_the_anonymous_pass_but_no_bad_token(self) -> None:
        client = served(BearerAuth(by_token, optional=True))
        assert client.get("/").json() == {"user": None}
        assert client.get("/", headers=bearer("good")).json() == {"user": "ada"}
        assert client.get("/", headers=bearer("bad")).status == 401

    def test_two_ways_may_be_offered(self) -> None:
        client = served(
            BearerAuth(by_token, optional=True),
            BasicAuth(lambda name, password: name, optional=True),
        )
        assert client.get("/", headers=bearer("good")).json() == {"user": "ada"}
        assert client.get("/", headers=basic("bob", "x")).json() == {"user": "bob"}
        assert client.get("/").json() == {"user": None}

    def test_a_preflight_passes(self) -> None:
        client = served(BearerAuth(by_token))
        ask = {"origin": "https://a.example", "access-control-request-method": "POST"}
        assert client.options("/anonymous", headers=ask).status == 204
        assert client.options("/anonymous").status == 401
        assert client.options("/", headers=ask).status == 500  # Its handler needs a user.

    def test_what_has_no_route_is_refused_first(self) -> None:
        assert served(BearerAuth(by_token)).get("/nowhere").status == 401

    def test_it_holds_for_one_router_or_one_route(self) -> None:
        app = App()
        router = Router("/in")
        router.use(BearerAuth(by_token))

        async def home(ctx: Context) -> str:
            return "in"

        router.get("/")(home)
        app.include(router)
        app.get("/open", name="open")(home)
        app.get("/shut", name="shut", middleware=[BearerAuth(by_token)])(home)
        client = TestClient(app)
        assert [client.get(path).status for path in ("/in/", "/open", "/shut")] == [401, 200, 401]
        assert client.get("/in/", headers=bearer("good")).text == "in"
        assert client.get("/shut", headers=bearer("good")).text == "in"


class TestWebSockets:
    def test_the_header_serves(self) -> None:
        with served(BearerAuth(by_token)).websocket("/plain", headers=bearer("good")) as ws:
            assert ws.receive() == "ada" and ws.subprotocol is None

    @pytest.mark.parametrize(
        ("path", "offer", "answer"),
        [
            ("/plain", ["bearer", "good"], "bearer"),
            ("/ws", ["bearer", "good"], "bearer"),
            ("/ws", ["bearer", "good", "chat"], "chat"),
            ("/ws", ["chat", "bearer", "good"], "chat"),
            ("/plain?chosen=other", ["bearer", "good", "other"], "other"),
        ],
    )
    def test_the_subprotocols_serve(self, path: str, offer: list[str], answer: str) -> None:
        with served(BearerAuth(by_token)).websocket(path, offer) as ws:
            assert ws.subprotocol == answer
            assert ws.receive() == "ada"

    @pytest.mark.parametrize(
        ("offer", "status"),
        [
            ([], 401),
            (["bearer"], 401),
            (["good", "bearer"], 401),
            (["bearer", "bearer"], 401),
            (["bearer", "bad"], 401),
            (["Bearer", "good"], 401),
            (["bearer", "good", "bearer", "weird"], 400),
        ],
    )
    def test_a_refusal_answers_the_handshake(self, offer: list[str], status: int) -> None:
        with pytest.raises(Rejected) as rejected:
            served(BearerAuth(by_token)).websocket("/ws", offer)
        assert rejected.value.response.status == status
        assert rejected.value.response.headers["www-authenticate"].startswith('Bearer realm="api"')

    def test_header_and_subprotocols_are_one_too_many(self) -> None:
        with pytest.raises(Rejected) as rejected:
            served(BearerAuth(by_token)).websocket(
                "/ws", ["bearer", "good"], headers=bearer("good")
            )
        assert rejected.value.response.status == 400

    def test_a_token_that_is_called_like_a_subprotocol_is_not_sent_back(self) -> None:
        client = served(BearerAuth(lambda token: token))
        with client.websocket("/ws", ["bearer", "chat"]) as ws:
            assert ws.subprotocol == "bearer" and ws.receive() == "chat"
        with pytest.raises(Rejected) as rejected:
            client.websocket("/plain?chosen=good", ["bearer", "good"])
        assert rejected.value.response.status == 500

    def test_plain_requests_have_no_subprotocols(self) -> None:
        client = served(BearerAuth(by_token))
        assert client.get("/", headers={"sec-websocket-protocol": "bearer, good"}).status == 401


class TestBasic:
    def test_a_good_password_sets_the_user(self) -> None:
        client = served(BasicAuth(lambda name, password: (name, password)))
        answer = client.get("/", headers=basic("ada", "a:b \xfc\u20ac"))
        assert answer.json() == {"user": ["ada", "a:b \xfc\u20ac"]} or answer.status == 500

    def test_what_verify_returned_is_the_user(self) -> None:
        users = {"ada": "pass\u20ac:word"}
        client = served(BasicAuth(lambda n, p: {"name": n} if users.get(n) == p else None))
        good = client.get("/", headers=basic("ada", "pass\u20ac:word"))
        assert good.json() == {"user": {"name": "ada"}}

    @pytest.mark.parametrize(
        "value",
        [
            None,
            "Basic",
            "Basic !!!!",
            "Basic YWRh",  # No colon.
            "Basic YTpi=",
            "Basic /w==",  # No UTF-8.
            "Basic " + base64.b64encode(b"ada:a\nb").decode(),
            "Basic " + base64.b64encode(b"ada:" + b"a" * 4000).decode(),
            "Basic " + base64.b64encode(b"ada:wrong").decode(),
            "Bearer YWRhOnJpZ2h0",
        ],
    )
    def test_all_others_get_a_challenge(self, value: str | None) -> None:
        client = served(BasicAuth.of({"ada": "right"}))
        answer = client.get("/", headers={} if value is None else {"authorization": value})
        assert answer.status == 401
        assert answer.headers["www-authenticate"] == 'Basic realm="restricted", charset="UTF-8"'

    def test_several_credentials_are_refused(self) -> None:
        client = served(BasicAuth(lambda name, password: name))
        lines = [*basic("ada", "x").items(), *basic("eve", "x").items()]
        assert client.get("/", headers=lines).status == 401

    def test_known_passwords(self) -> None:
        client = served(BasicAuth.of({"ada": "right", "bob": "\xfcber"}, realm='a "b" \\'))
        assert client.get("/", headers=basic("ada", "right")).json() == {"user": "ada"}
        assert client.get("/", headers=basic("bob", "\xfcber")).json() == {"user": "bob"}
        for name, password in (("ada", "\xfcber"), ("eve", "right"), ("ada", ""), ("", "")):
            answer = client.get("/", headers=basic(name, password))
            assert answer.status == 401
            assert answer.headers["www-authenticate"].startswith('Basic realm="a \\"b\\" \\\\"')

    @given(
        st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters=":")),
        st.text(st.characters(exclude_categories=["Cc", "Cs"])),
    )
    def test_every_name_and_password_arrives(self, name: str, password: str) -> None:
        seen: list[tuple[str, str]] = []

        def verify(name: str, password: str) -> str:
            seen.append((name, password))
            return name

        with served(BasicAuth(verify)) as client:
            assert client.get("/", headers=basic(name, password)).status == 200
        assert seen == [(name, password)]


def generator(token: str) -> Any:
    yield token


bearer_auth: Any = BearerAuth
basic_auth: Any = BasicAuth


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: bearer_auth("secret"), r"expected a function \(token\) or \(ctx, token\)"),
        (lambda: bearer_auth(lambda: None), r"write \(token\) or \(ctx, token\)"),
        (lambda: bearer_auth(generator), "has a `yield`"),
        (lambda: bearer_auth(by_token, realm="a\r\nb"), "realm of BearerAuth"),
        (lambda: bearer_auth(by_token, realm=""), "realm of BearerAuth"),
        (lambda: bearer_auth(by_token, token="authorization"), "token of BearerAuth"),
        (lambda: bearer_auth(by_token, token=lambda: ""), "token of BearerAuth"),
        (lambda: basic_auth(lambda name: None), r"write \(name, password\)"),
        (lambda: basic_auth.of({}), "expected a mapping of names to passwords"),
        (lambda: basic_auth.of({"a:b": "x"}), "without ':'"),
        (lambda: basic_auth.of({"ada": ""}), "password of 'ada' is empty"),
    ],
)
def test_what_cannot_work_is_refused_at_once(make: Callable[[], object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make()


def test_an_async_def_is_never_inline() -> None:
    async def verify(token: str) -> None: ...

    with pytest.raises(UsageError, match="leave out inline=True"):
        BearerAuth(verify, inline=True)
