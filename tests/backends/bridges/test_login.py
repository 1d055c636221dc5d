"""Brokers that ask who it is, and that speak TLS. What is secret is nowhere to be seen."""

from __future__ import annotations

import logging
import re
import ssl
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
import trustme

from anylane_backends.bridges import NatsBridge, ValkeyBridge
from anylane_backends.bridges.bridge import BridgeError
from tests.brokers import Broker, TlsFront, bridge_to, running
from tests.waiting import eventually

SECRET = "s3cret!%/"
QUOTED = "s3cret%21%25%2F"


def reaches(one: Any, two: Any) -> None:
    """Each gets what the other sends."""
    with one, two, one.room("chat").subscribe() as here, two.room("chat").subscribe() as there:
        eventually(lambda: one.subscriptions and two.subscriptions)
        one.room("chat").send("hello")
        two.room("chat").send("hello")
        eventually(lambda: len(here) == len(there) == 2)


@pytest.fixture(params=["nats user", "nats token", "valkey user", "valkey password"])
def guarded(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[tuple[Broker, str]]:
    """A broker with a password, and the login that a URL has to have."""
    kind, what = request.param.split()
    options = {
        "nats user": ("--user", "ada", "--pass", SECRET),
        "nats token": ("--auth", SECRET),
        "valkey user": ("--user", "ada", "on", f">{SECRET}", "~*", "&*", "+@all"),
        "valkey password": ("--requirepass", SECRET),
    }[request.param]
    login = {"user": f"ada:{QUOTED}", "token": QUOTED, "password": f":{QUOTED}"}[what]
    if request.param == "valkey user":
        options = (*options, "--requirepass", "another")
    with running(kind, tmp_path, *options) as broker:
        yield broker, login


def test_a_login_in_the_url(guarded: tuple[Broker, str], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    broker, login = guarded
    url = broker.url_as(login)
    reaches(bridge_to(url), bridge_to(url))
    with bridge_to(url) as bridge:
        broker.kill()
        eventually(lambda: not bridge.connected)
        assert broker.url in repr(bridge)
        said = caplog.text + repr(bridge) + repr(vars(bridge)["_address"])
    assert SECRET not in said
    assert "s3cret" not in said


def test_a_wrong_login_is_told_without_it(
    guarded: tuple[Broker, str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    broker, login = guarded
    url = broker.url_as(login.replace("s3cret", "wr0ng"))
    with pytest.raises(BridgeError) as caught, bridge_to(url, required=True):
        pass
    with bridge_to(url) as bridge:
        assert not bridge.connected
    with bridge_to(broker.url) as bridge:
        assert not bridge.connected
    said = caplog.text + str(caught.value)
    assert re.search("(?i)auth|WRONGPASS", str(caught.value))
    assert "wr0ng" not in said


def test_a_token_by_itself(tmp_path: Path) -> None:
    with running("nats", tmp_path, "--auth", SECRET) as broker:
        bridges = [NatsBridge(broker.url, token=SECRET) for _ in range(2)]
        reaches(*bridges)
        assert SECRET not in repr(bridges)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(params=["nats", "valkey"])
def secure(
    request: pytest.FixtureRequest, authority: trustme.CA, tmp_path: Path
) -> Generator[Broker]:
    """A broker with a certificate, which asks clients for theirs."""
    issued = authority.issue_cert("127.0.0.1")
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    if request.param == "nats":
        options = ("--tls", "--tlscert=cert.pem", "--tlskey=key.pem", "--tlscacert=ca.pem",
                   "--tlsverify")  # fmt: skip
        with running("nats", tmp_path, *options, scheme="tls") as broker:
            yield broker
    else:
        # The server of the wheel was built without TLS.
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        issued.configure_cert(context)
        authority.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
        with running("valkey", tmp_path) as plain:
            front = TlsFront(plain.port, context)
            broker = Broker("valkey", tmp_path, scheme="valkeys")
            broker.port = front.port
            yield broker
            front.close()


def client_context(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    authority.issue_cert("client.example").configure_cert(context)
    return context


def test_a_connection_over_tls(secure: Broker, authority: trustme.CA) -> None:
    context = client_context(authority)
    reaches(secure.bridge(tls=context), secure.bridge(tls=context))


@pytest.mark.parametrize("plain", [False, True])
def test_a_broker_that_cannot_prove_who_it_is_is_not_used(
    secure: Broker, plain: bool, caplog: pytest.LogCaptureFixture
) -> None:
    url = secure.url
    if plain:
        url = url.replace("tls://", "nats://").replace("valkeys://", "valkey://")
    bridge = bridge_to(url, tls=client_context(trustme.CA()))
    with bridge:
        assert not bridge.connected
    assert "certificate verify failed" in caplog.text
    # Without a context of its own it believes the authorities of the system.
    with secure.bridge() as bridge:
        assert not bridge.connected


def test_another_host_name_is_not_believed(secure: Broker, authority: trustme.CA) -> None:
    url = secure.url.replace("127.0.0.1", "localhost")
    with bridge_to(url, tls=client_context(authority)) as bridge:
        assert not bridge.connected


@pytest.mark.parametrize("secure", ["valkey"], indirect=True)
def test_stores_use_the_same_connection_settings(secure: Broker, authority: trustme.CA) -> None:
    bridge = ValkeyBridge(secure.url, tls=client_context(authority))

    async def ask(client: Any) -> Any:
        return await client.ping()

    with bridge:
        assert bridge.run(lambda: bridge._commands.execute(ask)).result(5) is True
