"""The database, SQLite. It blocks: handlers that use it are `def`s. And the broker, if any."""

import os
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from queue import LifoQueue
from typing import Annotated, Any

from anylane import Depends, State
from anylane_backends.bridges import ValkeyBridge

bridge = ValkeyBridge(url) if (url := os.environ.get("NOTES_BROKER")) else None
rates = bridge.rate_store() if bridge else None
MIGRATIONS = sorted(Path(__file__).with_name("migrations").glob("*.sql"))


class Database:
    def __init__(self, file: Path, connections: int = 8) -> None:
        self._free: LifoQueue[sqlite3.Connection] = LifoQueue()
        for _ in range(connections):
            db = sqlite3.connect(file, check_same_thread=False)
            db.row_factory = sqlite3.Row
            db.executescript("PRAGMA journal_mode = WAL; PRAGMA foreign_keys = ON")
            self._free.put(db)
        with self.transaction() as db:
            db.execute("BEGIN IMMEDIATE")  # Workers that start at once wait for the first one.
            (done,) = db.execute("PRAGMA user_version").fetchone()
            for migration in MIGRATIONS[done:]:
                for statement in migration.read_text("utf-8").split(";\n"):
                    db.execute(statement)
            db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")

    @contextmanager
    def transaction(self) -> Generator[sqlite3.Connection]:
        """A connection; its changes are committed in the end, or rolled back if the block fails."""
        db = self._free.get()
        try:
            with db:
                yield db
        finally:
            self._free.put(db)

    def run(self, statement: str, *values: object) -> list[Any]:
        with self.transaction() as db:
            return db.execute(statement, values).fetchall()

    def close(self) -> None:
        while not self._free.empty():
            self._free.get().close()


def session(database: Annotated[Database, State()]) -> Generator[sqlite3.Connection]:
    with database.transaction() as db:
        yield db


Session = Annotated[sqlite3.Connection, Depends(session)]
