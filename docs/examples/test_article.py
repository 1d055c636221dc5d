"""The programs of the article, in memory and on every lane: what they answer, also to mistakes."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import connection_pool
import httpx
import monitoring
import pytest
import retries
import stamina
import time_limits
import users_api
import versioned_api
from stamina.instrumentation import RetryDetails, set_on_retry_hooks

from anylane import App, Server, ServerConfig
from anylane.testing import HttpxTransport, TestClient

LANES = (None, "asyncio", "uvloop", "anyio", "trio", "curio", "threads")
READER = {"authorization": "Bearer read"}
EDITOR = {"authorization": "Bearer write"}
ADA = {"name": "Ada", "email": "ada@example.org"}
GRACE = {"name": "Grace", "email": "grace@example.org"}


@pytest.fixture(params=LANES, ids=lambda lane: lane or "memory")
def lane(request: pytest.FixtureRequest) -> str | None:
    name: str | None = request.param
    return name


@pytest.fixture
def tries() -> Generator[list[RetryDetails]]:
    """The retries that stamina has scheduled. It does not wait before them here."""
    found: list[RetryDetails] = []

    def note(details: RetryDetails) -> None:
        found.append(details)

    set_on_retry_hooks([note])
    with stamina.set_testing(True, attempts=retries.ATTEMPTS):
        yield found
    set_on_retry_hooks(None)


# --- what their docstrings say ------------------------------------------------------------------

PROGRAMS = (connection_pool, monitoring, retries, time_limits, users_api, versioned_api)


@contextmanager
def serving(app: App, lane: str) -> Generator[str]:
    server = Server(app, ServerConfig(port=0), backend=lane).start().wait_ready()
    try:
        yield server.urls[0]
    finally:
        server.shutdown(grace=0)
        server.wait()


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_curl_is_answered_as_the_docstring_says(
    program: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tries: list[RetryDetails]
) -> None:
    monkeypatch.setattr(connection_pool, "DATABASE", str(tmp_path / "notes.db"))
    said = program.__doc__.replace("\\\n", "")
    run = re.search(r"anylane run --app-dir docs/examples (\w+):app --backend (\w+)", said)
    assert run is not None
    assert run[1] == program.__name__
    commands = re.findall(r"^    (curl .*?|kill %1)(?: +# (\d+).*)?$", said, re.MULTILINE)
    assert len(commands) >= 2
    with ExitStack() as stack:
        upstream = stack.enter_context(ExitStack())
        url = upstream.enter_context(serving(retries.upstream, run[2]))
        monkeypatch.setattr(retries, "UPSTREAM", url)
        url = stack.enter_context(serving(program.app, run[2]))
        for command, status in commands:
            if command == "kill %1":
                upstream.close()
                continue
            shell = command.replace("http://127.0.0.1:8000", url)
            shell += " --silent --output /dev/null --write-out '%{http_code}'"
            done = subprocess.run(shell, shell=True, capture_output=True, text=True, check=True)
            assert done.stdout == status, command


# --- users ------------------------------------------------------------------------------------


@pytest.fixture
def users(lane: str | None) -> Generator[TestClient]:
    """Answers are held to the description, those with an error too."""
    with TestClient(users_api.app, backend=lane, check_schema=True) as client:
        yield client


def test_users_are_made_read_replaced_and_deleted(users: TestClient) -> None:
    made = users.post("/users", json=ADA, headers=EDITOR)
    assert (made.status, made.headers["location"]) == (201, "/users/1")
    assert made.json() == {**ADA, "id": 1}
    users.post("/users", json=GRACE, headers=EDITOR)
    renamed = {**ADA, "name": "Ada Lovelace"}
    assert users.put("/users/1", json=renamed, headers=EDITOR).json() == {**renamed, "id": 1}
    assert users.get("/users/1", headers=READER).json() == {**renamed, "id": 1}
    assert users.delete("/users/1", headers=EDITOR).status == 204
    assert users.get("/users", headers=READER).json() == [{**GRACE, "id": 2}]


@pytest.mark.parametrize("lane", LANES[:1], ids=["memory"], indirect=True)
@pytest.mark.parametrize(
    ("request_line", "token", "error"),
    [
        ("POST /users", "read", "READ_ONLY"),
        ("POST /users", "write", "EMAIL_TAKEN"),
        ("GET /users/9", "read", "NO_SUCH_USER"),
        ("PUT /users/9", "write", "NO_SUCH_USER"),
        ("PUT /users/2", "write", "EMAIL_TAKEN"),
        ("PUT /users/1", "read", "READ_ONLY"),
        ("DELETE /users/9", "write", "NO_SUCH_USER"),
        ("DELETE /users/1", "read", "READ_ONLY"),
    ],
)
def test_each_error_is_a_problem_with_its_code(
    users: TestClient, request_line: str, token: str, error: str
) -> None:
    for user in (ADA, GRACE):
        users.post("/users", json=user, headers=EDITOR)
    method, path = request_line.split()
    headers = {"authorization": f"Bearer {token}"}
    body = ADA if method in ("POST", "PUT") else None
    answer = users.request(method, path, headers=headers, json=body)
    expected = users_api.Error[error]
    assert answer.status == expected.status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {"title": expected.title, "status": expected.status, "code": error}


def test_users_that_are_wrong_are_refused(users: TestClient) -> None:
    for headers in ({}, {"authorization": "Bearer stolen"}):
        refused = users.get("/users", headers=headers)
        assert (refused.status, refused.json()["status"]) == (401, 401)
        assert refused.headers["www-authenticate"].startswith('Bearer realm="api"')
    wrong = users.post("/users", json={"name": "", "email": "ada"}, headers=EDITOR)
    assert wrong.status == 422
    assert [fault["field"] for fault in wrong.json()["errors"]] == ["name", "email"]
    assert users.post("/users", content=b"{", headers=EDITOR).status == 415
    assert users.get("/users/ada", headers=READER).status == 404
    assert users.patch("/users", headers=EDITOR).status == 405


# --- versions -----------------------------------------------------------------------------------


def test_versions_answer_beside_each_other(lane: str | None) -> None:
    with TestClient(versioned_api.app, backend=lane) as client:
        old, new = client.get("/api/v1/users/1"), client.get("/api/v2/users/1")
        assert old.json() == {"user_id": 1, "name": "Ada"}
        assert new.json() == {"id": 1, "profile": {"name": "Ada", "email": "ada@example.org"}}
        assert old.headers["deprecation"] == "@1767225600"
        assert old.headers["sunset"] == "Fri, 01 Jan 2027 00:00:00 GMT"
        assert old.headers["link"] == '</api/v2/users/1>; rel="successor-version"'
        assert not {"deprecation", "sunset", "link"} & {*new.headers}
        for version in ("v1", "v2"):
            post = client.get(f"/api/{version}/posts/1")
            assert post.json()["author"] == f"/api/{version}/users/2"
            assert ("deprecation" in post.headers) == (version == "v1")


@pytest.mark.parametrize(
    ("path", "status", "is_old"),
    [
        ("/api/v1/users/9", 404, True),
        ("/api/v2/users/9", 404, False),
        ("/api/v1/posts/9", 404, True),
        ("/api/v1/posts/x", 404, True),
        ("/api/v1/%3E%0D%0Ax:%20y", 404, True),
        ("/api/v3/posts/1", 404, False),
        ("/api/v/posts/1", 404, False),
        ("/other/api/v1/posts/1", 404, False),
    ],
)
def test_versions_that_are_not_there(path: str, status: int, is_old: bool) -> None:
    answer = TestClient(versioned_api.app).get(path)
    assert answer.status == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert ("sunset" in answer.headers) == is_old


# --- retries ------------------------------------------------------------------------------------


@contextmanager
def beside(lane: str | None, upstream: App) -> Generator[Callable[[], httpx.Client]]:
    """Run another app on the same lane, or in memory; give what makes a client of it."""
    if lane is None:
        yield lambda: httpx.Client(transport=HttpxTransport(upstream), base_url="http://upstream")
        return
    with serving(upstream, lane) as url:
        yield lambda: httpx.Client(base_url=url)


@pytest.fixture
def weather(lane: str | None, monkeypatch: pytest.MonkeyPatch) -> Generator[TestClient]:
    retries.asked.clear()
    with beside(lane, retries.upstream) as connect:

        def client() -> Generator[httpx.Client]:
            with connect() as client:
                yield client

        monkeypatch.setitem(retries.app.dependency_overrides, retries.client, client)
        with TestClient(retries.app, backend=lane) as front:
            yield front


def test_what_fails_for_a_moment_is_asked_again(
    weather: TestClient, tries: list[RetryDetails]
) -> None:
    assert weather.get("/weather/Oslo").json() == {"city": "Oslo", "degrees": -4}
    assert retries.asked["Oslo"] == 3
    assert [str(each.caused_by)[:33] for each in tries] == ["Server error '503 Service Unavail"] * 2


def test_what_stays_wrong_is_asked_once(weather: TestClient, tries: list[RetryDetails]) -> None:
    for city in ("Atlantis", "%2E%2E", "a%2Fb"):
        answer = weather.get(f"/weather/{city}")
        assert (answer.status, answer.json().get("status")) == (404, 404)
    assert tries == []


def test_a_service_that_is_down_is_a_502(
    lane: str | None, tries: list[RetryDetails], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retries, "UPSTREAM", "http://127.0.0.1:1")
    with TestClient(retries.app, backend=lane) as client:
        answer = client.get("/weather/Oslo")
    assert (answer.status, answer.headers["retry-after"]) == (502, "10")
    assert len(tries) == retries.ATTEMPTS - 1


@pytest.mark.parametrize(
    ("status", "headers", "expected"),
    [
        (503, {}, True),
        (503, {"retry-after": "2"}, 2.0),
        (429, {"retry-after": "3600"}, retries.PATIENCE),
        (503, {"retry-after": "Fri, 01 Jan 2027 00:00:00 GMT"}, True),
        (404, {"retry-after": "2"}, False),
        (500, {}, False),
    ],
)
def test_what_is_worth_another_try(
    status: int, headers: dict[str, str], expected: bool | float
) -> None:
    request = httpx.Request("GET", "http://upstream/")
    response = httpx.Response(status, headers=headers, request=request)
    with pytest.raises(httpx.HTTPStatusError) as caught:
        response.raise_for_status()
    assert retries.is_temporary(caught.value) == expected
    assert retries.is_temporary(httpx.ConnectError("refused"))
    assert not retries.is_temporary(ValueError("a fault of ours"))


# --- time limits --------------------------------------------------------------------------------


def test_what_takes_too_long_is_answered_in_time(lane: str | None) -> None:
    """All at once, because time is real on a lane."""
    with TestClient(time_limits.app, backend=lane) as client:
        pay, price, report = (
            client.stream("GET", f"/{path}?takes=60") for path in ("pay", "price", "report")
        )
        assert (price.status, price.json()) == (200, {"amount": 11, "source": "yesterday"})
        assert (pay.status, pay.headers["retry-after"]) == (504, "5")
        assert pay.json()["detail"] == "the bank takes too long"
        if lane is None:
            assert client.now == 0.5
        assert (report.status, report.json()["detail"]) == (503, "the server took too long")
        if lane is None:
            assert client.now == 1.0
        assert client.get("/jobs").json() == {"begun": 3, "done": 1, "cleaned up": 3}


def test_what_is_quick_enough_is_left_alone(lane: str | None) -> None:
    with TestClient(time_limits.app, backend=lane) as client:
        assert client.get("/report?takes=0.01").text == "all is well"
        assert client.get("/price").json() == {"amount": 12, "source": "the exchange"}
        assert client.get("/pay").text == "paid"
        assert client.get("/jobs").json() == {"begun": 3, "done": 3, "cleaned up": 3}
        wrong = client.get("/report?takes=for+ever")
        assert wrong.status == 422
        assert client.get("/jobs").json()["begun"] == 3  # nothing is begun for it


# --- monitoring ---------------------------------------------------------------------------------


def figures(client: TestClient) -> dict[str, float]:
    lines = client.get("/metrics").text.splitlines()
    pairs = (line.rsplit(" ", 1) for line in lines if line[:1] != "#")
    return {name: float(value) for name, value in pairs}


def test_figures_are_those_of_what_happened(lane: str | None) -> None:
    """They belong to the process, so what counts is what was added."""
    with TestClient(monitoring.app, backend=lane) as client:
        before = figures(client)
        with client.events("/orders/live") as live:
            assert client.post("/orders", json={"item": "tea"}).status == 201
            assert next(live).data == "tea"
            during = figures(client)
        assert client.post("/orders", json={"item": "gold"}).status == 422
        after = figures(client)

    def added(name: str) -> float:
        return after[name] - before.get(name, 0)

    route = 'method="POST",route="/orders"'
    assert added('shop_orders_total{item="tea"}') == 1
    assert added(f'anylane_requests_total{{{route},status="201"}}') == 1
    assert added(f'anylane_requests_total{{{route},status="422"}}') == 1
    assert added(f"anylane_request_duration_seconds_count{{{route}}}") == 2
    assert 0.009 <= added(f"anylane_request_duration_seconds_sum{{{route}}}") < 1
    assert during['anylane_broadcast_receivers{room="orders"}'] == 1
    assert during["anylane_requests_in_progress"] >= 1
    assert during["anylane_connections_open"] >= 2
    assert after["process_resident_memory_bytes"] > 1_000_000


def test_probes_tell_the_truth(lane: str | None) -> None:
    with TestClient(monitoring.app, backend=lane) as client:
        client.post("/stock/down")
        ready = client.get("/ready")
        assert (ready.status, ready.json()["checks"]["stock"]["reason"]) == (503, "returned False")
        refused = client.post("/orders", json={"item": "tea"})
        assert (refused.status, refused.headers["retry-after"]) == (503, "5")
        health = client.get("/health")
        assert health.status == 200  # it lives, and to start it anew would not help the stock
        assert health.json()["memory"]["resident"] > 1_000_000
        assert health.json()["connections"] >= 1
        assert client.post("/stock/sideways").status == 404
    with TestClient(monitoring.app, backend=lane) as client:
        assert client.get("/ready").json()["status"] == "ready"


def test_a_line_of_the_log_has_the_id_of_its_answer(lane: str | None) -> None:
    with TestClient(monitoring.app, backend=lane) as client:
        answer = client.post("/orders", json={"item": "coffee"})
    line = json.loads(client.log[-1].message)
    assert line["request_id"] == answer.headers["x-request-id"]
    assert (line["route"], line["status"], line["bytes"]) == ("/orders", 201, len(answer.content))
    assert line["duration_ms"] >= 10
    timing = answer.headers["server-timing"]
    found = re.fullmatch(r'stock;desc="is there enough";dur=([\d.]+), total;dur=([\d.]+)', timing)
    assert found is not None
    assert 10 <= float(found[1]) <= float(found[2])
