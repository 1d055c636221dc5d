"""A pool of database connections: opened with the server, lent to requests, and bounded.

    pip install 'anylane[typed]'
    anylane run --app-dir docs/examples connection_pool:app --backend uvloop

    curl -i http://127.0.0.1:8000/notes --json '{"text": "milk"}'    # 201
    curl -i http://127.0.0.1:8000/notes                              # 200

A request that finds no free connection waits for one, in the order of arrival. It holds no thread
meanwhile and does not hold up the loop. After two seconds it is refused: 503 with Retry-After.
"""

from __future__ import annotations

import os
import sqlite3
from collections import deque
from collections.abc import AsyncGenerator, Callable, Generator
from threading import Lock
from typing import Annotated, TypeVar

from msgspec import Meta, Struct

from anylane import App, Broadcast, Context, Depends, HTTPError

T = TypeVar("T")

DATABASE = os.environ.get("DATABASE", "notes.db")
SIZE = 4  # connections
PATIENCE = 2.0  # seconds that a request waits for one


class Pool:
    """Free connections, and the requests that wait for one."""

    def __init__(self, path: str, size: int) -> None:
        self._free = deque(sqlite3.connect(path, check_same_thread=False) for _ in range(size))
        self._waiting: deque[object] = deque()
        self._changed: Broadcast[None] = Broadcast(capacity=1)

    async def take(self, ctx: Context, patience: float) -> sqlite3.Connection:
        """Wait for a turn and a connection. Raise TimeoutError if that takes too long."""
        me = object()
        with self._changed.subscribe() as changed:
            self._waiting.append(me)
            try:
                async with ctx.timeout(patience):
                    while self._waiting[0] is not me or not self._free:
                        await anext(changed)
                return self._free.popleft()
            finally:
                self._waiting.remove(me)
                self._changed.send(None)

    def put(self, db: sqlite3.Connection) -> None:
        self._free.append(db)
        self._changed.send(None)

    def close(self) -> None:
        while self._free:
            self._free.pop().close()


class Lease:
    """A connection that is lent to one request.

    When a request is interrupted, what it runs in a thread goes on there. So the connection is
    given back behind that, and what has not begun by then is refused.
    """

    def __init__(self, ctx: Context, db: sqlite3.Connection) -> None:
        self._ctx = ctx
        self._db = db
        self._lock = Lock()
        self._over = False

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run a function that blocks in the pool of threads, and return its result."""
        return await self._ctx.run_sync(self._locked, work)

    def _locked(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with self._lock:
            if self._over:
                raise RuntimeError("the connection was given back")
            return work(self._db)

    def give_back(self, pool: Pool) -> None:
        if self._lock.locked():
            self._db.interrupt()  # a query still runs, and nobody waits for it
        with self._lock:
            self._over = True
            self._db.rollback()
        pool.put(self._db)


async def lend(ctx: Context) -> AsyncGenerator[Lease]:
    """One transaction for a request: it is committed before the head of the answer goes out."""
    pool: Pool = ctx.app.state.pool
    try:
        db = await pool.take(ctx, PATIENCE)
    except TimeoutError:
        raise HTTPError(503, "the database is busy", headers={"retry-after": "2"}) from None
    lease = Lease(ctx, db)
    try:
        yield lease
        await lease.run(sqlite3.Connection.commit)
    finally:
        await ctx.run_sync(lease.give_back, pool)


Database = Annotated[Lease, Depends(lend)]


class NewNote(Struct):
    text: Annotated[str, Meta(min_length=1, max_length=1000)]


class Note(NewNote):
    id: int


app = App(errors="json")


@app.lifespan
def database() -> Generator[None]:
    app.state.pool = pool = Pool(DATABASE, SIZE)
    with sqlite3.connect(DATABASE) as db:
        db.execute("pragma journal_mode = wal")  # readers do not wait for a writer
        db.execute("create table if not exists notes (id integer primary key, text not null)")
    db.close()
    yield
    pool.close()


@app.get("/notes")
async def index(db: Database) -> list[Note]:
    rows = await db.run(lambda db: db.execute("select text, id from notes order by id").fetchall())
    return [Note(*row) for row in rows]


@app.post("/notes", status=201)
async def create(new: NewNote, db: Database) -> Note:
    insert = "insert into notes (text) values (?) returning text, id"
    return Note(*await db.run(lambda db: db.execute(insert, (new.text,)).fetchone()))


if __name__ == "__main__":
    app.run()
