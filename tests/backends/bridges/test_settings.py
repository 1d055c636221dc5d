"""What a bridge is told, and that nothing secret is shown."""

from __future__ import annotations

import ssl
import sys
from dataclasses import fields
from typing import Any, get_type_hints

import pytest

from anylane import Broadcast, Rooms, UsageError
from anylane_backends.bridges import NatsBridge, ValkeyBridge
from anylane_backends.bridges.address import BrokerAddress
from anylane_backends.bridges.outbox import Outbox
from anylane_backends.bridges.settings import _SECONDS, _WHOLE, BridgeOptions, BridgeSettings
from anylane_backends.bridges.upkeep import delays

URLS = ("nats://127.0.0.1:4222", "valkey://127.0.0.1:6379")
KINDS: Any = {"nats": NatsBridge, "valkey": ValkeyBridge}


@pytest.fixture(params=URLS, ids=["nats", "valkey"])
def bridge(request: pytest.FixtureRequest) -> NatsBridge | ValkeyBridge:
    made: NatsBridge | ValkeyBridge = KINDS[request.param.partition(":")[0]](request.param)
    return made


def test_options_and_settings_are_the_same() -> None:
    assert get_type_hints(BridgeOptions) == get_type_hints(BridgeSettings)
    numbers = {each.name for each in fields(BridgeSettings)} - {"tls", "required"}
    assert numbers == _WHOLE.keys() | _SECONDS.keys()


@pytest.mark.parametrize(("name", "bounds"), [*_WHOLE.items(), *_SECONDS.items()])
def test_a_setting_has_bounds(name: str, bounds: tuple[float, float]) -> None:
    for value in bounds:
        assert getattr(BridgeSettings(**{name: value}), name) == value  # type: ignore[arg-type]
    low, high = bounds
    wrong: Any
    for wrong in (low - 0.01 if name in _SECONDS else low - 1, high + 1, "1", True, None):
        with pytest.raises(UsageError, match=f"^{name} of a bridge is "):
            BridgeSettings(**{name: wrong})


def test_settings_of_another_type_are_refused() -> None:
    with pytest.raises(UsageError, match=r"expected an ssl\.SSLContext"):
        NatsBridge(URLS[0], tls=True)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="expected True or False"):
        NatsBridge(URLS[0], required=1)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"NatsBridge\(\) got an unexpected keyword .*'capacity'"):
        NatsBridge(URLS[0], capacity=1)  # type: ignore[call-arg]
    ValkeyBridge(URLS[1], tls=ssl.create_default_context())


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:4222", "begins with 'http'; expected a URL that begins with nats://"),
        ("127.0.0.1:4222", "begins with"),
        ("nats://", "names no host"),
        ("nats://h:99999", "host or port that cannot be read"),
        (4222, "is a int"),
    ],
)
def test_a_wrong_url_is_told_without_what_is_in_it(url: Any, expected: str) -> None:
    with pytest.raises(UsageError, match=expected):
        NatsBridge(url)


@pytest.mark.parametrize(
    ("url", "shown", "secret"),
    [
        ("nats://user:s3cret@host:1/", "nats://host:1/", "s3cret"),
        ("nats://s3cret@host", "nats://host", "s3cret"),
        ("nats://user:s3cret%21@[::1]:4222", "nats://[::1]:4222", "s3cret!"),
        ("nats://host?token=s3cret", "nats://host", "s3cret"),
    ],
)
def test_no_secret_is_shown(url: str, shown: str, secret: str) -> None:
    address = BrokerAddress.parse(url, ("nats",), "a token")
    assert address.shown == shown
    text = f"{NatsBridge(url, token='s3cret')!r} {address!r} "
    text += address.hidden(f"failed: {url} {secret} a token")
    assert "s3cret" not in text
    assert "a token" not in text
    for scheme in ("http", "x"):
        with pytest.raises(UsageError) as caught:
            NatsBridge(f"{scheme}://user:s3cret@host")
        assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(("kind", "package"), [("nats", "nats"), ("valkey", "valkey")])
def test_a_missing_library_names_its_extra(
    kind: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [each for each in sys.modules if each.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UsageError, match=rf"pip install 'anylane\[{kind}\]'"):
        KINDS[kind](f"{kind}://127.0.0.1:1")


def test_a_room_is_the_same_for_all_that_ask(bridge: NatsBridge) -> None:
    room = bridge.room("chat.lobby")
    assert isinstance(room, Broadcast)
    rooms = bridge.rooms("chat.")
    assert isinstance(rooms, Rooms)
    assert rooms["lobby"] is room
    assert bridge.rooms("chat.")["lobby"] is room
    assert rooms.pair("a", "b") is rooms.pair("b", "a") is not rooms["a&b"]
    assert rooms.pair("a", "a") is not rooms["a"]
    with pytest.raises(UsageError, match=r"was made with capacity=1024"):
        bridge.room("chat.lobby", capacity=5)
    with pytest.raises(UsageError, match="Broadcast capacity is 0"):
        bridge.rooms("chat.", capacity=0)


def test_rooms_with_receivers_are_listed_by_their_keys(bridge: NatsBridge) -> None:
    rooms = bridge.rooms("chat.")
    with rooms["a.b *>"].subscribe() as subscription:
        assert [*rooms] == ["a.b *>"]
        assert "a.b *>" in rooms
        assert rooms.receivers == 1
        assert rooms["a.b *>"].send("x") == 1
        assert subscription.poll() == "x"
    assert [*rooms] == []


HOSTILE = ("*", ">", "a.b", "a b", "a\r\nPUB x 1\r\n", "", "\0", "\ud800", "é" * 500, "=", "%", "&")


def test_names_that_clients_choose_are_no_wildcards(bridge: NatsBridge) -> None:
    rooms = bridge.rooms("chat.")
    kept = [rooms[name] for name in HOSTILE if name]
    subjects = {room.subject for room in kept}  # type: ignore[attr-defined]
    assert len(subjects) == len(kept)
    for subject in subjects:
        assert subject.startswith("chat.")
        token = subject.removeprefix("chat.")
        assert token.isascii() and token.isprintable()
        assert not {*token} & {*" .*>"}
        assert len(subject) <= 200
    with pytest.raises(UsageError, match="is empty"):
        rooms[""]
    with pytest.raises(UsageError, match="expected a str"):
        rooms[5]


@pytest.mark.parametrize(
    "subject", ["", "a b", "a.*", ">", ".a", "a.", "a..b", "é", "a\n", 5, "a" * 201]
)
def test_subjects_that_brokers_do_not_take_are_refused(bridge: NatsBridge, subject: Any) -> None:
    with pytest.raises(UsageError, match="the subject of a room is"):
        bridge.room(subject)


@pytest.mark.parametrize("prefix", ["a b", "*", ".a", "a..", "é", 5, "a" * 101])
def test_prefixes_that_brokers_do_not_take_are_refused(bridge: NatsBridge, prefix: Any) -> None:
    with pytest.raises(UsageError, match="the prefix of rooms is"):
        bridge.rooms(prefix)


def test_the_longest_subject_and_prefix(bridge: NatsBridge) -> None:
    bridge.room("a" * 200)
    assert len(bridge.rooms("a" * 100)["b" * 100].subject) == 200  # type: ignore[attr-defined]


def test_the_queue_drops_its_oldest() -> None:
    outbox = Outbox(max_messages=3, max_bytes=10)
    assert [outbox.put("s", b"12") for _ in range(4)] == [0, 0, 0, 1]
    assert outbox.put("s", b"12345678") == 2
    assert outbox.put("s", bytes(11)) == 2  # The newest is kept, whatever its size.
    assert outbox.take(5) == [("s", bytes(11))]
    assert [outbox.put("s", bytes(5)) for _ in range(2)] == [0, 0]
    assert outbox.clear() == 2
    assert len(outbox) == 0


def test_a_broker_is_tried_again_ever_later_up_to_two_seconds() -> None:
    waits = delays()
    for most in (0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0):
        assert most / 2 <= next(waits) <= most
