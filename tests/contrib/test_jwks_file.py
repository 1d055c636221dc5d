"""JWKSFile: keys in a file that may be replaced while the server runs."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import jwt
import pytest

from anylane import App, Context, UsageError
from anylane.contrib import JWKSFile
from anylane.middleware import JWTAuth
from anylane.testing import TestClient

SECRETS = {name: f"{name} is a secret of more than thirty-two bytes" for name in "abc"}


def jwk(name: str | None, secret: str) -> dict[str, Any]:
    found = jwt.get_algorithm_by_name("HS256").to_jwk(secret.encode(), as_dict=True)
    return found if name is None else {**found, "kid": name}


def write(path: Path, names: str, *others: Any) -> None:
    """Replace the file in one step."""
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps({"keys": [*(jwk(name, SECRETS[name]) for name in names), *others]}))
    fresh.replace(path)


def served(source: JWKSFile) -> TestClient:
    app = App()
    app.use(JWTAuth(source))

    @app.get("/")
    async def home(ctx: Context) -> str:
        return "in"

    return TestClient(app)


def status(client: TestClient, name: str, kid: str | None = "") -> int:
    headers = {} if kid is None else {"kid": kid or name}
    token = jwt.encode({}, SECRETS[name], "HS256", headers)
    return client.get("/", headers={"authorization": f"Bearer {token}"}).status


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "jwks.json"
    write(path, "a")
    return path


def test_a_new_key_works_a_moment_after_it_is_written(path: Path) -> None:
    client = served(JWKSFile(path))
    assert status(client, "a") == 200
    write(path, "ab")
    assert status(client, "b") == 401  # The file was looked at less than 5 seconds ago.
    client.advance(5)
    assert status(client, "b") == 200
    assert status(client, "a") == 200


def test_a_key_that_is_gone_is_forgotten_within_a_minute(path: Path) -> None:
    client = served(JWKSFile(path))
    assert status(client, "a") == 200
    write(path, "b")
    client.advance(59)
    assert status(client, "a") == 200
    client.advance(1)
    assert status(client, "a") == 401
    assert status(client, "b") == 200


def test_unknown_keys_cost_one_look_in_five_seconds(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = served(JWKSFile(path))
    looks: list[int] = []

    def fstat(number: int) -> os.stat_result:
        looks.append(number)
        return os.fstat(number)

    monkeypatch.setattr("anylane.contrib.jwks_file.fstat", fstat)
    for _ in range(10):
        assert status(client, "b") == 401
    assert len(looks) == 0
    client.advance(5)
    for _ in range(10):
        assert status(client, "b") == 401
    assert len(looks) == 1


@pytest.mark.parametrize("content", ["", "{", "[]", '{"keys": []}', '{"keys": [5]}', None])
def test_an_unreadable_file_keeps_the_keys_before(path: Path, content: str | None) -> None:
    client = served(JWKSFile(path))
    assert status(client, "a") == 200
    if content is None:
        path.unlink()
    else:
        path.write_text(content)
    client.advance(60)
    assert status(client, "a") == 200
    assert [record.level for record in client.log] == ["warning"]
    assert "JWKSFile keeps the keys it has" in client.log[0].message
    write(path, "b")
    client.advance(60)
    assert (status(client, "a"), status(client, "b")) == (401, 200)


def test_what_is_not_understood_is_ignored(path: Path) -> None:
    write(path, "a", 5, {"kty": "new"}, {"kid": "x"}, jwk(None, SECRETS["c"]), {"kty": 5})
    client = served(JWKSFile(path))
    assert status(client, "a") == 200
    assert status(client, "a", kid=None) == 200
    assert status(client, "c", kid=None) == 200
    assert status(client, "b", kid=None) == 401
    assert status(client, "a", kid="x") == 401


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "No such file"),
        ("", "cannot read"),
        ('{"keys": 5}', "no list of keys"),
        ('{"keys": [{}]}', "no key in it"),
        ('{"keys": []}' + " " * 1024 * 1024, "more than 1048576 bytes"),
    ],
)
def test_a_bad_file_is_refused_at_once(path: Path, content: str | None, message: str) -> None:
    path.unlink()
    if content is not None:
        path.write_text(content)
    with pytest.raises(UsageError, match=message):
        JWKSFile(path)


def test_bad_seconds_are_refused(path: Path) -> None:
    with pytest.raises(UsageError, match="every is 0"):
        JWKSFile(path, every=0)
