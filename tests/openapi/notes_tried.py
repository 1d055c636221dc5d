"""The notes of docs/examples, to be tried by schemathesis: it asks more often than a user may.

PYTHONPATH=docs/examples anylane run --app-dir tests/openapi notes_tried:app
"""

from __future__ import annotations

from typing import Any

import anylane.middleware


class Unlimited(anylane.middleware.RateLimit):
    """A limit that nobody comes to."""

    def __init__(self, rate: str, *args: Any, **options: Any) -> None:
        super().__init__("100000/second", *args, **options)


anylane.middleware.RateLimit = Unlimited  # type: ignore[misc]

# Its parts are made at import. It lies in docs/examples, which pyright looks into from there only.
from notes import app, users  # noqa: E402  # pyright: ignore[reportMissingImports]

users.COST = {"n": 2, "r": 1, "p": 1}


@app.on_startup
def begin() -> None:
    """Sign up the user of the token in notes.toml."""
    insert = "INSERT INTO users (id, name, salt, password) VALUES (1, 'tester', x'00', x'00')"
    app.state.database.run(insert)
