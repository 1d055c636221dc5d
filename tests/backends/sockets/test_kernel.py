"""anylane_backends.sockets.kernel: what the kernel knows of a connection."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Generator

import pytest

from anylane_backends.sockets import kernel

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Generator[Pair]:
    """A TCP connection: our end and the peer's."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        peer = socket.create_connection(listener.getsockname())
        ours, _ = listener.accept()
        with ours, peer:
            yield ours, peer


def soon(question: object) -> bool:
    """Return whether the answer becomes true: loopback delivers within a moment."""
    for _ in range(200):
        if question():  # type: ignore[operator]
            return True
        time.sleep(0.01)
    return False


def test_bytes_and_the_end_of_input_are_told_apart(pair: Pair) -> None:
    ours, peer = pair
    number = ours.fileno()
    assert (kernel.arrived(number), kernel.hung_up(number)) == (False, False)
    peer.sendall(b"x")
    assert soon(lambda: kernel.arrived(number))
    assert not kernel.hung_up(number)
    peer.shutdown(socket.SHUT_WR)
    assert soon(lambda: kernel.hung_up(number))
    assert kernel.arrived(number)
    assert ours.recv(10) == b"x"
    assert not kernel.arrived(number)
    assert kernel.hung_up(number)
    assert not kernel.broken(number)


def test_a_reset_is_told_from_an_end(pair: Pair) -> None:
    ours, peer = pair
    number = ours.fileno()
    peer.sendall(b"x")
    assert soon(lambda: kernel.arrived(number))
    assert not kernel.broken(number)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()
    assert soon(lambda: kernel.broken(number))
    assert kernel.hung_up(number)


def test_a_unix_socket_is_broken_once_all_was_read() -> None:
    """Its peer closes both ways at once, and what came before is still there."""
    ours, peer = socket.socketpair()
    with ours:
        with peer:
            peer.sendall(b"x")
        number = ours.fileno()
        assert kernel.hung_up(number)
        assert not kernel.broken(number)
        assert ours.recv(10) == b"x"
        assert kernel.broken(number)


def test_what_the_peer_has_not_acknowledged_is_counted(pair: Pair) -> None:
    ours, peer = pair
    ours.setblocking(False)
    taken = ours.send(bytes(64 << 20))
    held = kernel.unacknowledged(ours.fileno())
    assert 0 < held <= taken
    peer.settimeout(5)
    for _ in range(taken // 65536):
        peer.recv(65536)
    assert soon(lambda: kernel.unacknowledged(ours.fileno()) < held)


def test_a_closed_socket_has_nothing_to_tell() -> None:
    assert not kernel.arrived(-1)
    assert not kernel.hung_up(-1)
    assert not kernel.broken(-1)
    assert kernel.unacknowledged(-1) == 0


def test_a_descriptor_that_is_no_socket_has_nothing_to_tell(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with (tmp_path_factory.mktemp("kernel") / "file").open("wb") as file:
        assert kernel.unacknowledged(file.fileno()) == 0
