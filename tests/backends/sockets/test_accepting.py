"""What the sockets of accepted connections are told. The kernel answers, so these are real ones."""

from __future__ import annotations

import errno
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from typing import Any

import pytest

from anylane import App, ServerConfig
from anylane_backends.hosting.server import Server
from anylane_backends.sockets.accepting import TURN, Acceptor
from anylane_backends.sockets.listening import bind
from tests.waiting import eventually

LANES = ("asyncio", "uvloop", "anyio", "trio", "curio", "threads")

TCP_NODELAY = socket.IPPROTO_TCP, socket.TCP_NODELAY

Accept = Callable[..., tuple[socket.socket, Any, Any]]


@pytest.fixture
def accept() -> Iterator[Accept]:
    """What becomes of a client who was there before anybody accepted."""
    with ExitStack() as stack:

        def accept_one(*, taken_over: bool = False, blocking: bool = False, **settings: Any) -> Any:
            if taken_over:
                settings["fd"] = socket.create_server(("127.0.0.1", 0)).detach()
            config = ServerConfig(**{"port": 0, **settings})
            (listener,) = bind(config)
            stack.enter_context(listener)
            port = listener.getsockname()[1]
            client = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            client.settimeout(5)
            found = Acceptor(listener, config, blocking=blocking).accept()
            assert found is not None
            stack.enter_context(found[0])
            assert found[1] == client.getsockname()
            assert found[2] == client.getpeername()
            return (*found, client)

        yield accept_one


@pytest.mark.parametrize("nodelay", [True, False])
@pytest.mark.parametrize("taken_over", [True, False])
def test_nobody_waits_for_more_unless_it_is_wanted(
    accept: Accept, nodelay: bool, taken_over: bool
) -> None:
    """Nor who came in while the server was still starting, or was what started it."""
    sock = accept(nodelay=nodelay, taken_over=taken_over)[0]
    assert bool(sock.getsockopt(*TCP_NODELAY)) is nodelay


@pytest.mark.skipif(not hasattr(socket, "TCP_NOTSENT_LOWAT"), reason="of Linux and macOS")
@pytest.mark.parametrize("taken_over", [True, False])
def test_the_kernel_holds_little_for_a_client_that_reads_nothing(
    accept: Accept, taken_over: bool
) -> None:
    """Beyond what is on the wire: 2 to 4 MB without the option."""
    sock, *_, client = accept(taken_over=taken_over)
    mark = ServerConfig().limits.outbound_high
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT) == mark
    sent = 0
    with suppress(BlockingIOError):
        while sent < 64 << 20:
            sent += sock.send(bytes(16 * 1024))
    window = client.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
    assert sent < window + 4 * mark


def test_a_listener_that_was_taken_over_stays_as_it_was() -> None:
    """Others may have it next."""
    config = ServerConfig(fd=socket.create_server(("127.0.0.1", 0)).detach(), ttl=33, linger=0)
    (listener,) = bind(config)
    with listener:
        before = listener.getsockopt(*TCP_NODELAY), listener.getsockopt(0, socket.IP_TTL)
        Acceptor(listener, config)
        after = listener.getsockopt(*TCP_NODELAY), listener.getsockopt(0, socket.IP_TTL)
    assert before == after


def test_rare_settings_reach_each_connection(accept: Accept) -> None:
    sock = accept(ttl=33, linger=0)[0]
    assert sock.getsockopt(socket.IPPROTO_IP, socket.IP_TTL) == 33
    size = struct.calcsize("ii")
    linger = sock.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, size)
    assert struct.unpack("ii", linger) == (1, 0)


@pytest.mark.parametrize("blocking", [True, False])
def test_a_socket_blocks_only_where_the_loop_sees_to_that(accept: Accept, blocking: bool) -> None:
    assert accept(blocking=blocking)[0].getblocking() is blocking


def test_where_a_listener_hears_on_every_address_each_connection_knows_its_own(
    accept: Accept,
) -> None:
    assert accept(host="0.0.0.0")[2][0] == "127.0.0.1"


def failing(acceptor: Acceptor, *numbers: int) -> list[int]:
    """Have accept(2) fail in these ways. Return what is left of them."""
    left = list(numbers)

    def fail() -> Any:
        raise OSError(left.pop(0), "")

    acceptor._accept = fail
    return left


@pytest.mark.parametrize(
    "number", [errno.EBADF, errno.EINVAL, errno.ENOTSOCK, errno.EMFILE, errno.EIO, errno.EACCES]
)
def test_what_is_no_matter_of_one_client_is_told_at_once(number: int) -> None:
    (listener,) = bind(ServerConfig(port=0))
    with listener:
        acceptor = Acceptor(listener, ServerConfig())
        left = failing(acceptor, number, number)
        with pytest.raises(OSError) as caught:
            acceptor.accept()
        assert (caught.value.errno, left) == (number, [number])


def test_not_even_clients_that_are_gone_are_passed_over_for_ever() -> None:
    """A firewall, or a sandbox, may answer each accept(2) so."""
    (listener,) = bind(ServerConfig(port=0))
    with listener:
        acceptor = Acceptor(listener, ServerConfig())
        left = failing(acceptor, *[errno.EPERM] * 1000)
        with pytest.raises(PermissionError):
            acceptor.accept()
        assert len(left) == 1000 - TURN


@pytest.mark.parametrize("backend", LANES)
def test_a_listener_that_is_shut_down_from_outside_is_given_up(backend: str) -> None:
    """The kernel says EINVAL to each accept(2) then, and that it is readable."""
    lines: list[tuple[str, str]] = []
    config = ServerConfig(bind=("127.0.0.1:0", "127.0.0.1:0"))
    server = Server(
        App(), config, backend, log=lambda level, message, _: lines.append((level, message))
    )
    server.start().wait_ready()
    try:
        broken, other = server.core.listeners
        broken.shutdown(socket.SHUT_RDWR)
        eventually(lambda: lines)
        before = time.process_time()
        time.sleep(0.3)
        assert time.process_time() - before < 0.2
        with socket.create_connection(other.getsockname(), 10) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert sock.recv(100).startswith(b"HTTP/1.1 404")
    finally:
        server.shutdown()
        assert server.wait(10)
    assert [level for level, _ in lines] == ["error"]
    assert "no more connections are accepted on 127.0.0.1:0: Invalid argument" in lines[0][1]


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("backend", LANES)
def test_a_listener_that_is_closed_from_outside_harms_nothing_else(
    backend: str, full: bool
) -> None:
    """full: while no more clients are accepted, so that it is waited for only later."""
    config = ServerConfig(bind=("127.0.0.1:0", "127.0.0.1:0"), max_connections=1 if full else 100)
    said: list[str] = []
    server = Server(App(), config, backend, log=lambda _, message, __: said.append(message))
    server.start().wait_ready()
    try:
        broken, other = server.core.listeners
        address = other.getsockname()
        for _ in range(2):
            with socket.create_connection(address, 10) as sock:
                sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                assert sock.recv(100).startswith(b"HTTP/1.1 404")
                broken.close()
    finally:
        server.shutdown()
        assert server.wait(10)
    assert not [line for line in said if "failed" in line]


def test_who_is_gone_already_is_passed_over_and_exhaustion_is_told() -> None:
    (listener,) = bind(ServerConfig(port=0))
    with listener:
        acceptor = Acceptor(listener, ServerConfig())
        assert acceptor.accept() is None
        answers = iter((OSError(errno.ECONNABORTED, ""), OSError(errno.EMFILE, "")))

        def fail() -> Any:
            raise next(answers)

        acceptor._accept = fail
        with pytest.raises(OSError) as caught:
            acceptor.accept()
        assert caught.value.errno == errno.EMFILE
