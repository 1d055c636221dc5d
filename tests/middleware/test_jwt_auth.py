"""JWTAuth: which tokens are good, and which keys and algorithms are taken."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from functools import cache
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st

from anylane import App, Context, UsageError
from anylane.middleware import JWTAuth
from anylane.testing import ClientResponse, TestClient

SECRET = "a secret of more than thirty-two bytes"
OTHER = "another secret of more than 32 bytes"


def served(part: JWTAuth) -> TestClient:
    app = App()
    app.use(part)

    @app.get("/")
    async def home(ctx: Context) -> Any:
        return ctx.user

    return TestClient(app)


def asked(client: TestClient, token: str) -> ClientResponse:
    return client.get("/", headers={"authorization": f"Bearer {token}"})


def signed(claims: Any, key: Any = SECRET, algorithm: str = "HS256", **headers: Any) -> str:
    return jwt.encode(claims, key, algorithm, headers or None)


def raw(header: bytes, payload: bytes, key: str = SECRET) -> str:
    """Return a token of any header and payload with a good signature."""
    signing = b".".join(base64.urlsafe_b64encode(each).rstrip(b"=") for each in (header, payload))
    algorithm = jwt.get_algorithm_by_name("HS256")
    signature = algorithm.sign(signing, algorithm.prepare_key(key))
    return (signing + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()


@cache
def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


def pem(key: Any) -> bytes:
    found: bytes = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return found


def error_of(answer: ClientResponse) -> str:
    """Return what the challenge of a refused token says about it."""
    assert answer.status == 401, answer.status
    challenge = answer.headers["www-authenticate"]
    beginning = 'Bearer realm="api", error="invalid_token", error_description="'
    assert challenge.startswith(beginning)
    return challenge[len(beginning) : -1]


def test_the_claims_are_the_user() -> None:
    client = served(JWTAuth(SECRET))
    assert asked(client, signed({"sub": "ada", "n": [1]})).json() == {"sub": "ada", "n": [1]}


def test_without_a_token_there_is_a_challenge_without_an_error() -> None:
    answer = served(JWTAuth(SECRET)).get("/")
    assert answer.status == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="api"'


@pytest.mark.parametrize(
    ("claims", "moments"),
    [
        ({"exp": 100}, [(0, 200), (99.5, 200), (100, 401)]),
        ({"exp": 99.5}, [(99, 200), (99.5, 401)]),
        ({"nbf": 100}, [(99, 401), (100, 200)]),
        ({"iat": 100}, [(99, 401), (100, 200)]),
        ({"exp": 200, "nbf": 100}, [(99, 401), (150, 200), (200, 401)]),
    ],
)
def test_times_are_compared_with_the_virtual_clock(
    claims: dict[str, float], moments: list[tuple[float, int]]
) -> None:
    client = served(JWTAuth(SECRET))
    before = 0.0
    for moment, status in moments:
        client.advance(moment - before)
        before = moment
        assert asked(client, signed(claims)).status == status, moment


def test_clocks_may_differ_by_the_leeway() -> None:
    client = served(JWTAuth(SECRET, leeway=10))
    client.advance(100)
    assert asked(client, signed({"exp": 91, "nbf": 110})).status == 200
    assert error_of(asked(client, signed({"exp": 90}))) == "the token has expired"
    assert error_of(asked(client, signed({"nbf": 111}))) == "the token is not valid yet"


@pytest.mark.parametrize(
    "time", ['"100"', "true", "null", "[]", "NaN", "Infinity", "1e400", "1" * 400, "{}", "-1e300"]
)
@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
def test_a_time_that_is_none_is_refused(name: str, time: str) -> None:
    token = raw(b'{"alg":"HS256"}', f'{{"{name}":{time}}}'.encode())
    answer = asked(served(JWTAuth(SECRET, leeway=0.5)), token)
    assert error_of(answer) in ("the token has a time that is none", "the token is malformed")


@pytest.mark.parametrize(
    ("options", "claims", "error"),
    [
        ({"audience": "a"}, {"aud": "a"}, None),
        ({"audience": ["a", "b"]}, {"aud": ["c", "b"]}, None),
        ({"audience": "a"}, {"aud": "ab"}, "the token is for another audience"),
        ({"audience": "a"}, {}, "the token lacks a claim"),
        ({}, {"aud": "a"}, "the token is for another audience"),
        ({"issuer": "https://i"}, {"iss": "https://i"}, None),
        ({"issuer": ["https://h", "https://i"]}, {"iss": "https://i"}, None),
        ({"issuer": "https://issuer"}, {"iss": "https://i"}, "the token is from another issuer"),
        ({"issuer": "https://i"}, {}, "the token lacks a claim"),
        ({"required": ["exp"]}, {"sub": "ada"}, "the token lacks a claim"),
        ({"required": ["exp"]}, {"exp": 10}, None),
    ],
)
def test_audience_issuer_and_required_claims(
    options: dict[str, Any], claims: dict[str, Any], error: str | None
) -> None:
    answer = asked(served(JWTAuth(SECRET, **options)), signed(claims))
    if error is None:
        assert answer.json() == claims
    else:
        assert error_of(answer) == error


@pytest.mark.parametrize(
    "token",
    [
        signed({}, OTHER),
        signed({}, SECRET * 2, "HS512"),
        signed({}, None, "none"),
        raw(b'{"alg":"none"}', b"{}").rpartition(".")[0] + ".",
        raw(b'{"alg":"hs256"}', b"{}"),
        raw(b'{"alg":["HS256"]}', b"{}"),
        raw(b'{"alg":null}', b"{}"),
        raw(b"{}", b"{}"),
        raw(b"[]", b"{}"),
        raw(b"", b"{}"),
        raw(b"\xff", b"{}"),
        raw(b'{"alg":"HS256","kid":5}', b"{}"),
        raw(b'{"alg":"HS256","crit":["exp"],"exp":1}', b"{}"),
        raw(b'{"alg":"HS256","crit":["b64"],"b64":false}', b""),
        raw(b'{"alg":"HS256","b64":false}', b""),
        raw(b'{"alg":"HS256"}', b"[]"),
        raw(b'{"alg":"HS256"}', b'"text"'),
        raw(b'{"alg":"HS256"}', b"\xff"),
        raw(b'{"alg":"HS256"}', b'{"sub":5}'),
        raw(b'{"alg":"HS256"}', b'{"sub":' + b"[" * 2400),
        raw(b'{"alg":"HS256","x":' + b"[" * 2400 + b"]" * 2400 + b"}", b"{}"),
        "a",
        "a.b",
        "a.b.c",
        "..",
        "....",
        "eyJhbGciOiJIUzI1NiJ9..",
        "-" * 5000,
    ],
)
def test_other_tokens_are_refused(token: str) -> None:
    client = served(JWTAuth(SECRET))
    error_of(asked(client, token))
    assert client.log == []


@given(st.binary(max_size=40), st.binary(max_size=40), st.integers(0, 3))
def test_no_token_is_a_failure_of_ours(header: bytes, payload: bytes, changed: int) -> None:
    parts = raw(header, payload).split(".")
    if changed < 3:
        parts[changed] = parts[changed][::-1]
    with served(JWTAuth(SECRET)) as client:
        assert asked(client, ".".join(parts)).status in (200, 401)


class TestKeys:
    def test_public_keys_in_pem(self) -> None:
        for key, algorithm in (
            (rsa_key(), "RS256"),
            (rsa_key(), "PS384"),
            (ec.generate_private_key(ec.SECP256R1()), "ES256"),
            (ed25519.Ed25519PrivateKey.generate(), "EdDSA"),
        ):
            for given_key in (pem(key), pem(key).decode(), key.public_key(), key):
                client = served(JWTAuth(given_key, algorithms=[algorithm]))
                assert asked(client, signed({"a": 1}, key, algorithm)).json() == {"a": 1}

    def test_a_public_key_is_no_secret(self) -> None:
        public = pem(rsa_key())
        confused = raw(b'{"alg":"HS256"}', b"{}", "x" * 40)
        client = served(JWTAuth(public, algorithms=["RS256"]))
        assert error_of(asked(client, confused)) == "the token is signed with another algorithm"
        with pytest.raises(UsageError, match="a public or private key, where HS256 takes a secret"):
            JWTAuth(public)

    def test_keys_by_kid(self) -> None:
        client = served(JWTAuth({"new": SECRET, "old": OTHER}))
        assert asked(client, signed({}, SECRET, kid="new")).status == 200
        assert asked(client, signed({}, OTHER, kid="old")).status == 200
        for token in (signed({}, OTHER, kid="new"), signed({}, kid="other"), signed({})):
            assert error_of(asked(client, token)) == "the token is not valid"

    def test_a_list_of_keys_is_tried(self) -> None:
        client = served(JWTAuth([SECRET, OTHER]))
        assert asked(client, signed({}, SECRET)).status == 200
        assert asked(client, signed({}, OTHER, kid="any")).status == 200
        assert error_of(asked(client, signed({}, SECRET * 2))) == "the token is not valid"

    def test_a_jwk_set(self) -> None:
        key, second = rsa_key(), rsa_key(3072)
        jwk = jwt.get_algorithm_by_name("RS256").to_jwk(key.public_key(), as_dict=True)
        other = jwt.get_algorithm_by_name("RS256").to_jwk(second.public_key(), as_dict=True)
        jwks = {"keys": [jwk | {"kid": "a", "use": "sig", "alg": "RS256"}, other]}
        client = served(JWTAuth(jwks, algorithms=["RS256", "PS256"]))
        assert asked(client, signed({}, key, "RS256", kid="a")).status == 200
        assert asked(client, signed({}, second, "PS256")).status == 200
        # The key says which algorithm it is for, and a named one is not tried without its name.
        assert error_of(asked(client, signed({}, key, "PS256", kid="a")))
        assert error_of(asked(client, signed({}, key, "RS256")))

    def test_a_function_finds_keys(self) -> None:
        async def by_issuer(ctx: Context, kid: str | None) -> Any:
            await ctx.sleep(1)
            return {"a": SECRET, "b": [OTHER, SECRET], "short": "short"}.get(kid or "")

        found: list[Callable[..., Any]] = [by_issuer, {"a": SECRET}.get]
        for each in found:
            client = served(JWTAuth(each))
            assert asked(client, signed({}, kid="a")).status == 200
            assert error_of(asked(client, signed({}, kid="c")))
            assert error_of(asked(client, signed({})))
        client = served(JWTAuth(by_issuer))
        assert asked(client, signed({}, kid="b")).status == 200
        assert asked(client, signed({}, "short" * 8, kid="short")).status == 500
        assert "a secret of 5 bytes" in client.log[0].message


jwt_auth: Any = JWTAuth


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: jwt_auth("short"), r"a secret of 5 bytes; HS256 needs 32 or more \(RFC 7518"),
        (lambda: jwt_auth(SECRET, ["HS256", "HS512"]), "HS512 needs 64 or more"),
        (lambda: jwt_auth(b""), "a secret of 0 bytes"),
        (lambda: jwt_auth(None), "a NoneType; HS256 takes a secret"),
        (lambda: jwt_auth(SECRET, "HS256"), r"write \['HS256'\]"),
        (lambda: jwt_auth(SECRET, []), "algorithms is empty"),
        (lambda: jwt_auth(SECRET, ["none"]), "algorithms has 'none'; expected some of "),
        (lambda: jwt_auth(SECRET, ["HS257"]), "algorithms has 'HS257'; expected some of "),
        (lambda: jwt_auth(SECRET, ["HS256", "RS256"]), "use one kind, or two JWTAuth"),
        (lambda: jwt_auth(SECRET, ["RS256"]), "no key of RS256; expected a public key in PEM"),
        (lambda: jwt_auth(pem(rsa_key(1024)), ["RS256"]), "an RSA key of 1024 bits"),
        (lambda: jwt_auth(pem(rsa_key()), ["RS256", "ES256"]), "no key of ES256"),
        (
            lambda: jwt_auth(ec.generate_private_key(ec.SECP384R1()), ["ES256"]),
            "ES256|curve",
        ),
        (lambda: jwt_auth({"kty": "RSA"}, ["RS256"]), "a JWK that is none of RS256"),
        (lambda: jwt_auth({}), "no key in it"),
        (lambda: jwt_auth([]), "no key in it"),
        (lambda: jwt_auth({"keys": []}), "no key in it"),
        (lambda: jwt_auth({5: SECRET}), "the kid 5"),
        (lambda: jwt_auth([SECRET] * 17), "expected 16 at most"),
        (lambda: jwt_auth(lambda: SECRET), r"write \(kid\) or \(ctx, kid\)"),
        (lambda: jwt_auth(SECRET, leeway=-1), "leeway is -1"),
        (lambda: jwt_auth(SECRET, leeway=True), "leeway is True"),
        (lambda: jwt_auth(SECRET, leeway=601), "0 to 600"),
        (lambda: jwt_auth(SECRET, audience=[]), "audience is"),
        (lambda: jwt_auth(SECRET, issuer=[5]), "issuer is"),
        (lambda: jwt_auth(SECRET, required="exp"), r"write \['exp'\]"),
        (lambda: jwt_auth(SECRET, required=[""]), "names of claims"),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_what_cannot_be_right_is_refused_at_once(make: Callable[[], object], message: str) -> None:
    with pytest.raises(UsageError, match=message) as raised:
        make()
    assert SECRET not in str(raised.value) and "BEGIN" not in str(raised.value)
    assert raised.value.__cause__ is None


def test_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "jwt", None)
    with pytest.raises(UsageError, match=r"JWTAuth needs the package jwt.*anylane\[jwt\]"):
        JWTAuth(SECRET)


def test_tokens_are_in_no_message() -> None:
    client = served(JWTAuth(SECRET))
    for token in (signed({"sub": "s3cret-claim"}, OTHER), "s3cret-claim.a.b"):
        answer = asked(client, token)
        assert "s3cret" not in answer.text + str(answer.headers.items()) + str(client.log)
        assert token not in json.dumps(answer.text)
