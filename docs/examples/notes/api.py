"""The JSON API, for programs: a token for a name and a password, and with it the notes."""

from typing import Annotated

import jwt

from anylane import Context, HTTPError, Query, Router
from anylane.middleware import ETags, JWTAuth, RateLimit
from notes.database import Session, rates
from notes.notes import Draft, Id, Mine, Note, Words
from notes.users import SECRET, Login, guesses, known

MISSING = {404: "You have no such note."}

api = Router("/api", errors="json")
api.exception_handler(HTTPError)(lambda ctx, error: error)  # as JSON, and not as the app's page
own = Router("/notes", tags=["notes"])
api.include(own)
own.use(JWTAuth(SECRET, required=["exp"]))
own.use(RateLimit("300/minute", key="user", store=rates))
own.use(ETags())


@api.post("/token", tags=["token"], middleware=[guesses], responses={401: "A wrong password."})
def token(ctx: Context, given: Login, db: Session) -> dict[str, str]:
    """Get a token for a name and a password. It is good for an hour."""
    if (user := known(db, given)) is None:
        raise HTTPError(401, "wrong name or password", headers={"www-authenticate": "Bearer"})
    return {"token": jwt.encode(user | {"exp": int(ctx.time()) + 3600}, SECRET)}


@own.get("")
def find(mine: Mine, words: Words = "", limit: Annotated[int, Query(ge=1)] = 50) -> list[Note]:
    """List notes that have these words, the last one that was changed first."""
    return mine.find(words, limit)


@own.post("", status=201)
def create(ctx: Context, mine: Mine, draft: Draft) -> Note:
    """Write a note."""
    note = mine.keep(draft)
    ctx.response.set_header("location", ctx.path_for("one", id=note.id))
    return note


@own.get("/{id:int}", name="one", responses=MISSING)
def get(id: Id, mine: Mine) -> Note:
    """Read a note."""
    return mine.get(id)


@own.put("/{id:int}", responses=MISSING)
def change(id: Id, mine: Mine, draft: Draft) -> Note:
    """Write a note anew. It keeps its picture."""
    return mine.keep(draft, id)


@own.delete("/{id:int}", responses=MISSING)
def remove(id: Id, mine: Mine) -> None:
    """Delete a note."""
    mine.remove(id)
