"""A small real service: notes with pictures, live pages, a chat, a JSON API. On every backend.

    anylane run --app-dir docs/examples notes:app --backend trio

NOTES_FILE is the database. Several workers need NOTES_SECRET, for signing, and NOTES_BROKER, a URL.
"""

import os
from collections.abc import Generator
from pathlib import Path

from anylane import App, Context, HTTPError, Response
from anylane.contrib import Health, Metrics, StaticFiles
from anylane.middleware import CSP, AccessLog, Compression, RequestId, SecurityHeaders
from notes.api import api
from notes.chat import chat
from notes.database import Database, bridge
from notes.pages import pages
from notes.users import show, site

POLICY = CSP(
    default_src=["'self'", "blob:"],  # blob: a picture that is shown before it is sent
    script_src=CSP.NONCE,
    base_uri="'none'",
    form_action="'self'",
    frame_ancestors="'none'",
)

app = App()
site.include(pages)
site.include(chat)
app.include(site)
app.include(api)
app.mount("/static", StaticFiles(Path(__file__).with_name("static")), name="static")
app.openapi(title="Notes", version="1", tags={"token": "Who you are.", "notes": "Your notes."})
if bridge:
    app.lifespan(bridge)


@app.lifespan
def database() -> Generator[None]:
    app.state.database = Database(Path(os.environ.get("NOTES_FILE", "notes.sqlite3")))
    yield
    app.state.database.close()


@app.exception_handler(HTTPError)
def failed(ctx: Context, error: HTTPError) -> Response:
    """A page that says what is wrong; who has to log in is led there. The API has its own form."""
    if error.status == 401:
        return ctx.response.redirect(ctx.path_for("enter", way="login"))
    return show(ctx, "error.html", error=error).set_status(error.status)


@app.every(60 * 60, workers="one")
def clean_up() -> None:
    """Keep the last thousand messages of the chat."""
    app.state.database.run("DELETE FROM messages WHERE id <= (SELECT max(id) FROM messages) - 1000")


for part in (Metrics(), RequestId(), AccessLog(), SecurityHeaders(csp=POLICY), Compression()):
    app.use(part)
app.use(Health(checks={"database": lambda: app.state.database.run("SELECT 1") != []}))
