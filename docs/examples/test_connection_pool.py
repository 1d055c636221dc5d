"""The pool of connections, in memory and on every lane: waiting, refusing, giving back."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import connection_pool
import pytest

from anylane import Context
from anylane.testing import TestClient

LANES = (None, "asyncio", "uvloop", "anyio", "trio", "curio", "threads")
SHORT = 0.3  # patience for tests in which it ends, because time is real on a lane


@connection_pool.app.get("/hold")
async def hold(ctx: Context, db: connection_pool.Database, seconds: float) -> None:
    """Keep a connection for a while; its head says that it is there."""
    async with ctx.stream() as out:
        await out.write("held")
        await ctx.sleep(seconds)


@connection_pool.app.get("/fail")
async def fail(db: connection_pool.Database) -> None:
    await db.run(lambda db: db.execute("insert into notes (text) values ('lost')"))
    raise ValueError("after it has written")


@connection_pool.app.get("/afterwards")
async def write_afterwards(ctx: Context, db: connection_pool.Database) -> None:
    ctx.background(db.run, lambda db: db.execute("delete from notes"))


@connection_pool.app.get("/long", timeout=0.1)
async def long(db: connection_pool.Database) -> int:
    """Count for longer than the route may take."""
    count = "with recursive n(i) as (select 1 union all select i + 1 from n limit 1000000) "
    return await db.run(lambda db: db.execute(f"{count} select count(*) from n").fetchone()[0])


@pytest.fixture(params=LANES, ids=lambda lane: lane or "memory")
def notes(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Generator[TestClient]:
    """The program with one connection."""
    monkeypatch.setattr(connection_pool, "DATABASE", str(tmp_path / "notes.db"))
    monkeypatch.setattr(connection_pool, "SIZE", 1)
    monkeypatch.setattr(connection_pool, "PATIENCE", 10.0)
    with TestClient(connection_pool.app, backend=request.param) as client:
        yield client


in_memory = pytest.mark.parametrize("notes", LANES[:1], ids=["memory"], indirect=True)
on_lanes = pytest.mark.parametrize("notes", LANES[1:], indirect=True)


def test_notes_are_kept(notes: TestClient, tmp_path: Path) -> None:
    assert notes.post("/notes", json={"text": "milk"}).json() == {"text": "milk", "id": 1}
    assert notes.post("/notes", json={"text": ""}).status == 422
    assert notes.post("/notes", json={"text": "żółw"}).status == 201
    assert [note["text"] for note in notes.get("/notes").json()] == ["milk", "żółw"]
    notes.close()
    assert [path.name for path in tmp_path.iterdir()] == ["notes.db"]  # each was closed in order


def test_more_requests_than_connections_wait(notes: TestClient) -> None:
    sent = [notes.stream("POST", "/notes", json={"text": f"{n}"}) for n in range(20)]
    assert [answer.status for answer in sent] == [201] * 20
    assert len(notes.get("/notes").json()) == 20


def test_a_request_that_waits_too_long_is_refused(
    notes: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    with notes.stream("GET", "/hold?seconds=20") as held:
        assert held.status == 200
        monkeypatch.setattr(connection_pool, "PATIENCE", SHORT)
        late = notes.stream("GET", "/notes")
        assert notes.get("/nowhere").status == 404  # what needs no connection does not wait
        assert (late.status, late.headers["retry-after"]) == (503, "2")
        assert late.json()["detail"] == "the database is busy"
        monkeypatch.setattr(connection_pool, "PATIENCE", 10.0)
    assert notes.get("/notes").json() == []  # its client has left, so it was given back


@in_memory
def test_connections_are_given_in_the_order_of_arrival(notes: TestClient) -> None:
    held = notes.stream("GET", "/hold?seconds=0.2")
    sent = [notes.stream("POST", "/notes", json={"text": f"{n}"}) for n in range(5)]
    assert [answer.json()["id"] for answer in reversed(sent)] == [5, 4, 3, 2, 1]
    assert (held.text, notes.now) == ("held", 0.2)


@in_memory
def test_patience_ends_in_time_and_a_client_that_leaves_is_forgotten(
    notes: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_pool, "PATIENCE", SHORT)
    held = notes.stream("GET", "/hold?seconds=1")
    assert notes.get("/notes").status == 503
    assert notes.now == SHORT
    with notes.stream("GET", "/notes"):
        notes.advance(0.1)
    assert held.text == "held"
    assert notes.get("/notes").status == 200
    assert notes.now == 1


def test_what_a_failed_request_has_written_is_undone(notes: TestClient) -> None:
    assert notes.get("/fail").status == 500
    assert notes.get("/notes").json() == []


def test_a_lease_ends_with_its_request(notes: TestClient) -> None:
    notes.post("/notes", json={"text": "milk"})
    assert notes.get("/afterwards").status == 204
    assert len(notes.get("/notes").json()) == 1
    notes.close()
    assert "the connection was given back" in notes.log[-1].message


@on_lanes
def test_a_connection_comes_back_behind_what_still_uses_it(notes: TestClient) -> None:
    assert notes.get("/long").status == 503
    assert notes.post("/notes", json={"text": "on the same connection"}).status == 201
