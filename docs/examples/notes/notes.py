"""Notes: what is kept of them, and who is told that one has changed."""

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from anylane import Context, Depends, EventLog, HTTPError, Path, Query, Response, Upload
from notes.database import Session, bridge
from notes.users import Asker

KINDS = {b"\x89PNG": "png", b"\xff\xd8\xff": "jpeg", b"GIF8": "gif", b"RIFF": "webp"}
"""Pictures, by how they begin. What a client says of its file is not believed."""

COLUMNS = "id, title, text, changed, (SELECT kind FROM pictures WHERE note = notes.id) AS picture"
Id = Annotated[int, Path(lt=2**63)]
Words = Annotated[str, Query("q", max_length=100)]
changes = EventLog(store=bridge.event_store("notes") if bridge else None)


@dataclass
class Draft:
    title: Annotated[str, Meta(min_length=1, max_length=120, pattern=r"\S")]
    text: Annotated[str, Meta(max_length=10_000)] = ""


@dataclass
class Note(Draft):
    id: int = 0
    changed: float = 0.0  # seconds since 1970
    picture: str | None = None  # its media type


class Notes:
    """The notes of one user, in the transaction of one request. Those of others are not there."""

    def __init__(self, ctx: Context, db: Session, user: Asker) -> None:
        self._ctx, self._db, self._owner = ctx, db, user["sub"]

    def find(self, words: str = "", limit: int = 200) -> list[Note]:
        """Notes that have these words; the last one that was changed is the first."""
        query = f"SELECT {COLUMNS} FROM notes WHERE owner = ? ORDER BY changed DESC, id DESC"
        notes = (Note(**row) for row in self._db.execute(query, (self._owner,)))
        words = words.casefold()
        return [note for note in notes if words in f"{note.title} {note.text}".casefold()][:limit]

    def get(self, id: int) -> Note:
        query = f"SELECT {COLUMNS} FROM notes WHERE owner = ? AND id = ?"
        for row in self._db.execute(query, (self._owner, id)):
            return Note(**row)
        raise HTTPError(404, "There is no such note.")

    def keep(self, draft: Draft, id: int = 0) -> Note:
        """Write a note anew; 0 is a new one."""
        insert = "INSERT INTO notes (owner) VALUES (?)"
        note = self.get(id or self._db.execute(insert, (self._owner,)).lastrowid or 0)
        update = "UPDATE notes SET title = ?, text = ?, changed = ? WHERE id = ?"
        self._db.execute(update, (draft.title, draft.text, self._ctx.time(), note.id))
        return self._tell("saved", note.id)

    def remove(self, id: int) -> None:
        self._tell("deleted", id)
        self._db.execute("DELETE FROM notes WHERE id = ?", (id,))

    def attach(self, note: Note, picture: Upload | None) -> None:
        """Give a note a picture in the place of the one that it has; or none."""
        self._db.execute("DELETE FROM pictures WHERE note = ?", (note.id,))
        if picture:
            data = picture.read()
            kind = next((KINDS[start] for start in KINDS if data.startswith(start)), None)
            if kind is None:
                raise HTTPError(422, "A picture is a PNG, JPEG, GIF or WebP file.")
            insert = "INSERT INTO pictures (note, kind, data) VALUES (?, ?, ?)"
            self._db.execute(insert, (note.id, f"image/{kind}", data))

    def picture(self, id: int) -> Response:
        query = "SELECT kind, data FROM pictures WHERE note = ?"
        for kind, data in self._db.execute(query, (self.get(id).id,)):
            return Response(data, content_type=kind, headers={"cache-control": "private, no-cache"})
        raise HTTPError(404, "This note has no picture.")

    def _tell(self, what: str, id: int) -> Note:
        """Tell the user's pages, once the answer is out: the change is committed then."""
        note = self.get(id)
        news = {"owner": self._owner, "what": what, "title": note.title}
        self._ctx.background(changes.send, news, "note")
        return note


Mine = Annotated[Notes, Depends(Notes, inline=True)]
