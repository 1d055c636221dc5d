"""A chat: rooms, names, who is there, what was said before. On every backend, unchanged.

    anylane run --app-dir docs/examples chat:app --backend trio

Then open http://127.0.0.1:8000/chat in several tabs. With CHAT_BROKER, the URL of a NATS or a
Valkey server, any number of workers and servers are one chat:

    CHAT_BROKER=nats://127.0.0.1:4222 anylane run --app-dir docs/examples chat:app --workers 2

Each process remembers what was said since it runs.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Generator
from contextlib import contextmanager
from secrets import token_hex
from threading import Lock
from time import time
from typing import Any

from presence import INTERVAL, Presence
from web import show, web

from anylane import App, Broadcast, Context, Response, Rooms, Router
from anylane_backends.bridges import NatsBridge, ValkeyBridge

ROOMS = ("lobby", "garden", "workshop")
LONGEST_NAME = 24  # characters
LONGEST_MESSAGE = 500  # characters
REMEMBERED = 50  # messages of each room

Event = dict[str, Any]

chat = Router()
broker = os.environ.get("CHAT_BROKER")
kind = NatsBridge if broker and broker.startswith(("nats:", "tls:")) else ValkeyBridge
bridge = kind(broker) if broker else None
rooms: Rooms[Event] = bridge.rooms("chat.room.") if bridge else Rooms()
hall: Broadcast[Event] = bridge.room("chat.hall") if bridge else Broadcast()  # who came and went
presence = Presence(ROOMS, bridge.room("chat.beats") if bridge else Broadcast())
people = presence.here
said_in = {room: rooms[room].subscribe() for room in ROOMS}  # what is not in the history yet
history: dict[str, deque[Event]] = {room: deque(maxlen=REMEMBERED) for room in ROOMS}
lock = Lock()  # handlers run side by side on threads; held for moments, never while waiting


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
            async with ws.relay(talk), ws.relay(news, coming_or_going):
                async for text in ws:
                    if fault := say(room, name, text):
                        await ws.send_json({"kind": "fault", "text": fault})


@contextmanager
def present(room: str, wish: str) -> Generator[str]:
    """Somebody is in the room; gives the name, made different from those who are there."""
    wish = "".join(filter(str.isprintable, wish)).strip()[:LONGEST_NAME] or "Guest"
    with lock:
        there = presence.names(room)
        names = (wish, *(f"{wish} {n}" for n in range(2, len(there) + 2)))
        name = next(name for name in names if name not in there)
        people[room].append(name)
        hall.send({"kind": "people", "room": room, "joined": name, **presence.told()})
    try:
        yield name
    finally:
        with lock:
            people[room].remove(name)
            hall.send({"kind": "people", "room": room, "left": name, **presence.told()})


def coming_or_going(news: Event) -> Event:
    """What a page is told of it: everybody who is in that room now."""
    with lock:
        presence.note(news)
        event = {key: value for key, value in news.items() if key not in {"from", "here"}}
        return event | {"people": presence.names(news["room"])}


def remembered(room: str) -> deque[Event]:
    """The last messages of a room, by whichever process they came."""
    for _ in range(len(said_in[room])):
        history[room].append(said_in[room].poll())
    return history[room]


def welcome(room: str, name: str) -> Event:
    with lock:
        return {
            "kind": "welcome",
            "you": name,
            "limit": LONGEST_MESSAGE,
            "people": {each: presence.names(each) for each in ROOMS},
            "history": list(remembered(room)),
        }


def say(room: str, name: str, text: str | bytes) -> str | None:
    """Give a message to the room; returns what is wrong with one that cannot be given."""
    if not isinstance(text, str) or not text.strip():
        return "Nothing to send: a message is text."
    if len(text) > LONGEST_MESSAGE:
        return f"Not sent: {len(text)} characters, and a message has at most {LONGEST_MESSAGE}."
    said = {"kind": "said", "id": token_hex(8), "at": time(), "name": name, "text": text}
    rooms[room].send(said)
    return None


def beat() -> None:
    """Tell other processes who is here, and take in what was said."""
    with lock:
        presence.beat()
        for room in ROOMS:
            remembered(room)


def add_to(app: App) -> None:
    app.include(chat)
    if bridge:
        app.lifespan(bridge)
        app.every(INTERVAL)(beat)


app = App()
add_to(app)
app.include(web)

if __name__ == "__main__":
    app.run()
