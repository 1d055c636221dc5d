"""The chat in memory, in virtual time, and on every lane: who is there and what was said."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import chat
import pytest
import web

from anylane import App, ServerConfig
from anylane.testing import ClientWebSocket, Lockstep, Rejected, Silence, TestClient

LANES = (None, "asyncio", "uvloop", "anyio", "trio", "curio", "threads")


@pytest.fixture(params=LANES, ids=lambda lane: lane or "memory")
def client(request: pytest.FixtureRequest) -> Generator[TestClient]:
    for room in chat.ROOMS:
        chat.remembered(room).clear()
    app = App()
    chat.add_to(app)
    app.include(web.web)
    with TestClient(app, backend=request.param) as client:
        yield client
    assert not any(chat.people.values())
    assert chat.hall.receivers == 0


def join(client: TestClient, name: str, room: str = "lobby") -> tuple[ClientWebSocket, Any]:
    """A tab, and its welcome. It reads its own news first: it hears of itself too."""
    tab = client.websocket(f"/chat/{room}?name={name}")
    return tab, until(tab, "welcome")


def until(tab: ClientWebSocket, kind: str, **fields: object) -> Any:
    """The next event of that kind with these fields; others are passed over."""
    while True:
        event = tab.receive_json()
        if event["kind"] == kind and fields.items() <= event.items():
            return event


def test_the_page_is_served_under_a_policy_without_inline_code(client: TestClient) -> None:
    page = client.get("/chat")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "script-src 'self'" in page.headers["content-security-policy"]
    for room in chat.ROOMS:
        assert f'id="room-{room}"' in page.text
    for name, kind in (("chat.js", "text/javascript"), ("style.css", "text/css")):
        assert client.get(f"/web/{name}").headers["content-type"].startswith(kind)
    assert client.get("/web/..%2Fchat.py").status == 404


def test_a_message_reaches_its_room_and_no_other(client: TestClient) -> None:
    ada, _ = join(client, "Ada")
    grace, _ = join(client, "Grace")
    linus, _ = join(client, "Linus", room="garden")
    ada.send("hello <b>all</b>")
    for tab in (ada, grace):
        said = until(tab, "said")
        assert (said["name"], said["text"]) == ("Ada", "hello <b>all</b>")
    linus.send("anybody?")
    assert until(linus, "said")["text"] == "anybody?"  # and Ada's did not come before it


def test_who_joins_sees_the_last_messages_in_order(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, welcome = join(client, "Ada")
    assert welcome["history"] == []
    for n in range(chat.REMEMBERED + 1):
        ada.send(f"message {n}")
    until(ada, "said", text=f"message {chat.REMEMBERED}")
    history = join(client, "Grace")[1]["history"]
    assert [said["text"] for said in history] == [
        f"message {n}" for n in range(1, chat.REMEMBERED + 1)
    ]
    assert len({said["id"] for said in history}) == chat.REMEMBERED


def test_names_differ_within_a_room(client: TestClient) -> None:
    tabs = [join(client, "Ada") for _ in range(3)]
    assert [welcome["you"] for _, welcome in tabs] == ["Ada", "Ada 2", "Ada 3"]
    tabs[1][0].close()
    until(tabs[0][0], "people", left="Ada 2")
    assert join(client, "Ada")[1]["you"] == "Ada 2"
    assert join(client, "Ada", room="garden")[1]["you"] == "Ada"
    assert join(client, "%20%00%E2%80%AE")[1]["you"] == "Guest"
    assert join(client, "x" * 100)[1]["you"] == "x" * chat.LONGEST_NAME


def test_everybody_is_counted_wherever_they_are(client: TestClient) -> None:
    ada, welcome = join(client, "Ada")
    assert welcome["people"] == {"lobby": ["Ada"], "garden": [], "workshop": []}
    grace, welcome = join(client, "Grace", room="garden")
    assert welcome["people"] == {"lobby": ["Ada"], "garden": ["Grace"], "workshop": []}
    assert until(ada, "people", room="garden", joined="Grace")["people"] == ["Grace"]
    grace.close()
    assert until(ada, "people", room="garden", left="Grace")["people"] == []


def test_a_message_is_refused_one_character_over_the_limit(client: TestClient) -> None:
    ada, welcome = join(client, "Ada")
    assert welcome["limit"] == chat.LONGEST_MESSAGE
    ada.send("x" * (chat.LONGEST_MESSAGE + 1))
    assert until(ada, "fault")["text"] == "Not sent: 501 characters, and a message has at most 500."
    ada.send(b"bytes")
    ada.send(" \n")
    for _ in range(2):
        assert until(ada, "fault")["text"] == "Nothing to send: a message is text."
    ada.send("ż" * chat.LONGEST_MESSAGE)
    assert until(ada, "said")["text"] == "ż" * chat.LONGEST_MESSAGE


def test_there_are_no_other_rooms(client: TestClient) -> None:
    with pytest.raises(Rejected) as refusal:
        client.websocket("/chat/cellar?name=Ada")
    assert refusal.value.response.status == 404


HANDSHAKE = (
    b"GET /chat/lobby?name=Grace HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


@pytest.mark.parametrize("client", [None], ids=["memory"], indirect=True)
def test_a_quiet_tab_stays_and_one_that_answers_no_ping_leaves(client: TestClient) -> None:
    ada, _ = join(client, "Ada")
    dead = Lockstep(world=client.world)
    dead.receive(HANDSHAKE)
    until(ada, "people", people=["Ada", "Grace"])
    timeouts = ServerConfig().timeouts
    client.advance(timeouts.ping + timeouts.pong + 1)
    until(ada, "people", left="Grace")
    client.advance(3 * 60 * 60)
    with pytest.raises(Silence):
        ada.receive()
    assert chat.people["lobby"] == ["Ada"]
