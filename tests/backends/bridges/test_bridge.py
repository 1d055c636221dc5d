"""Bridges against real brokers: who gets what, and what happens when the broker is away."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from anylane import HTTPError, Subscription, UsageError
from anylane.realtime.source import PENDING
from anylane_backends.bridges.bridge import BridgeError
from anylane_backends.bridges.envelope import OVERHEAD
from tests.brokers import Broker, bridge_to
from tests.waiting import eventually


def taken(subscription: Subscription[Any]) -> Iterator[Any]:
    while (item := subscription.poll()) is not PENDING:
        yield item


def ready(*bridges: Any, rooms: int = 1) -> None:
    """Wait until the broker knows that each of them wants its rooms."""
    eventually(lambda: all(each.subscriptions == rooms for each in bridges))


ITEMS = [b"\x00\xff", "żółw", "", b"", {"a": [1, 2.5, None, True]}, [], 7, None, 2**70]


def test_what_one_sends_all_get_once_and_as_it_was(broker: Broker) -> None:
    one, two = broker.bridge(), broker.bridge()
    here, there = one.room("chat"), two.room("chat")
    with one, two, here.subscribe() as near, there.subscribe() as far:
        ready(one, two)
        assert [here.send(item) for item in ITEMS] == [1] * len(ITEMS)
        eventually(lambda: len(far) == len(ITEMS))
        assert there.send("from the other side") == 1
        eventually(lambda: len(near) == len(ITEMS) + 1)
        got, sent = [*taken(far)], [*ITEMS, "from the other side"]
        assert got == sent
        assert [*map(type, got)] == [*map(type, sent)]
        assert [*taken(near)] == sent
        assert (one.received, two.received) == (1, len(ITEMS))
        assert (one.sent, one.lost, one.lagged, one.ignored) == (len(ITEMS), 0, 0, 0)


def test_items_of_one_sender_come_in_order(broker: Broker) -> None:
    bridges = [broker.bridge() for _ in range(3)]
    rooms = [each.room("chat", capacity=10_000) for each in bridges]
    count = 1000
    with ExitStack() as stack:
        for each in bridges:
            stack.enter_context(each)
        subscriptions = [stack.enter_context(each.subscribe()) for each in rooms]
        ready(*bridges)

        def send(number: int) -> None:
            for n in range(count):
                rooms[number].send([number, n])

        threads = [threading.Thread(target=send, args=(number,)) for number in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for subscription in subscriptions:
            eventually(lambda: len(subscription) == 3 * count)  # noqa: B023
            got = [*taken(subscription)]
            for number in range(3):
                assert [n for sender, n in got if sender == number] == [*range(count)]


def test_before_the_start_and_after_the_end_a_room_is_of_this_process(broker: Broker) -> None:
    bridge = broker.bridge()
    room = bridge.room("chat")
    with room.subscribe() as subscription:
        assert room.send("before") == 1
        assert bridge.lost == 1
        with bridge:
            assert repr(bridge).endswith(" connected>")
            ready(bridge)
            room.send("while")
        assert not bridge.connected
        assert room.send("after") == 1
        assert [*taken(subscription)] == ["before", "while", "after"]
    assert (bridge.sent, bridge.lost) == (1, 2)
    assert "stopped" in repr(bridge)


def test_it_can_be_started_again_and_counts_on(broker: Broker) -> None:
    bridge, other = broker.bridge(), broker.bridge()
    room = bridge.room("chat")
    with other, other.room("chat").subscribe() as far:
        ready(other)
        for n in range(2):
            with bridge:
                room.send(n)
        eventually(lambda: len(far) == 2)
        assert [*taken(far)] == [0, 1]
    assert bridge.sent == 2


def test_two_servers_of_one_process_share_it(broker: Broker) -> None:
    bridge = broker.bridge()
    with bridge:
        with bridge:
            assert bridge.connected
        assert bridge.connected
    assert not bridge.connected


def test_what_waits_is_sent_before_the_end(broker: Broker) -> None:
    bridge, other = broker.bridge(), broker.bridge()
    with other, other.room("chat", capacity=5000).subscribe() as far:
        ready(other)
        with bridge:
            for n in range(2000):
                bridge.room("chat").send(n)
        eventually(lambda: len(far) == 2000)
    assert (bridge.sent, bridge.lost) == (2000, 0)


def test_it_subscribes_only_to_rooms_in_which_somebody_is(broker: Broker) -> None:
    bridge = broker.bridge(unsubscribe_after=0.05)
    rooms = bridge.rooms("chat.")
    held = rooms["a"]
    with bridge:
        time.sleep(0.1)
        assert bridge.subscriptions == 0
        with held.subscribe(), rooms["b"].subscribe(), rooms["b"].subscribe():
            ready(bridge, rooms=2)
        ready(bridge, rooms=0)
        with held.subscribe() as again:
            ready(bridge)
            other = broker.bridge()
            with other:
                other.room("chat.a").send("hello")
                eventually(lambda: len(again) == 1)


def test_a_room_that_is_left_for_a_moment_stays_subscribed(broker: Broker) -> None:
    bridge = broker.bridge(unsubscribe_after=60)
    with bridge:
        with bridge.room("chat").subscribe():
            ready(bridge)
        with bridge.room("chat").subscribe() as again, broker.bridge() as other:
            assert bridge.subscriptions == 1
            other.room("chat").send("at once")
            eventually(lambda: len(again) == 1)


def test_a_thousand_rooms(broker: Broker) -> None:
    one, two = broker.bridge(), broker.bridge()
    with one, two, ExitStack() as stack:
        rooms = one.rooms("r.")
        subscriptions = [stack.enter_context(rooms[f"{n}"].subscribe()) for n in range(1000)]
        ready(one, rooms=1000)
        for n in range(1000):
            two.room(f"r.{n}").send(n)
        eventually(lambda: all(map(len, subscriptions)))
        assert [[*taken(each)] for each in subscriptions] == [[n] for n in range(1000)]
        assert one.received == 1000
        eventually(lambda: two.sent == 1000)  # The broker tells its receivers before its sender.


def test_one_room_too_many_is_refused_and_empty_ones_make_place(broker: Broker) -> None:
    bridge = broker.bridge(max_rooms=2, unsubscribe_after=60)
    rooms = bridge.rooms("chat.")
    with bridge, rooms["a"].subscribe():
        with rooms["b"].subscribe():
            with pytest.raises(HTTPError, match="too many rooms are open") as caught:
                rooms["c"].subscribe()
            assert caught.value.status == 503
            with rooms["b"].subscribe():
                pass
            ready(bridge, rooms=2)
        with rooms["c"].subscribe():
            ready(bridge, rooms=2)


def test_items_have_a_bound(broker: Broker) -> None:
    bridge, other = broker.bridge(max_payload=2000), broker.bridge(max_payload=2000)
    with (
        bridge,
        other,
        other.room("chat").subscribe() as far,
        bridge.room("chat").subscribe() as near,
    ):
        ready(other)
        bridge.room("chat").send(bytes(2000))
        for item in (bytes(2001), "é" * 1001, ["x" * 1999]):
            with pytest.raises(UsageError, match="max_payload of the bridge is 2,000"):
                bridge.room("chat").send(item)
        eventually(lambda: len(far) == 1)
        assert len(near) == 1  # What was refused reached nobody.
        with broker.bridge() as generous:
            generous.room("chat").send(bytes(3000))
            eventually(lambda: other.ignored == 1)


def publish(broker: Broker, subject: str, *messages: bytes) -> None:
    """Publish as a foreign program does, and return once the broker has all of it."""
    with socket.create_connection(("127.0.0.1", broker.port)) as sock:
        for message in messages:
            size = len(message)
            if broker.kind == "nats":
                head = f"PUB {subject} {size}\r\n"
            else:
                head = f"*3\r\n$7\r\nPUBLISH\r\n${len(subject)}\r\n{subject}\r\n${size}\r\n"
            sock.sendall(head.encode() + message + b"\r\n")
        answers = b""
        if broker.kind == "nats":
            sock.sendall(b"PING\r\n")
            while b"PONG" not in answers:
                answers += sock.recv(4096)
        else:
            while answers.count(b":") < len(messages):
                answers += sock.recv(4096)


def test_what_others_publish_there_is_ignored_and_counted(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    bridge = broker.bridge()
    with bridge, bridge.room("chat").subscribe() as subscription:
        ready(bridge)
        garbage = (b"hello", b"", b'{"kind":"said"}', b"A1j" + b"0" * 16 + b"{", b"\xff\n" * 50)
        publish(broker, "chat", *(garbage * 20))
        eventually(lambda: bridge.ignored == 100)
        with broker.bridge() as other:
            other.room("chat").send("real")
            eventually(lambda: len(subscription) == 1)
        assert [*taken(subscription)] == ["real"]
        assert bridge.received == 1
    lines = [each.getMessage() for each in caplog.records if "gnored" in each.getMessage()]
    assert len(lines) == 2, lines
    assert "no bridge has sent it: b'hello'" in lines[0]
    assert "messages ignored by a bridge: 99 more" in lines[1]


# -- a broker that is away ------------------------------------------------------------------------


def test_a_broker_that_comes_back_is_found_and_only_what_was_sent_meanwhile_is_lost(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "anylane.bridge")
    one, two = broker.bridge(), broker.bridge()
    room = one.room("chat")
    with one, two, room.subscribe() as near, two.room("chat").subscribe() as far:
        ready(one, two)
        room.send("before")
        eventually(lambda: len(far) == 1)
        broker.kill()
        eventually(lambda: not one.connected and not two.connected)
        assert room.send("meanwhile") == 1
        broker.start()
        eventually(lambda: one.connected and two.connected)
        ready(one, two)
        room.send("after")
        eventually(lambda: len(far) == 2)
        assert [*taken(far)] == ["before", "after"]
        assert [*taken(near)] == ["before", "meanwhile", "after"]
        assert (one.sent, one.lost, one.reconnects, two.reconnects) == (2, 1, 1, 1)
    lines = [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]
    assert len(lines) == 2, "one for each bridge, however often it tried"
    assert all("the connection is lost" in line for line in lines)


def test_a_broker_that_is_missing_at_the_start_is_one_warning(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    broker.kill()
    bridge = broker.bridge()
    began = time.monotonic()
    with bridge, bridge.room("chat").subscribe() as subscription:
        assert time.monotonic() - began < 1
        assert "not connected" in repr(bridge)
        time.sleep(0.4)  # It tries again meanwhile.
        assert len(caplog.records) == 1
        assert "no connection" in caplog.text
        assert "Traceback" not in caplog.text
        broker.start()
        ready(bridge)
        with broker.bridge() as other:
            other.room("chat").send("found")
            eventually(lambda: len(subscription) == 1)
        assert bridge.reconnects == 0


def test_a_broker_that_is_required_and_missing_keeps_it_from_starting(broker: Broker) -> None:
    broker.kill()
    bridge = broker.bridge(required=True)
    with pytest.raises(BridgeError, match=rf"needs {broker.url}, which cannot be used"), bridge:
        pass
    assert "stopped" in repr(bridge)
    broker.start()
    with bridge:
        assert bridge.connected


def test_a_broker_that_does_not_answer_is_waited_for_no_longer_than_was_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        for kind in ("nats", "valkey"):
            bridge = bridge_to(f"{kind}://127.0.0.1:{port}", timeout=0.2)
            began = time.monotonic()
            with bridge:
                assert 0.15 < time.monotonic() - began < 1
                began = time.monotonic()
            assert time.monotonic() - began < 1


def test_a_broker_that_stops_to_answer_is_noticed_and_does_not_hold_up_the_end(
    broker: Broker,
) -> None:
    bridge = broker.bridge(timeout=0.3, ping_interval=0.1)
    with bridge, bridge.room("chat").subscribe():
        ready(bridge)
        broker.suspend()
        bridge.room("chat").send("on its way")
        eventually(lambda: not bridge.connected and bridge.lost == 1, 5)
        broker.resume()
        eventually(lambda: bridge.connected and bridge.subscriptions)
        broker.suspend()
        for _ in range(100):
            bridge.room("chat").send(bytes(100_000))
        began = time.monotonic()
    assert time.monotonic() - began < 1.5  # One, and what a busy machine adds.
    assert not any("anylane" in each.name for each in threading.enumerate())


def test_sending_never_waits_and_drops_the_oldest(broker: Broker) -> None:
    bridge, other = broker.bridge(max_queue=10), broker.bridge()
    with other, other.room("chat").subscribe() as far, bridge:
        ready(other)
        broker.suspend()
        try:
            began = time.monotonic()
            for n in range(5000):
                bridge.room("chat").send(n)
            assert time.monotonic() - began < 1
        finally:
            broker.resume()
        eventually(lambda: bridge.sent + bridge.lagged == 5000)
        assert bridge.lagged >= 5000 - 10 - 512
        eventually(lambda: len(far) == bridge.sent)
        got = [*taken(far)]
        assert got == sorted(got)
        assert got[-10:] == [*range(4990, 5000)]
        assert bridge.lost == 0


def test_a_slow_subscriber_loses_its_own_items_and_nobody_elses(broker: Broker) -> None:
    one, two = broker.bridge(), broker.bridge()
    room = two.room("chat", capacity=100)
    with one, two, room.subscribe() as slow, room.subscribe() as fast:
        ready(two)
        got: list[int] = []
        for n in range(1000):
            one.room("chat").send(n)
            if n % 50 == 49:
                eventually(lambda: two.received == n + 1)  # noqa: B023
                got += taken(fast)
        assert got == [*range(1000)]
        assert (slow.lagged, fast.lagged, room.lagged) == (900, 0, 900)
        assert two.lagged == one.lagged == 0


def test_a_fork_is_a_sender_of_its_own(broker: Broker) -> None:
    bridge = broker.bridge()
    room = bridge.room("chat")
    with bridge, room.subscribe() as subscription:
        ready(bridge)
        pid = os.fork()
        if not pid:
            code = 1
            try:
                room.send("of no bridge yet")
                with bridge:
                    eventually(lambda: bridge.connected)
                    room.send("from the child")
                code = bridge.sent != 1 or bridge.lost != 1
            finally:
                os._exit(code)
        room.send("from the parent")
        assert os.waitpid(pid, 0)[1] == 0
        eventually(lambda: len(subscription) == 2)
        assert {*taken(subscription)} == {"from the parent", "from the child"}


def test_a_signal_handler_may_send(broker: Broker) -> None:
    bridge, other = broker.bridge(), broker.bridge()
    room = bridge.room("chat")
    before = signal.signal(signal.SIGUSR1, lambda *_: room.send("signal"))
    try:
        with bridge, other, other.room("chat", capacity=20_000).subscribe() as far:
            ready(other)
            for n in range(3000):
                room.send(n)
                if n % 10 == 0:
                    signal.raise_signal(signal.SIGUSR1)
            eventually(lambda: len(far) == 3300)
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_the_brokers_own_bound_counts(tmp_path: Any) -> None:
    conf = tmp_path / "small.conf"
    conf.write_text("max_payload: 1024\n")
    broker = Broker("nats", tmp_path, "-c", str(conf))
    broker.start()
    try:
        bridge = broker.bridge()
        with bridge:
            bridge.room("chat").send(bytes(1024 - OVERHEAD))
            with pytest.raises(UsageError, match="the broker's own bound is 1,005"):
                bridge.room("chat").send(bytes(1025 - OVERHEAD))
            eventually(lambda: bridge.sent == 1)
            assert bridge.connected
    finally:
        broker.kill()
