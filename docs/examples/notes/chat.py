"""The chat of all who have logged in: one WebSocket handler, and what was said before."""

from typing import Annotated, Any

from anylane import Broadcast, Context, Response, Router, State
from notes.database import Database, bridge
from notes.users import Asker, show

LONGEST = 500  # characters of a message
LATEST = "SELECT * FROM (SELECT * FROM messages ORDER BY id DESC LIMIT 50) ORDER BY id"
KEEP = "INSERT INTO messages (name, text, sent) VALUES (?, ?, ?) RETURNING *"

chat = Router()
lounge = bridge.room("notes", on_lag="error") if bridge else Broadcast[Any](on_lag="error")


@chat.get("/chat", name="chat")
async def page(ctx: Context, user: Asker) -> Response:
    return show(ctx, "chat.html", longest=LONGEST)


@chat.websocket("/chat/talk", name="talk")
async def talk(ctx: Context, user: Asker, database: Annotated[Database, State()]) -> None:
    with lounge.subscribe() as said:
        ws = await ctx.accept()
        for row in await ctx.run_sync(database.run, LATEST):
            await ws.send_json(dict(row))
        async with ws.relay(said):
            async for text in ws:
                if isinstance(text, str) and 0 < len(text.strip()) <= LONGEST:
                    row = (user["name"], text.strip(), ctx.time())
                    lounge.send(dict(*await ctx.run_sync(database.run, KEEP, *row)))
