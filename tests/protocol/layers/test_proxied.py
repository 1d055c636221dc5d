"""The layer that takes PROXY headers off, in memory and in virtual time."""

from __future__ import annotations

from typing import Any

import pytest

from anylane import App, Context, ServerConfig, Timeouts
from anylane.lane.server_core import Access
from anylane.log_limit import MAX_LINES
from anylane.middleware.request_id import RequestId
from anylane.protocol import Closing
from anylane.protocol.exchange import Interrupt
from anylane.testing import Lockstep, World

PROXY = ("10.0.0.1", 1)
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
UNKNOWN = b"PROXY UNKNOWN\r\n"


def v1(client: str = "198.51.100.7", port: int = 4711) -> bytes:
    return f"PROXY TCP4 {client} 203.0.113.1 {port} 443\r\n".encode()


def make_app() -> App:
    app = App()

    @app.get("/")
    async def whose(ctx: Context) -> list[Any]:
        return [ctx.request.client, ctx.request.server]

    @app.get("/soon")
    async def soon(ctx: Context) -> str:
        await ctx.sleep(1)
        return "soon"

    @app.get("/never")
    async def never(ctx: Context) -> None:
        await ctx.sleep(1000)

    return app


def world(app: App | None = None, **settings: Any) -> World:
    settings.setdefault("forwarded_allow_ips", ("10.0.0.0/8", "unix"))
    config = ServerConfig(proxy_protocol=True, **settings)
    return World(app or make_app(), config)


def arrive(house: World, sends: bytes = b"", peer: Any = PROXY) -> Any:
    wire = Lockstep(world=house, peer=peer)
    if sends:
        wire.receive(sends)
    return wire


def body(wire: Any) -> bytes:
    return bytes(wire.take().partition(b"\r\n\r\n")[2])


def logged(house: World) -> list[str]:
    return [f"{each.level}: {each.message}" for each in house.log]


def test_what_comes_with_the_header_in_one_piece_is_the_clients():
    wire = arrive(world(), v1() + GET + GET)
    answers = wire.take().split(b"HTTP/1.1 200 OK")
    assert [each.partition(b"\r\n\r\n")[2] for each in answers[1:]] == [
        b'[["198.51.100.7",4711],["203.0.113.1",443]]'
    ] * 2


LOCAL = b"\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"
FORGED = (
    b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.66\r\nX-Forwarded-Proto: https\r\n"
    b"X-Forwarded-Prefix: /forged\r\nX-Request-ID: forged\r\n\r\n"
)


@pytest.mark.parametrize("allowed", ["10.0.0.1", "10.0.0.0/8", "*"])
@pytest.mark.parametrize("header", [UNKNOWN, LOCAL])
def test_behind_a_header_that_names_no_client_nothing_is_believed(header, allowed):
    """Whose bytes they are the proxy does not say. HAProxy writes LOCAL for clients without an IP
    address, too."""
    app = App()
    app.use(RequestId(trust=["10.0.0.0/8"]))

    @app.get("/")
    async def whose(ctx: Context) -> list[Any]:
        request = ctx.request
        return [request.client, request.scheme, request.root_path, ctx.state.request_id == "forged"]

    settings = {"proxy_headers": True, "root_path": "forwarded", "forwarded_allow_ips": (allowed,)}
    house = world(app, **settings)
    log: list[Access] = []
    house.server.access = log.append
    assert body(arrive(house, header + FORGED)) == b'[["10.0.0.1",1],"http","",false]'
    assert [each.peer for each in log] == [PROXY]
    named = arrive(world(app, **settings), v1("10.0.0.9") + FORGED)
    believed = b'[["192.0.2.66",0],"https","/forged",true]'
    assert body(named) == (believed if allowed == "10.0.0.0/8" else
                           b'[["10.0.0.9",4711],"http","",true]')  # fmt: skip


def test_a_proxy_on_a_unix_socket_is_believed_by_its_name():
    assert body(arrive(world(), v1() + GET, "")).startswith(b'[["198.51.100.7",4711]')
    house = world(forwarded_allow_ips=("10.0.0.0/8",))
    assert arrive(house, v1() + GET, "").closed
    line = "closed a peer of the unix socket, which is none of the proxies in forwarded_allow_ips"
    assert logged(house) == [f"info: PROXY protocol: {line}"]


def test_a_peer_that_leaves_before_its_header_is_told_of_only_if_it_began():
    house = world()
    wire = arrive(house)
    wire.eof()
    assert wire.closed and not house.log
    wire = arrive(house, b"PRO")
    wire.eof()
    assert wire.closed
    wire = arrive(house, b"PRO")
    wire.lose()
    assert logged(house) == [
        "info: PROXY protocol: closed 10.0.0.1:1, which left in the middle of it, after b'PRO'"
    ]
    assert not house.server.drivers


def test_one_byte_a_second_is_not_fast_enough():
    house = world(timeouts=Timeouts(head=10.0))
    wire = arrive(house)
    for byte in v1()[:10]:
        assert not wire.closed
        wire.receive(bytes([byte]))
        wire.advance(1)
    assert wire.reset_sent
    line = "closed 10.0.0.1:1, which sent none in time; it has sent b'PROXY TCP4'"
    assert logged(house) == [f"info: PROXY protocol: {line}"]


def test_the_head_of_a_request_has_its_own_time_behind_the_header():
    house = world(timeouts=Timeouts(head=10.0))
    wire = arrive(house)
    wire.advance(9)
    wire.receive(v1() + GET[:5])
    wire.advance(9)
    wire.receive(GET[5:])
    assert body(wire).startswith(b'[["198.51.100.7"')


def test_a_flood_of_bad_headers_writes_a_bounded_number_of_lines():
    house = world()
    for _ in range(100):
        assert arrive(house, GET).closed
    assert len(house.log) == MAX_LINES
    house.advance(1)
    arrive(house, GET)
    counted = f"connections without a PROXY header that is believed: {100 - MAX_LINES} more"
    assert counted in logged(house)[MAX_LINES]


def test_a_drain_does_not_wait_for_a_header():
    house = world()
    silent, begun = arrive(house), arrive(house, b"PROXY ")
    busy = arrive(house, v1() + b"GET /soon HTTP/1.1\r\nHost: a\r\n\r\n")
    house.server.shutdown()
    house.run()
    assert silent.closed and begun.closed and not busy.closed
    busy.advance(1)
    assert b"200 OK" in busy.take() and busy.eof_sent


def test_who_has_not_sent_a_header_goes_for_a_newcomer():
    house = world(max_connections=2)
    silent = arrive(house)
    house.advance(1)
    begun = arrive(house, b"PROXY ")
    house.advance(1)
    third = arrive(house, v1() + GET)
    assert silent.closed and not begun.closed
    assert b"200 OK" in third.take()


def test_hooks_of_connections_run_once_the_client_is_known():
    app, seen = make_app(), []

    @app.on_connect
    async def hello(ctx: Context) -> None:
        seen.append(("hello", ctx.request.client))

    @app.on_disconnect
    async def goodbye(ctx: Context) -> None:
        seen.append(("goodbye", ctx.request.client))

    house = world(app, max_connections_per_address=1)
    arrive(house, b"PROXY ").eof()
    wire = arrive(house, v1())
    assert seen == [("hello", ("198.51.100.7", 4711))]
    assert arrive(house, v1()).closed
    wire.eof()
    assert seen[1:] == [("goodbye", ("198.51.100.7", 4711))]


def test_the_access_log_gets_the_client():
    house = world()
    found: list[Access] = []
    house.server.access = found.append
    arrive(house, v1() + GET)
    arrive(house, UNKNOWN + GET)
    assert [each.peer for each in found] == [("198.51.100.7", 4711), PROXY]


@pytest.mark.parametrize("allowed", ["10.0.0.0/8", "*"])
def test_a_client_has_its_bound_and_the_proxy_none(allowed):
    house = world(max_connections_per_address=1, forwarded_allow_ips=(allowed,))
    ann = arrive(house, v1("198.51.100.1") + GET)
    bob = arrive(house, v1("198.51.100.2") + GET)
    assert not ann.closed and not bob.closed
    assert not any(arrive(house, UNKNOWN + GET).closed for _ in range(3))
    assert arrive(house, v1("198.51.100.1") + GET).closed
    assert house.server.status.refused == 1
    ann.lose()
    assert not arrive(house, v1("198.51.100.1") + GET).closed
    assert arrive(house, v1("198.51.100.2") + GET).closed


def test_what_was_refused_takes_nothing_off_a_count():
    """Also where the proxy has the address of a client that is counted."""
    house = world(max_connections_per_address=1, forwarded_allow_ips=("*",))
    ann = arrive(house, v1("10.0.0.1") + GET)
    for _ in range(3):
        assert arrive(house, v1("10.0.0.1") + GET).closed
    assert not ann.closed


def test_a_full_house_answers_before_the_header():
    house = world(max_connections=1, when_full="refuse")
    arrive(house, v1() + b"GET /never HTTP/1.1\r\nHost: a\r\n\r\n")
    wire = arrive(house)
    assert wire.take().startswith(b"HTTP/1.1 503 ")
    wire.receive(v1() + GET)
    assert not wire.take()
    house.server.abort()
    house.run()


def test_a_client_beyond_its_bound_is_answered_where_the_house_refuses():
    house = world(max_connections_per_address=1, when_full="refuse")
    arrive(house, v1() + GET)
    assert arrive(house, v1() + GET).take().startswith(b"HTTP/1.1 503 ")


def test_a_reliever_goes_on_behind_the_header():
    """On a lane whose handlers can block: the client is answered by another connection."""
    house = world(max_connections_per_address=1)
    wire = arrive(house, v1() + b"GET /never HTTP/1.1\r\nHost: a\r\n\r\n")
    connection = wire._driver.connection
    (link,) = wire._driver.links
    link.exchange.interrupted(Interrupt.DEADLINE)
    reliever = connection.relieve(link.exchange, 0.0)
    assert reliever.peer == ("198.51.100.7", 4711) == connection.peer
    assert reliever.proxy == connection.proxy
    assert b"".join(reliever.data_to_send()).startswith(b"HTTP/1.1 503 ")
    assert reliever.closing is Closing.SEND_EOF
    house.server.abort()
    house.run()


def test_without_it_a_header_is_a_request_that_is_refused():
    wire = Lockstep(make_app())
    wire.receive(v1() + GET)
    assert wire.take().startswith(b"HTTP/1.1 400 ")
