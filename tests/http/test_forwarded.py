"""The client of a request, when a proxy names one."""

from __future__ import annotations

import subprocess
import sys

import pytest

from anylane import App, Context
from anylane.config.server_config import ServerConfig
from anylane.errors import ConfigError
from anylane.http.forwarded import Proxies
from anylane.lane.server_core import Access
from anylane.protocol.request_head import Fields, RequestHead
from anylane.testing import Lockstep

PROXY = ("10.0.0.1", 40000)
LONELY = ("10.0.0.1",)
CHAIN = ("10.0.0.0/8", "2001:db8::/32")


def head(*values: str, name: bytes = b"x-forwarded-for") -> RequestHead:
    fields = [(name, value.encode("latin-1")) for value in values]
    return RequestHead(b"GET", b"/", b"1.1", Fields(b"", fields))


# --- the client ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "client"),
    [
        ("192.0.2.1", ("192.0.2.1", 0)),
        (" \t192.0.2.1 ", ("192.0.2.1", 0)),
        ("192.0.2.1:5000", ("192.0.2.1", 5000)),
        ("192.0.2.1:0", ("192.0.2.1", 0)),
        ("192.0.2.1:65535", ("192.0.2.1", 65535)),
        ("2001:db9::1", ("2001:db9::1", 0)),
        ("2001:DB9:0::1", ("2001:db9::1", 0)),
        ("[2001:db9::1]", ("2001:db9::1", 0)),
        ("[2001:db9::1]:443", ("2001:db9::1", 443)),
        ("::ffff:192.0.2.1", ("192.0.2.1", 0)),
        ("[::ffff:192.0.2.1]:5", ("192.0.2.1", 5)),
    ],
)
def test_an_address_as_proxies_write_it(written, client):
    assert Proxies(LONELY).client(PROXY, head(written)) == client


MALFORMED = [
    "",
    " ",
    ",",
    "unknown",
    "_hidden",
    '"192.0.2.1"',
    "for=192.0.2.1",
    "192.0.2.1;192.0.2.2",
    "192.0.2.1 192.0.2.2",
    "192.0.2",
    "192.0.2.256",
    "192.0.2.01",
    "192.0.2.1/32",
    "192.0.2.1:",
    "192.0.2.1:65536",
    "192.0.2.1:99999999999999999999",
    "192.0.2.1:-1",
    "192.0.2.1:+1",
    "192.0.2.1:1_0",
    "192.0.2.1:5:5",
    "192.0.2.1:\xb2",
    "[192.0.2.1]",
    "[2001:db9::1",
    "2001:db9::1]",
    "[2001:db9::1]5",
    "[2001:db9::1]:",
    "[[2001:db9::1]]",
    "fe80::1%eth0",
    '[fe80::1%"]:1',
    "1",
    "3221225985",
    "example.com",
    "\xff" * 100,
]


@pytest.mark.parametrize("written", MALFORMED)
def test_what_is_no_address_changes_nothing(written):
    assert Proxies(LONELY).client(PROXY, head(written)) == PROXY


@pytest.mark.parametrize("written", [each for each in MALFORMED if each.strip(" ,")])
def test_nobody_vouches_for_what_is_left_of_it(written):
    found = Proxies(CHAIN).client(PROXY, head(f"203.0.113.1, {written}, 10.0.0.2:7"))
    assert found == ("10.0.0.2", 7)


@pytest.mark.parametrize(
    ("values", "client"),
    [
        (("198.51.100.1, 203.0.113.1",), "203.0.113.1"),
        (("198.51.100.1, 203.0.113.1, 10.0.0.2",), "203.0.113.1"),
        (("198.51.100.1", "203.0.113.1", "10.0.0.2"), "203.0.113.1"),
        (("198.51.100.1, 203.0.113.1", "10.0.0.2,2001:db8::5"), "203.0.113.1"),
        (("198.51.100.1,, ,203.0.113.1,",), "203.0.113.1"),
        (("10.0.0.3, 10.0.0.2",), "10.0.0.3"),
        (("::ffff:10.0.0.3, ::ffff:10.0.0.2",), "10.0.0.3"),
    ],
)
def test_the_right_most_address_that_is_no_proxys(values, client):
    assert Proxies(CHAIN).client(PROXY, head(*values)) == (client, 0)


def test_a_chain_of_the_greatest_length_is_read_to_its_end():
    values = ["10.0.0.2," * 900] * 7
    assert Proxies(CHAIN).client(PROXY, head("192.0.2.9", *values)) == ("192.0.2.9", 0)


# --- which peers are believed ----------------------------------------------------------------

NAMED = ("192.0.2.1", 0)


@pytest.mark.parametrize(
    ("allowed", "peer", "believed"),
    [
        (("127.0.0.1",), ("127.0.0.1", 5), True),
        (("127.0.0.1",), ("127.0.0.2", 5), False),
        (("127.0.0.0/8",), ("127.0.0.2", 5), True),
        (("127.0.0.1",), ("::ffff:127.0.0.1", 5, 0, 0), True),
        (("127.0.0.1",), ("::1", 5, 0, 0), False),
        (("::1",), ("::1", 5, 0, 0), True),
        (("fe80::/10",), ("fe80::1%eth0", 5, 0, 2), True),
        (("10.0.0.0/8",), ("11.0.0.0", 5), False),
        (("10.0.0.0/8",), ("10.255.255.255", 5), True),
        (("0.0.0.0/0",), ("::1", 5, 0, 0), False),
        (("127.0.0.1", "::1"), "", False),
        (("unix",), "", True),
        (("unix",), b"\0abstract", True),
        (("unix",), "/run/client.sock", True),
        (("unix",), ("127.0.0.1", 5), False),
        (("unix",), None, False),
        ((), ("127.0.0.1", 5), False),
        (("127.0.0.1",), (), False),
        (("0.0.0.0/0",), (2, 5), False),
        (("127.0.0.1",), ("pipe", 5), False),
        (("*",), ("203.0.113.1", 5), True),
        (("*",), "", True),
        (("*",), None, True),
        (("*",), ("pipe", 5), True),
    ],
)
def test_who_is_believed(allowed, peer, believed):
    proxies = Proxies(allowed)
    assert proxies.client(peer, head("192.0.2.1")) == (NAMED if believed else peer)
    said = proxies.scheme(peer, head("https", name=b"x-forwarded-proto"))
    assert said == ("https" if believed else None)


def test_to_believe_whoever_connects_is_not_to_believe_whoever_is_named():
    forged = head("198.51.100.1, 203.0.113.1, 10.0.0.2")
    assert Proxies(("*",)).client(PROXY, forged) == ("10.0.0.2", 0)
    assert Proxies(("*", "10.0.0.0/8")).client(PROXY, forged) == ("203.0.113.1", 0)


def test_a_request_that_could_not_be_parsed_names_nobody():
    proxies = Proxies(("*",))
    assert proxies.client(PROXY, None) == PROXY
    assert proxies.scheme(PROXY, None) is None


# --- the scheme ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "scheme"),
    [
        (("http",), "http"),
        (("HTTPS",), "https"),
        (("ws",), "http"),
        (("wss",), "https"),
        (("http, https",), "https"),
        (("https", "http"), "http"),
        (("https,",), "https"),
        (("",), None),
        ((), None),
        (("gopher",), None),
        (("https; x",), None),
        (("https, gopher",), None),
        (("\xff",), None),
    ],
)
def test_the_scheme_that_the_nearest_proxy_says(values, scheme):
    found = Proxies(LONELY).scheme(PROXY, head(*values, name=b"x-forwarded-proto"))
    assert found == scheme


# --- on the wire -----------------------------------------------------------------------------


def app() -> App:
    app = App()

    @app.get("/")
    async def whose(ctx: Context) -> list[object]:
        return [ctx.request.client, ctx.request.scheme, ctx.request.host]

    return app


SAID = (
    "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: b\r\n"
    "Forwarded: for=192.0.2.99;proto=https;host=c"
)


def ask(config: ServerConfig, *, peer: object = ("127.0.0.1", 4000), said: str = SAID) -> bytes:
    wire = Lockstep(app(), config, peer=peer)
    wire.receive(f"GET / HTTP/1.1\r\nHost: a\r\n{said}\r\n\r\n".encode())
    return wire.take().partition(b"\r\n\r\n")[2]


def test_nobody_is_believed_by_default():
    assert ask(ServerConfig()) == b'[["127.0.0.1",4000],"http","a"]'


@pytest.mark.parametrize("express", [True, False])
def test_this_machine_is_believed_once_it_is_switched_on(express):
    config = ServerConfig(proxy_headers=True, express=express)
    assert ask(config) == b'[["192.0.2.1",0],"https","a"]'
    assert ask(config, peer=("::1", 4000, 0, 0)) == b'[["192.0.2.1",0],"https","a"]'
    assert ask(config, peer=("192.0.2.7", 4000)) == b'[["192.0.2.7",4000],"http","a"]'


def test_forwarded_is_only_a_header():
    config = ServerConfig(proxy_headers=True)
    assert ask(config, said="Forwarded: for=192.0.2.1;proto=https") == (
        b'[["127.0.0.1",4000],"http","a"]'
    )


def test_the_access_log_gets_the_same_client():
    wire = Lockstep(app(), ServerConfig(proxy_headers=True), peer=("127.0.0.1", 4000))
    found: list[Access] = []
    wire.world.server.access = found.append
    wire.receive(b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n")
    wire.receive(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    wire.receive(b"GET / HTTP/1.1\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n")  # Refused: no Host.
    assert [each.peer for each in found] == [("192.0.2.1", 0), *[("127.0.0.1", 4000)] * 2]


def test_what_is_not_used_is_not_loaded():
    code = (
        "import sys; from anylane import App, ServerConfig; from anylane.testing import Lockstep\n"
        "Lockstep(App(), ServerConfig()); sys.exit('anylane.http.forwarded' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# --- settings --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("*", r"is '\*'; expected a tuple"),
        (["127.0.0.1"], r"is \['127.0.0.1'\]; expected a tuple"),
        ((1,), r"is \(1,\); expected a tuple"),
        (None, "is None; expected a tuple"),
        (("localhost",), "has 'localhost' .*; expected an address, a network"),
        (("10.0.0.1/8",), r"has '10.0.0.1/8' \(.*host bits set\); expected"),
        (("127.0.0.1:80",), "has '127.0.0.1:80' "),
        (("",), "has '' "),
    ],
)
def test_who_cannot_be_believed_is_told(value, expected):
    with pytest.raises(ConfigError, match=rf"ServerConfig\.forwarded_allow_ips {expected}"):
        ServerConfig(forwarded_allow_ips=value)


def test_the_switch_is_a_bool():
    with pytest.raises(ConfigError, match=r"ServerConfig\.proxy_headers is 1; expected bool"):
        ServerConfig(proxy_headers=1)  # type: ignore[arg-type]  # that is the mistake
