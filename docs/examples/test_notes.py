"""The notes in memory, in virtual time, and on every lane: what users and programs do with them."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import Any

import notes
import pytest
from notes import users

from anylane.testing import ClientResponse, Rejected, TestClient

LANES = (None, "asyncio", "uvloop", "anyio", "trio", "curio", "threads")
PNG = b"\x89PNG\r\n\x1a\n" + bytes(300_000)  # more than a form holds in memory
FOLDER = Path(notes.__file__).parent


@pytest.fixture(autouse=True)
def _storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTES_FILE", str(tmp_path / "notes.sqlite3"))
    monkeypatch.setattr(users, "COST", {"n": 2, "r": 1, "p": 1})


@pytest.fixture(params=LANES, ids=lambda lane: lane or "memory")
def client(request: pytest.FixtureRequest) -> Generator[TestClient]:
    with TestClient(notes.app, backend=request.param, check_schema=True) as client:
        yield client


@pytest.fixture
def memory() -> Generator[TestClient]:
    with TestClient(notes.app, check_schema=True) as client:
        yield client


def sent(client: TestClient, path: str, origin: str = "", **fields: Any) -> ClientResponse:
    """A form, as a browser sends it from a page of ours."""
    files = fields.pop("files", None)
    headers = {"origin": origin or client.base_url}
    return client.post(path, data=fields, files=files, headers=headers)


def enters(client: TestClient, name: str, way: str = "signup") -> None:
    """Somebody else sits down at this browser."""
    client.cookies.clear()
    answer = sent(client, f"/{way}", name=name, password=f"password of {name}")
    assert (answer.status, answer.headers["location"]) == (303, "/")


def token(client: TestClient, name: str) -> dict[str, str]:
    given = {"name": name, "password": f"password of {name}"}
    answer = client.post("/api/token", json=given).json(dict[str, str])
    return {"authorization": f"Bearer {answer['token']}"}


def test_a_user_from_the_first_page_to_the_last(client: TestClient) -> None:
    assert client.get("/").headers["location"] == "/login"
    enters(client, "Ada")
    assert "No notes yet" in client.get("/").text

    files = {"picture": ("../a.png", PNG, "text/html")}
    sent(client, "/notes/0", title="Tea <b>", text="two\nbags", files=files)
    page = client.get("/").text
    assert "Tea &lt;b&gt;" in page
    picture = client.get("/notes/1/picture")
    assert picture.content == PNG
    assert picture.headers["content-type"] == "image/png"
    tag = {"if-none-match": picture.headers["etag"]}
    assert client.get("/notes/1/picture", headers=tag).status == 304

    sent(client, "/notes/1", title="Coffee", text="black")
    assert "black</textarea>" in client.get("/notes/1").text
    assert client.get("/notes/1/picture").status == 200
    sent(client, "/notes/1", title="Coffee", text="black", drop="on")
    assert client.get("/notes/1/picture").status == 404
    assert "Coffee" in client.get("/?q=BLACK").text
    assert "No note with “tea”" in client.get("/?q=tea").text

    sent(client, "/notes/1/delete")
    assert client.get("/notes/1").status == 404
    sent(client, "/logout")
    assert client.get("/notes/1").headers["location"] == "/login"
    answer = sent(client, "/login", name="ADA", password="password of Ada")
    assert answer.status == 303  # whatever the case of the name


def test_others_do_not_see_a_note(client: TestClient) -> None:
    enters(client, "Ada")
    sent(client, "/notes/0", title="Secret", files={"picture": ("a.png", PNG, "image/png")})
    enters(client, "Eve")
    assert "Secret" not in client.get("/").text
    for path in ("/notes/1", "/notes/1/picture", "/notes/2", "/notes/9" + "9" * 30):
        assert client.get(path).status in (404, 422)
    assert sent(client, "/notes/1", title="Mine").status == 404
    assert sent(client, "/notes/1/delete").status == 404
    eve = token(client, "Eve")
    assert client.get("/api/notes/1", headers=eve).status == 404
    assert client.put("/api/notes/1", json={"title": "Mine"}, headers=eve).status == 404
    assert client.delete("/api/notes/1", headers=eve).status == 404
    assert client.get("/api/notes/1", headers=token(client, "Ada")).json()["title"] == "Secret"


def test_a_program_has_a_token(client: TestClient) -> None:
    assert client.get("/api/notes").status == 401
    enters(client, "Ada")
    client.cookies.clear()
    wrong = client.post("/api/token", json={"name": "Ada", "password": "something else"})
    assert (wrong.status, wrong.headers["content-type"]) == (401, "application/problem+json")
    ada = token(client, "Ada")
    made = client.post("/api/notes", json={"title": "A", "text": "b"}, headers=ada)
    assert (made.status, made.headers["location"]) == (201, "/api/notes/1")
    changed = client.put("/api/notes/1", json={"title": "B"}, headers=ada).json()
    assert (changed["title"], changed["text"]) == ("B", "")
    found = client.get("/api/notes?q=b&limit=1", headers=ada)
    assert [note["id"] for note in found.json()] == [1]
    again = {**ada, "if-none-match": found.headers["etag"]}
    assert client.get("/api/notes?q=b&limit=1", headers=again).status == 304
    faults = client.post("/api/notes", json={"title": "", "text": 5}, headers=ada)
    assert [fault["field"] for fault in faults.json()["errors"]] == ["title", "text"]
    assert client.delete("/api/notes/1", headers=ada).status == 204
    assert client.get("/api/notes", headers=ada).json() == []


def test_pages_hear_of_changes_of_their_user(client: TestClient) -> None:
    enters(client, "Eve")
    eve = token(client, "Eve")
    enters(client, "Ada")
    ada = token(client, "Ada")
    with client.events("/changes") as events:
        client.post("/api/notes", json={"title": "Not hers"}, headers=eve)
        client.post("/api/notes", json={"title": "By a program"}, headers=ada)
        event = next(events)
        assert (event.event, event.json()["title"]) == ("note", "By a program")
        # What an event tells of is there already.
        assert "By a program" in client.get("/").text
        sent(client, "/notes/2/delete")
        event = next(events)
        assert (event.json()["what"], event.json()["title"]) == ("deleted", "By a program")
        seen = events.last_event_id
    sent(client, "/notes/0", title="While away")
    with client.events("/changes", seen) as events:
        assert next(events).json()["title"] == "While away"


def test_a_chat_of_two(client: TestClient) -> None:
    origin = {"origin": client.base_url}

    def said(socket: Any) -> Any:
        message = socket.receive_json()
        return message["name"], message["text"]

    enters(client, "Ada")
    with client.websocket("/chat/talk", headers=origin) as ada:
        ada.send("  hello <b>all</b> ")
        assert said(ada) == ("Ada", "hello <b>all</b>")
        enters(client, "Eve")
        with client.websocket("/chat/talk", headers=origin) as eve:
            assert said(eve) == ("Ada", "hello <b>all</b>")
            eve.send("x" * 501)
            eve.send(" ")
            eve.send("hi")
            assert said(ada) == said(eve) == ("Eve", "hi")
    client.cookies.clear()
    with pytest.raises(Rejected):
        client.websocket("/chat/talk", headers=origin)


def test_wrong_passwords_and_names_that_are_taken(client: TestClient) -> None:
    enters(client, "Ada")
    client.cookies.clear()
    for name in ("Ada", "nobody"):
        answer = sent(client, "/login", name=name, password="not this one")
        assert answer.status == 422
        assert "no user with this name and this password" in answer.text
        assert f'value="{name}"' in answer.text
    answer = sent(client, "/signup", name="ADA", password="something else")
    assert (answer.status, "is taken" in answer.text) == (422, True)
    assert sent(client, "/signup", name="Ada\n", password="something else").status == 422
    answer = sent(client, "/signup", name="<b>", password="short")
    assert answer.status == 422
    assert "<b>" not in answer.text
    assert "short" not in answer.text
    assert client.get("/").headers["location"] == "/login"


def test_other_sites_are_refused(client: TestClient) -> None:
    enters(client, "Ada")
    for origin in ("https://evil.example", "null"):
        assert sent(client, "/notes/0", origin, title="Theirs").status == 403
        with pytest.raises(Rejected):
            client.websocket("/chat/talk", headers={"origin": origin})
    assert client.post("/notes/0", data={"title": "Theirs"}).status == 403
    assert "No notes yet" in client.get("/").text
    csrf = re.search('name="csrf_token" value="([^"]+)"', client.get("/").text)
    assert csrf is not None
    client.post("/notes/0", data={"title": "Old browser", "csrf_token": csrf[1]})
    assert "Old browser" in client.get("/").text


def test_who_guesses_has_to_wait(client: TestClient, request: pytest.FixtureRequest) -> None:
    enters(client, "Ada")
    client.cookies.clear()
    for _ in range(9):
        assert sent(client, "/login", name="Ada", password="not this one").status == 422
    refused = sent(client, "/login", name="Ada", password="password of Ada")
    assert (refused.status, "Too often" in refused.text) == (429, True)
    wait = int(refused.headers["retry-after"])
    assert 1 <= wait <= 6
    given = {"name": "Ada", "password": "password of Ada"}
    assert client.post("/api/token", json=given).status == 429
    if request.node.callspec.params["client"] is None:  # It would be seconds on a lane.
        client.advance(wait)
        assert client.post("/api/token", json=given).status == 200


@pytest.mark.parametrize("lane", LANES)
def test_health_and_metrics(lane: str | None) -> None:
    # Without check_schema: parts answer these, and no route.
    with TestClient(notes.app, backend=lane) as client:
        enters(client, "Ada")
        assert client.get("/health").json()["status"] == "ok"
        assert client.get("/ready").json()["checks"]["database"]["status"] == "ok"
        line = 'anylane_requests_total{method="POST",route="/{way:login|signup}",status="303"}'
        assert line in client.get("/metrics").text


# -- in memory: what does not depend on the lane ----------------------------------------------


def test_what_is_no_picture_changes_nothing(memory: TestClient) -> None:
    enters(memory, "Ada")
    files = {"picture": ("a.png", b"<svg onload=alert(1)>", "image/png")}
    answer = sent(memory, "/notes/0", title="Bad", files=files)
    assert (answer.status, "A picture is a PNG" in answer.text) == (422, True)
    large = {"picture": ("a.png", PNG + bytes(5 * 1024 * 1024), "image/png")}
    assert sent(memory, "/notes/0", title="Large", files=large).status == 413
    assert sent(memory, "/notes/0", title=" ").status == 422
    assert "No notes yet" in memory.get("/").text


def test_a_token_ends_after_an_hour(memory: TestClient) -> None:
    enters(memory, "Ada")
    ada = token(memory, "Ada")
    memory.advance(3599)
    assert memory.get("/api/notes", headers=ada).status == 200
    memory.advance(1)
    assert memory.get("/api/notes", headers=ada).status == 401
    assert memory.get("/").status == 200  # The session goes on.


def test_what_is_kept_outlasts_the_server(memory: TestClient) -> None:
    enters(memory, "Ada")
    sent(memory, "/notes/0", title="Still here")
    with TestClient(notes.app) as again:
        again.cookies.update(memory.cookies)
        assert "Still here" in again.get("/").text


def test_old_messages_are_deleted(memory: TestClient, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "notes.sqlite3")) as db, db:
        rows = (("Ada", f"message {n}", 0.0) for n in range(1005))
        db.executemany("INSERT INTO messages (name, text, sent) VALUES (?, ?, ?)", rows)
    memory.advance(3601)
    with closing(sqlite3.connect(tmp_path / "notes.sqlite3")) as db:
        found = db.execute("SELECT min(id), count(*) FROM messages").fetchone()
    assert found == (6, 1000)


def test_errors_have_the_form_of_their_place(memory: TestClient) -> None:
    page = memory.get("/nowhere")
    assert (page.status, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "Not here" in page.text
    problem = memory.get("/api/nowhere")
    assert problem.headers["content-type"] == "application/problem+json"


def test_the_description_has_the_api_and_no_page() -> None:
    client = TestClient(notes.app)
    described = client.get("/openapi.json").json()
    assert [*described["paths"]] == ["/api/token", "/api/notes", "/api/notes/{id}"]
    assert client.get("/docs").status == 200


def test_pages_let_no_other_code_in(memory: TestClient) -> None:
    enters(memory, "Ada")
    page = memory.get("/")
    policy = page.headers["content-security-policy"]
    nonce = re.search("script-src 'nonce-([^']+)'", policy)
    assert nonce is not None
    scripts = re.findall("<script[^>]*>", page.text)
    assert scripts
    assert all(f'nonce="{nonce[1]}"' in script for script in scripts)
    assert not re.search(r"\sstyle=|\son\w+=", page.text)


def test_it_is_short() -> None:
    """The same service took 877 lines on the first version, 400 of them plumbing."""
    lines = [len(file.read_text("utf-8").splitlines()) for file in FOLDER.glob("*.py")]
    assert sum(lines) < 450
