"""The pages of notes: all of them, live; one to be read and written; its picture."""

from typing import Annotated

from anylane import Context, File, Form, Response, Router, Upload
from anylane.middleware import ETags
from notes.notes import Draft, Id, Mine, Words, changes
from notes.users import Asker, show

pages = Router()
LARGEST = 5 * 1024 * 1024  # bytes of a form with its picture
Written = Annotated[Draft, Form()]
Picture = Annotated[Upload | None, File()]
Drop = Annotated[bool, Form()]


@pages.get("/", name="home")
def home(ctx: Context, mine: Mine, words: Words = "") -> Response:
    return show(ctx, "board.html", notes=mine.find(words), words=words, largest=LARGEST)


@pages.get("/changes", name="changes")
async def follow(ctx: Context, user: Asker) -> None:
    with changes.subscribe(ctx) as reader:
        async with ctx.event_stream(heartbeat=15) as events:
            async for change in reader:
                if change.event == "resync" or change.data["owner"] == user["sub"]:
                    await events.send(change)


@pages.get("/notes/{id:int}", name="note")
def read(ctx: Context, id: Id, mine: Mine) -> Response:
    return show(ctx, "note.html", note=mine.get(id), largest=LARGEST)


@pages.post("/notes/{id:int}", body_limit=LARGEST)
def save(  # noqa: PLR0917
    ctx: Context, id: Id, mine: Mine, draft: Written, picture: Picture = None, drop: Drop = False
) -> Response:
    note = mine.keep(draft, id)
    if picture or drop:
        mine.attach(note, picture)
    return ctx.response.redirect(ctx.path_for("home"))


@pages.post("/notes/{id:int}/delete", name="delete")
def delete(ctx: Context, id: Id, mine: Mine) -> Response:
    mine.remove(id)
    return ctx.response.redirect(ctx.path_for("home"))


@pages.get("/notes/{id:int}/picture", name="picture", middleware=[ETags()])
def picture(id: Id, mine: Mine) -> Response:
    return mine.picture(id)
