"""What a name with several addresses becomes: getaddrinfo is played, the kernel is real."""

from __future__ import annotations

import socket
from collections.abc import Generator
from typing import Any

import pytest

from anylane import ServerConfig
from anylane_backends.sockets import listening
from anylane_backends.sockets.listening import BindError, bind, close

V4 = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))
V4_TOO = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.2", 0))
V4_ELSEWHERE = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 0))
V6_ABSENT = (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("100::1", 0, 0, 0))
"""As ::1 where lo has no v6: EADDRNOTAVAIL."""
NO_FAMILY = (socket.AF_X25, socket.SOCK_STREAM, 6, "", ("::1", 0, 0, 0))
"""As v6 on a kernel without it: EAFNOSUPPORT."""

Bound = list[socket.socket]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str | None, list[Any]]:
    known: dict[str | None, list[Any]] = {}

    def look_up(host: str | None, port: int, **_: Any) -> list[Any]:
        return [(*found[:4], (found[4][0], port, *found[4][2:])) for found in known[host]]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return known


@pytest.fixture
def bound() -> Generator[Bound]:
    listeners: Bound = []
    yield listeners
    close(listeners, unlink=True)


@pytest.mark.parametrize("absent", [V6_ABSENT, NO_FAMILY], ids=["no address", "no family"])
@pytest.mark.parametrize("host", ["localhost", ""])
@pytest.mark.parametrize("first", [True, False])
def test_a_family_that_is_absent_is_passed_over(names, bound: Bound, absent, host, first):
    names[host or None] = [absent, V4] if first else [V4, absent]
    bound += bind(ServerConfig(bind=(f"{host}:0",)))
    assert [each.getsockname()[0] for each in bound] == ["127.0.0.1"]


@pytest.mark.parametrize("found", [[V6_ABSENT], [V6_ABSENT, NO_FAMILY], [V4_ELSEWHERE]])
def test_it_fails_if_none_is_left(names, found):
    names["localhost"] = found
    with pytest.raises(BindError, match=r"cannot listen on localhost:0: Cannot assign .*--host"):
        bind(ServerConfig(host="localhost", port=0))


def test_an_address_of_another_machine_is_no_absent_family(names):
    names["here"] = [V4, V4_ELSEWHERE]
    with pytest.raises(BindError, match="cannot listen on here:0: Cannot assign"):
        bind(ServerConfig(host="here", port=0))


def test_a_used_port_is_no_absent_family(names):
    names["here"] = [V4, V4_TOO]
    with socket.create_server(("127.0.0.2", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(BindError, match="Address already in use"):
            bind(ServerConfig(host="here", port=port))


def test_any_free_port_is_one_port_for_all_addresses_of_a_name(names, bound: Bound):
    names["here"] = [V4, V4_TOO]
    bound += bind(ServerConfig(host="here", port=0))
    ports = {each.getsockname()[1] for each in bound}
    assert len(bound) == 2
    assert len(ports) == 1 and ports != {0}


def test_another_port_is_tried_if_an_address_has_it_taken(names, bound: Bound, monkeypatch):
    names["here"] = [V4, V4_TOO]
    taken: Bound = []
    really = listening.Listener.bind

    def collide(self: Any, where: tuple[str, int]) -> None:
        if where[0] == "127.0.0.2" and len(taken) < 3:
            taken.append(socket.create_server(where))
        really(self, where)

    monkeypatch.setattr(listening.Listener, "bind", collide)
    bound += bind(ServerConfig(host="here", port=0))
    assert len({each.getsockname()[1] for each in bound}) == 1
    assert len(taken) == 3
    close(taken, unlink=True)


def test_a_dangling_link_is_told(tmp_path):
    link = tmp_path / "app.sock"
    link.symlink_to(tmp_path / "gone")
    with pytest.raises(BindError) as raised:
        bind(ServerConfig(uds=str(link)))
    assert str(raised.value) == (
        f"cannot listen on unix:{link}: it is a symbolic link to {tmp_path}/gone, which does not "
        "exist; remove it, or choose another path (--uds, uds=)"
    )
    assert link.is_symlink()


def test_a_path_that_is_too_long_is_told_with_its_length(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = "é" * 60
    with pytest.raises(BindError) as raised:
        bind(ServerConfig(uds=name))
    size = len(f"{tmp_path}/{name}".encode())
    assert str(raised.value) == (
        f"cannot listen on unix:{name}: its path {tmp_path}/{name} has {size} bytes, and a unix "
        "socket's about 100 at most; choose a shorter one (--uds, uds=)"
    )
