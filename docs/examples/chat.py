"""A chat: rooms, names, who is there, what was said before. On every backend, unchanged.

    anylane run --app-dir docs/examples chat:app --backend trio

Then open http://127.0.0.1:8000/chat in several tabs.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from contextlib import contextmanager
from itertools import count
from threading import Lock
from time import time, time_ns
from typing import Any

from web import show, web

from anylane import App, Broadcast, Context, Response, Rooms, Router

ROOMS = ("lobby", "garden", "workshop")
LONGEST_NAME = 24  # characters
LONGEST_MESSAGE = 500  # characters
REMEMBERED = 50  # messages of each room

Event = dict[str, Any]

chat = Router()
rooms: Rooms[Event] = Rooms()
hall: Broadcast[Event] = Broadcast()  # who came and went, for the tabs of all rooms
people: dict[str, list[str]] = {room: [] for room in ROOMS}
history: dict[str, deque[Event]] = {room: deque(maxlen=REMEMBERED) for room in ROOMS}
lock = Lock()  # handlers run side by side on threads; held for moments, never while waiting
numbers = count(time_ns() // 1000)  # goes up over restarts too: pages skip what they have seen


@chat.get("/chat")
async def page(ctx: Context) -> Response:
    return show("chat.html")


@chat.websocket(f"/chat/{{room:{'|'.join(ROOMS)}}}")
async def join(ctx: Context) -> None:
    room = ctx.params["room"]
    with rooms[room].subscribe() as talk, hall.subscribe() as news:
        ws = await ctx.accept()
        with present(room, ctx.request.query.get("name", "")) as name:
            await ws.send_json(welcome(room, name))
            async for source, item in ctx.select(ws, talk, news):
                if source is not ws:
                    await ws.send_json(item)
                elif fault := say(room, name, item):
                    await ws.send_json({"kind": "fault", "text": fault})


@contextmanager
def present(room: str, wish: str) -> Generator[str]:
    """Somebody is in the room; gives the name, made different from those who are there."""
    wish = "".join(filter(str.isprintable, wish)).strip()[:LONGEST_NAME] or "Guest"
    with lock:
        names = (wish, *(f"{wish} {n}" for n in range(2, len(people[room]) + 2)))
        name = next(name for name in names if name not in people[room])
        people[room].append(name)
        hall.send({"kind": "people", "room": room, "people": people[room][:], "joined": name})
    try:
        yield name
    finally:
        with lock:
            people[room].remove(name)
            hall.send({"kind": "people", "room": room, "people": people[room][:], "left": name})


def welcome(room: str, name: str) -> Event:
    with lock:
        return {
            "kind": "welcome",
            "you": name,
            "limit": LONGEST_MESSAGE,
            "people": {each: names[:] for each, names in people.items()},
            "history": list(history[room]),
        }


def say(room: str, name: str, text: str | bytes) -> str | None:
    """Give a message to the room; returns what is wrong with one that cannot be given."""
    if not isinstance(text, str) or not text.strip():
        return "Nothing to send: a message is text."
    if len(text) > LONGEST_MESSAGE:
        return f"Not sent: {len(text)} characters, and a message has at most {LONGEST_MESSAGE}."
    with lock:
        said = {"kind": "said", "id": next(numbers), "at": time(), "name": name, "text": text}
        history[room].append(said)
        rooms[room].send(said)
    return None


app = App()
app.include(chat)
app.include(web)

if __name__ == "__main__":
    app.run()
