"""TlsConnection in memory: a real client's TLS session against it, in virtual time."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import trustme

from anylane import App, ConfigError, Context, Disconnected, Limits, ServerConfig, Timeouts
from anylane.lane.arrivals.places import LEAVING
from anylane.protocol import AnyConnection, Closing, Connection, Interrupt, TlsInfo
from anylane.testing import Lockstep, World
from anylane_backends.asyncio import AsyncioBackend
from anylane_backends.hosting.server import Server
from anylane_backends.sockets.listening import BindError
from anylane_backends.tls.client_hello import server_name
from anylane_backends.tls.connection import TlsConnection
from anylane_backends.tls.context import TlsError
from anylane_backends.tls.layer import wrap

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificates: server.pem and client.pem with their keys, ca.pem, key.pem, cert.pem."""
    folder = tmp_path_factory.mktemp("certificates")
    ca = authority()
    server = ca.issue_cert("localhost")
    ca.cert_pem.write_to_path(str(folder / "ca.pem"))
    server.private_key_and_cert_chain_pem.write_to_path(str(folder / "server.pem"))
    server.private_key_pem.write_to_path(str(folder / "key.pem"))
    server.cert_chain_pems[0].write_to_path(str(folder / "cert.pem"))
    ca.issue_cert("c.invalid", common_name="somebody").private_key_and_cert_chain_pem.write_to_path(
        str(folder / "client.pem")
    )
    return folder


@cache
def authority() -> trustme.CA:
    return trustme.CA()


class Client:
    """A TLS client of OpenSSL's on the other end of a Lockstep."""

    def __init__(
        self,
        wire: Lockstep,
        *,
        tls: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
        certificate: Path | None = None,
        alpn: list[str] | None = None,
        session: ssl.SSLSession | None = None,
        context: ssl.SSLContext | None = None,
        shake: bool = True,
    ) -> None:
        self.wire = wire
        if context is None:
            context = ssl.create_default_context()
            authority().configure_trust(context)
            context.maximum_version = tls
            if certificate is not None:
                context.load_cert_chain(certificate)
            if alpn is not None:
                context.set_alpn_protocols(alpn)
        self.context = context
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(
            self.incoming, self.outgoing, server_hostname="localhost", session=session
        )
        while shake:
            try:
                self.tls.do_handshake()
                shake = False
            except ssl.SSLWantReadError:
                pass
            self.flush()
            self.fetch()

    def flush(self) -> None:
        if data := self.outgoing.read():
            self.wire.receive(data)

    def fetch(self) -> None:
        self.incoming.write(self.wire.take())

    def send(self, data: bytes) -> None:
        self.tls.write(data)
        self.flush()

    def take(self) -> bytes:
        """What can be decrypted now; at a close_notify it stops."""
        self.fetch()
        received = b""
        try:
            while data := self.tls.read(1 << 16):
                received += data
        except (ssl.SSLWantReadError, ssl.SSLZeroReturnError):
            pass
        return received

    def ended(self) -> bool:
        """Whether the server's close_notify came."""
        self.fetch()
        try:
            return self.tls.read(1) == b""
        except ssl.SSLZeroReturnError:
            return True
        except ssl.SSLWantReadError:
            return False

    def close_notify(self) -> None:
        with pytest.raises(ssl.SSLWantReadError):
            self.tls.unwrap()
        self.flush()


def serve(files: Path, app: App | None = None, **settings: Any) -> Lockstep:
    config = ServerConfig(ssl_certfile=str(files / "server.pem"), **settings)
    return Lockstep(world=World(app or greeting(), config, wrap=wrap(config)))


def greeting() -> App:
    app = App()

    @app.get("/")
    async def greet(ctx: Context) -> str:
        return "hi"

    return app


def app_that(handler: Callable[[Context], Any], method: str = "get") -> App:
    app = App()
    getattr(app, method)("/")(handler)
    return app


def connection_of(wire: Lockstep) -> TlsConnection:
    connection = wire._driver.connection
    assert isinstance(connection, TlsConnection)
    return connection


BOTH = pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])


# --- what it is --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in vars(AnyConnection) if not name.startswith("_")])
def test_both_have_every_member_that_a_driver_uses(name, files):
    wire = serve(files)
    assert hasattr(connection_of(wire), name)
    plain = Lockstep(greeting())._driver.connection
    assert isinstance(plain, Connection)
    assert hasattr(plain, name)


@BOTH
def test_requests_are_answered_one_after_the_other(version, files):
    client = Client(serve(files), tls=version)
    for _ in range(3):
        client.send(GET)
        assert client.take().endswith(b"\r\n\r\nhi")


def test_what_the_handler_sees_of_the_session(files):
    async def show(ctx):
        return f"{ctx.request.scheme} {ctx.request.tls}"

    client = Client(serve(files, app_that(show)), alpn=["h2", "http/1.1"])
    client.send(GET)
    cipher = client.tls.cipher()
    assert cipher is not None
    info = TlsInfo(
        version="TLSv1.3", cipher=cipher[0], alpn="http/1.1", server_name="localhost",
        peer_certificate=None,
    )  # fmt: skip
    assert client.take().endswith(f"https {info}".encode())


def test_there_is_no_connection_inside_before_the_handshake_is_over(files):
    wire = serve(files)
    connection = connection_of(wire)
    assert (connection.tls, connection.next_exchange(), connection.closing) == (None, None, 0)
    client = Client(wire, shake=False)
    with pytest.raises(ssl.SSLWantReadError):
        client.tls.do_handshake()
    client.flush()
    assert connection.tls is None
    client.fetch()
    client.tls.do_handshake()
    client.flush()
    assert connection.tls is not None


def test_a_response_is_one_record(files):
    client = Client(serve(files))
    client.take()
    client.send(GET)
    record = client.wire.take()
    assert int.from_bytes(record[3:5], "big") + 5 == len(record)


def test_a_session_is_resumed_with_its_certificate(files):
    async def who(ctx):
        certificate = ctx.request.tls.peer_certificate
        return str(certificate and certificate["subject"])

    wire = serve(
        files, app_that(who), ssl_ca_certs=str(files / "ca.pem"), ssl_cert_reqs="required",
    )  # fmt: skip
    client = Client(wire, certificate=files / "client.pem")
    client.send(GET)
    first = client.take()
    assert b"somebody" in first
    again = Client(wire.open(), context=client.context, session=client.tls.session)
    again.send(GET)
    assert again.take() == first
    assert again.tls.session_reused


# --- input that is held ------------------------------------------------------------------------

MARKS = Limits(inbound_high=1000, inbound_low=100, body=1 << 20)


def upload(size: int) -> bytes:
    return b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size


def test_held_plaintext_is_delivered_without_new_input(files):
    async def late(ctx):
        await ctx.sleep(10)
        return {"length": len(await ctx.request.body())}

    wire = serve(files, app_that(late, "post"), limits=MARKS)
    client = Client(wire)
    client.send(upload(200_000))
    connection = connection_of(wire)
    assert not connection.wants_read
    wire.advance(9)
    assert client.take() == b""
    wire.advance(1)
    assert client.take().endswith(b'{"length":200000}')
    assert connection.wants_read


def test_only_what_one_read_gave_is_held_and_the_socket_rests(files):
    async def late(ctx):
        await ctx.sleep(10)
        return {"length": len(await ctx.request.body())}

    wire = serve(files, app_that(late, "post"), limits=MARKS)
    client = Client(wire)
    client.tls.write(upload(200_000))
    data = client.outgoing.read()
    for start in range(0, len(data), 65536):
        wire.receive(data[start : start + 65536])
    assert len(wire._driver.inbox) >= 3  # left in the kernel
    wire.advance(10)
    assert client.take().endswith(b'{"length":200000}')


def test_a_close_behind_held_plaintext_waits_for_its_turn(files):
    seen = []

    async def late(ctx):
        await ctx.sleep(10)
        seen.append(ctx.half_closed)
        length = len(await ctx.request.body())
        seen.append(ctx.half_closed)
        return {"length": length}

    wire = serve(files, app_that(late, "post"), limits=MARKS)
    client = Client(wire)
    client.tls.write(upload(50_000))
    client.close_notify()
    wire.eof()
    wire.advance(10)
    assert client.take().endswith(b'{"length":50000}')
    assert seen == [True, True], "our kernel knows of the end, and was asked"
    assert client.ended()
    assert wire.closed


def test_a_truncation_behind_held_plaintext_is_a_loss_when_it_is_reached(files):
    raised = []

    async def late(ctx):
        await ctx.sleep(10)
        try:
            await ctx.request.body()
        except Disconnected as exc:
            raised.append(str(exc))
            raise

    wire = serve(files, app_that(late, "post"), limits=MARKS)
    client = Client(wire)
    client.send(upload(50_000)[:-1])
    connection_of(wire).receive_eof(wire.world.now)  # A lane that had read on.
    wire.advance(9)
    assert not wire.closed
    wire.advance(1)
    assert len(raised) == 1
    assert wire.closed


# --- output ------------------------------------------------------------------------------------


def test_ciphertext_counts_toward_the_outbound_mark(files):
    written = []

    async def stream(ctx):
        async with ctx.stream() as out:
            for _ in range(100):
                await out.write(b"x" * 10_000)
                written.append(1)

    wire = serve(files, app_that(stream))
    client = Client(wire)
    wire.stall()
    client.send(GET)
    assert sum(written) * 10_000 <= Limits().outbound_high + 10_000
    unsent = wire._driver.unsent()
    assert unsent > sum(written) * 10_000
    assert connection_of(wire).unsent == unsent
    assert connection_of(wire).congested
    wire.resume()
    assert client.take().count(b"x" * 10_000) == 100


def test_a_client_that_stops_reading_is_ended(files):
    async def stream(ctx):
        async with ctx.stream() as out:
            while True:
                await out.write(b"x" * 10_000)

    wire = serve(files, app_that(stream))
    client = Client(wire)
    wire.stall()
    client.send(GET)
    wire.advance(Timeouts().write_stall - 1)
    assert not wire.reset_sent
    wire.advance(1)
    assert wire.reset_sent


def test_a_large_write_is_encrypted_in_slices(files):
    async def large(ctx):
        return b"x" * 1_000_000

    wire = serve(files, app_that(large))
    client = Client(wire)
    client.take()
    client.send(GET)
    assert max(map(len, wire._driver.sent)) < 70_000
    assert client.take().endswith(b"\r\n\r\n" + b"x" * 1_000_000)


# --- the end -----------------------------------------------------------------------------------


@BOTH
def test_close_notify_is_a_half_close_and_is_answered_with_ours(version, files):
    async def slow(ctx):
        await ctx.sleep(1)
        return f"half-closed: {ctx.half_closed}"

    client = Client(serve(files, app_that(slow)), tls=version)
    client.tls.write(GET)
    client.close_notify()
    client.wire.advance(1)
    assert client.take().endswith(b"half-closed: True")
    assert client.ended()
    assert client.wire.closed
    assert not client.wire.reset_sent


@BOTH
def test_a_truncated_close_is_a_loss(version, files):
    gone = []

    async def wait(ctx):
        try:
            await ctx.sleep(100)
        except Disconnected:
            gone.append(ctx.link.now())
            raise

    client = Client(serve(files, app_that(wait)), tls=version)
    client.send(GET)
    client.wire.eof()
    assert gone == [0.0]
    assert client.wire.closed


def test_an_idle_connection_ends_with_a_close_notify(files):
    client = Client(serve(files))
    client.wire.advance(Timeouts().keep_alive)
    assert client.ended()
    assert client.wire.closed


@BOTH
def test_a_refusal_lingers_behind_its_close_notify(version, files):
    client = Client(serve(files), tls=version)
    # The rest is in the same read: it must not harm the close_notify.
    client.send(b"nonsense\r\n\r\n" + b"x" * 50_000)
    wire = client.wire
    assert (wire.closing, wire.eof_sent) == (Closing.SEND_EOF, True)
    client.tls.write(b"x" * 1000)
    client.flush()
    assert client.take().startswith(b"HTTP/1.1 400 ")
    assert client.ended()
    wire.advance(Timeouts().linger)
    assert wire.closed
    assert not wire.reset_sent


def test_what_a_lingering_client_may_still_send_is_bounded(files):
    wire = serve(files, limits=Limits(linger=10_000))
    client = Client(wire)
    client.send(b"nonsense\r\n\r\n")
    client.send(b"x" * 9_000)
    assert not wire.reset_sent
    client.send(b"x" * 1_000)
    assert wire.reset_sent


def test_drain_ends_an_idle_session_and_a_handshake(files):
    wire = serve(files)
    client, shaking = Client(wire), wire.open()
    wire.world.server.shutdown()
    assert shaking.closed
    assert not client.ended()  # Its first request may be on its way.
    wire.advance(1)
    assert client.ended()
    assert wire.closed


def test_an_abort_sends_no_close_notify(files):
    async def fails(ctx):
        async with ctx.stream() as out:
            await out.write("some")
            raise ValueError

    wire = serve(files, app_that(fails))
    client = Client(wire)
    client.send(b"GET / HTTP/1.0\r\n\r\n")  # A body that ends with the connection.
    assert client.take().endswith(b"some")
    assert wire.reset_sent
    assert not client.ended()


# --- hostile ------------------------------------------------------------------------------------


def hello() -> bytes:
    client = Client(Lockstep(greeting()), shake=False)
    with pytest.raises(ssl.SSLWantReadError):
        client.tls.do_handshake()
    return client.outgoing.read()


GARBAGE = [
    b"\x00",
    b"\x00" * 5000,
    b"\xff" * 5000,
    b"\x16\x03\x01\xff\xff" + b"\x00" * 70_000,
    b"\x15\x03\x01\x00\x02\x02\x28",
    b"\x17\x03\x03\x00\x01a",
    b"get / http/1.1\r\n\r\n",
]


@pytest.mark.parametrize("data", GARBAGE, ids=range(len(GARBAGE)))
@pytest.mark.parametrize("end", ["eof", "lose", "silence"])
def test_garbage_ends_the_connection_in_one_line_at_most(data, end, files):
    wire = serve(files)
    for start in range(0, len(data), 1000):
        wire.receive(data[start : start + 1000])
    match end:
        case "eof":
            wire.eof()
        case "lose":
            wire.lose()
        case _:
            wire.advance(60)
    assert wire.closed
    assert len(wire.log) <= 1
    assert all(record.level == "info" for record in wire.log)
    other = Client(wire.open())
    other.send(GET)
    assert other.take().endswith(b"hi")


def test_a_hello_cut_or_damaged_anywhere_never_raises(files):
    whole = hello()
    wire = serve(files)
    for at in range(0, len(whole), 3):
        cut, damaged = wire.open(), wire.open()
        before = len(wire.log)
        cut.receive(whole[:at])
        cut.eof()
        damaged.receive(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        damaged.eof()
        assert cut.closed
        damaged.advance(20)
        assert damaged.closed
        assert len(wire.log) <= before + 2


def test_a_handshake_has_a_deadline_however_it_drips(files):
    wire = serve(files, timeouts=Timeouts(tls_handshake=3))
    for byte in hello()[:5]:
        wire.receive(bytes([byte]))
        wire.advance(0.5)
    assert not wire.closed
    wire.advance(0.5)
    assert wire.reset_sent
    assert [record.message for record in wire.log] == ["TLS with 192.0.2.1:50000 took too long"]


def test_a_flood_of_failed_handshakes_writes_a_bounded_number_of_lines(files):
    wire = serve(files)
    for _ in range(50):
        wire.open().receive(b"GET / HTTP/1.1\r\n\r\n")
        wire.open().receive(b"\x16\x03\x01\x00\x05nonsense")
    lines = [record.message for record in wire.log]
    assert len(lines) == 10
    assert all(each.startswith("TLS with ") for each in lines)
    wire.advance(1)
    wire.open()
    assert [record.message for record in wire.log[10:]] == [
        "failed TLS connections: 90 more in the last 1 s"
    ]


def test_a_finished_handshake_has_none(files):
    wire = serve(files, timeouts=Timeouts(tls_handshake=3, keep_alive=10))
    Client(wire)
    wire.advance(9)
    assert not wire.closed


def test_who_connects_and_leaves_is_not_logged(files):
    wire = serve(files)
    wire.eof()
    assert wire.closed
    assert wire.log == []


@pytest.mark.parametrize("size", [1, 2, len(GET)])
def test_plain_http_is_told_to_use_https(size, files):
    wire = serve(files)
    for start in range(0, len(GET), size):
        wire.receive(GET[start : start + size])
    assert wire.sent.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert wire.sent.endswith(b"use https://\n")
    assert (wire.closing, wire.eof_sent) == (Closing.SEND_EOF, True)
    assert len(wire.log) == 1
    assert "plain text: b'G" in wire.log[0].message
    wire.advance(Timeouts().linger)
    assert wire.closed


def test_plain_text_that_goes_on_for_ever_is_cut_off(files):
    wire = serve(files, limits=Limits(linger=1000))
    for _ in range(20):
        wire.receive(b"GET " * 25)
    assert wire.reset_sent


def test_a_damaged_record_ends_the_session_with_an_alert(files):
    client = Client(serve(files))
    client.wire.receive(b"\x17\x03\x03\x00\x20" + b"\x00" * 32)
    client.fetch()
    with pytest.raises(ssl.SSLError, match="BAD_RECORD_MAC"):
        client.tls.read(1)
    assert client.wire.eof_sent
    assert "bad record mac" in client.wire.log[0].message
    client.wire.advance(Timeouts().linger)
    assert client.wire.closed


def test_renegotiation_is_refused(files):
    connection = connection_of(serve(files))
    assert connection._session.records.context.options & ssl.OP_NO_RENEGOTIATION


def test_a_peer_that_only_asks_for_control_messages_is_ended(files, monkeypatch):
    # Python has no way to send a key update; the smallest bound makes a ticket too many.
    monkeypatch.setattr("anylane_backends.tls.connection._CONTROL", -1)
    client = Client(serve(files))
    assert client.wire.reset_sent
    assert "control messages" in client.wire.log[0].message


def test_a_client_without_the_required_certificate_is_told(files):
    wire = serve(files, ssl_ca_certs=str(files / "ca.pem"), ssl_cert_reqs="required")
    client = Client(wire)
    client.fetch()
    with pytest.raises(ssl.SSLError, match="CERTIFICATE_REQUIRED"):
        client.tls.read(1)
    assert [record.message.partition(" failed: ")[2] for record in wire.log] == [
        "peer did not return a certificate"
    ]


def test_a_client_with_a_strangers_certificate_is_told(files, tmp_path):
    stranger = tmp_path / "stranger.pem"
    trustme.CA().issue_cert("x.invalid").private_key_and_cert_chain_pem.write_to_path(str(stranger))
    wire = serve(files, ssl_ca_certs=str(files / "ca.pem"), ssl_cert_reqs="optional")
    client = Client(wire, certificate=stranger)
    client.fetch()
    with pytest.raises(ssl.SSLError, match="UNKNOWN_CA"):
        client.tls.read(1)
    assert "the client's certificate: " in wire.log[0].message


# --- the server name ---------------------------------------------------------------------------


def test_the_server_name_is_read_from_a_hello():
    assert server_name(hello()) == "localhost"
    assert server_name(hello() + b"more") == "localhost"


def test_a_server_name_that_cannot_be_read_is_none():
    whole = hello()
    assert server_name(b"") is None
    assert server_name(whole.replace(b"localhost", b"\xff" * 9)) is None
    for at in range(len(whole)):
        assert server_name(whole[:at]) in (None, "localhost", *("localhost"[:n] for n in range(9)))
        server_name(whole[:at] + b"\xff" + whole[at + 1 :])


def test_a_server_name_that_is_not_ascii_prints_nothing(files, capfd):
    wire = serve(files)
    wire.receive(hello().replace(b"localhost", b"local\xff\xfe\x00\x01"))
    wire.advance(60)
    assert wire.closed
    assert capfd.readouterr() == ("", "")


# --- configuration ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"ssl_certfile": ""}, "ssl_certfile is empty"),
        ({"ssl_certfile": 5}, "ssl_certfile is 5"),
        ({"ssl_keyfile": "k.pem"}, "ssl_certfile is not"),
        ({"ssl_min_version": "TLSv1.3"}, "ssl_certfile is not"),
        ({"ssl_certfile": "c", "ssl_min_version": "TLSv1.1"}, "'TLSv1.2' or 'TLSv1.3'"),
        ({"ssl_certfile": "c", "ssl_cert_reqs": "yes"}, "'none' or 'optional' or 'required'"),
        ({"ssl_certfile": "c", "ssl_cert_reqs": "required"}, "need both"),
        ({"ssl_certfile": "c", "ssl_ca_certs": "a"}, "need both"),
    ],
)
def test_a_wrong_setting_is_refused_before_any_file_is_read(settings, message):
    with pytest.raises(ConfigError, match=message):
        ServerConfig(**settings)


def test_the_password_is_never_shown():
    assert "hunter2" not in repr(ServerConfig(ssl_certfile="c", ssl_keyfile_password="hunter2"))
    with pytest.raises(ConfigError, match="is not a str") as caught:
        ServerConfig(ssl_certfile="c", ssl_keyfile_password=b"hunter2")  # type: ignore[arg-type]
    assert "hunter2" not in str(caught.value)


def test_without_a_certificate_there_is_no_layer():
    assert wrap(ServerConfig()) is None


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"ssl_certfile": "none.pem"}, r"cannot read ssl_certfile '.*none\.pem': No such file"),
        ({"ssl_certfile": "cert.pem", "ssl_keyfile": "none.pem"}, r"cannot read ssl_keyfile"),
        ({"ssl_certfile": "cert.pem"}, "holds no PEM private key: give it as ssl_keyfile"),
        ({"ssl_certfile": "key.pem"}, "holds no PEM certificate"),
        ({"ssl_certfile": "."}, "cannot read ssl_certfile '.*': Is a directory"),
        ({"ssl_certfile": "cert.pem", "ssl_keyfile": "client.pem"}, "does not belong to"),
        ({"ssl_certfile": "server.pem", "ssl_ciphers": "NONSENSE"}, "names no cipher"),
        (
            {"ssl_certfile": "server.pem", "ssl_ca_certs": "key.pem", "ssl_cert_reqs": "optional"},
            "ssl_ca_certs .* holds no PEM certificates",
        ),
        (
            {"ssl_certfile": "server.pem", "ssl_ca_certs": "none.pem", "ssl_cert_reqs": "optional"},
            "cannot read ssl_ca_certs",
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_named(settings, message, files):
    files_of = ("ssl_certfile", "ssl_keyfile", "ssl_ca_certs")
    full: dict[str, Any] = {name: str(files / value) if name in files_of else value
            for name, value in settings.items()}  # fmt: skip
    with pytest.raises(TlsError, match=message) as caught:
        Server(greeting(), ServerConfig(port=0, **full), AsyncioBackend())
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, BindError)


@pytest.mark.parametrize(
    ("password", "message"), [(None, "is not set"), ("wrong", "is not its password")]
)
def test_an_encrypted_key_needs_its_password(password, message, files, tmp_path):
    from cryptography.hazmat.primitives import serialization

    key = serialization.load_pem_private_key((files / "key.pem").read_bytes(), None)
    encrypted = tmp_path / "encrypted.pem"
    encrypted.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"right"),
        )
    )
    settings: dict[str, Any] = {
        "ssl_certfile": str(files / "cert.pem"),
        "ssl_keyfile": str(encrypted),
    }
    with pytest.raises(TlsError, match=message):
        wrap(ServerConfig(**settings, ssl_keyfile_password=password))
    assert wrap(ServerConfig(**settings, ssl_keyfile_password="right")) is not None


def test_the_oldest_version_is_configured(files):
    wire = serve(files, ssl_min_version="TLSv1.3")
    with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
        Client(wire, tls=ssl.TLSVersion.TLSv1_2)
    assert len(wire.log) == 1


# --- places --------------------------------------------------------------------------------------


def full_house(files: Path) -> tuple[World, Lockstep]:
    """A server with one place, and a client that has it and has sent nothing."""
    config = ServerConfig(ssl_certfile=str(files / "server.pem"), max_connections=1)
    world = World(greeting(), config, wrap=wrap(config))
    return world, Lockstep(world=world)


@BOTH
@pytest.mark.parametrize("asks", [False, True])
def test_an_idle_session_goes_in_order(version, asks, files):
    world, wire = full_house(files)
    client = Client(wire, tls=version)
    if asks:
        client.send(GET)
        assert client.take().endswith(b"hi")
    Lockstep(world=world)
    assert client.ended()
    assert wire.closed and not wire.reset_sent


def test_who_has_not_begun_its_handshake_goes_and_who_has_stays(files):
    world, silent = full_house(files)
    wire = Lockstep(world=world)
    assert silent.closed and not silent.reset_sent
    client = Client(wire, shake=False)
    with pytest.raises(ssl.SSLWantReadError):
        client.tls.do_handshake()
    hello = client.outgoing.read()
    wire.receive(hello[:100])
    assert not world.server.accepting
    wire.receive(hello[100:])
    assert not world.server.accepting
    Client(Lockstep(world=world))
    assert not wire.closed


def test_half_a_record_is_a_request(files):
    world, wire = full_house(files)
    client = Client(wire)
    client.tls.write(GET)
    record = client.outgoing.read()
    wire.receive(record[:-5])
    assert not world.server.accepting
    wire.receive(record[-5:])
    assert client.take().endswith(b"hi")
    assert world.server.accepting


@BOTH
def test_a_full_house_refuses_over_tls_too(version, files):
    config = ServerConfig(
        ssl_certfile=str(files / "server.pem"), max_connections=1, when_full="refuse"
    )
    world = World(greeting(), config, wrap=wrap(config))
    busy = Client(Lockstep(world=world))
    busy.tls.write(GET)
    busy.wire.receive(busy.outgoing.read()[:-5])
    refused = Client(Lockstep(world=world), tls=version)
    answer = refused.take()
    assert answer.startswith(b"HTTP/1.1 503 ") and b"\r\nretry-after: " in answer
    assert refused.ended() and refused.wire.eof_sent
    assert (world.server.status.connections, world.server.status.refused) == (1, 1)
    # However many there are, they hold no more descriptors than those that are refused in plain.
    silent: Any = [Lockstep(world=world) for _ in range(LEAVING + 1)]
    assert [each.closed for each in silent] == [True] + [False] * LEAVING
    silent[-1].advance(config.timeouts.tls_handshake)
    assert silent[-1].reset_sent and len(world.server.drivers) == 1


def test_a_client_beyond_its_bound_costs_no_handshake(files):
    config = ServerConfig(
        ssl_certfile=str(files / "server.pem"), max_connections_per_address=1, when_full="refuse"
    )
    world = World(greeting(), config, wrap=wrap(config))
    Client(Lockstep(world=world))
    refused = Lockstep(world=world)
    refused.receive(b"a hello")
    assert refused.closed and not refused.sent and not world.log[1:]


@BOTH
def test_a_full_house_refuses_behind_a_proxy_header(version, files):
    config = ServerConfig(
        ssl_certfile=str(files / "server.pem"),
        max_connections=1,
        when_full="refuse",
        proxy_protocol=True,
        forwarded_allow_ips=("192.0.2.1",),
    )
    world = World(greeting(), config, wrap=wrap(config))
    header = b"PROXY TCP4 198.51.100.7 203.0.113.1 4711 443\r\n"

    def arrive() -> Lockstep:
        wire = Lockstep(world=world)
        wire.receive(header)
        return wire

    busy = Client(arrive())
    busy.tls.write(GET)
    record = busy.outgoing.read()
    busy.wire.receive(record[:-5])
    refused = Client(arrive(), tls=version)
    assert refused.take().startswith(b"HTTP/1.1 503 ")
    busy.wire.receive(record[-5:])
    assert busy.take().endswith(b"hi")


@BOTH
def test_a_reliever_goes_on_with_the_session(version, files):
    """On a lane whose handlers can block: the client is answered by another connection."""

    async def never(ctx):
        await ctx.sleep(1000)

    wire = serve(files, app_that(never))
    client = Client(wire, tls=version)
    client.send(GET)
    connection = connection_of(wire)
    (link,) = wire._driver.links
    link.exchange.interrupted(Interrupt.DEADLINE)  # So it has the bare 503 at once.
    reliever = connection.relieve(link.exchange, wire._driver.now())
    connection.connection_lost(None)
    client.incoming.write(b"".join(reliever.data_to_send()))
    assert client.tls.read(1 << 16).startswith(b"HTTP/1.1 503 ")
    assert client.tls.read(1) == b""  # The close_notify.
    assert reliever.closing is Closing.SEND_EOF
