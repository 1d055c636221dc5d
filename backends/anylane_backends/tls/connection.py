"""TLS for every lane: a layer around Connection with exactly its inputs and outputs.

Synchronous, on `ssl.MemoryBIO`: no backend knows that it is there, and no lane's library speaks
TLS for us. The connection inside is made once the handshake is over and ALPN is known.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence
from enum import Enum, auto

from anylane.config.server_config import ServerConfig
from anylane.lane.host import Log
from anylane.protocol import AnyConnection, Closing, Timer, TlsInfo
from anylane.protocol.fields import Header
from anylane.protocol.http1.encoding import encode_head, with_defaults
from anylane.protocol.layers.around import Around
from anylane.protocol.peer import Address
from anylane.protocol.timers import NEVER
from anylane_backends.tls.session import SLICE, TlsSession

_CONTROL = 16 * 1024
"""Bytes that TLS itself may owe a peer that does not read. Session tickets and the answers to key
updates are far below it. A peer that goes on asking for those alone is not a client."""


_NOT_TLS = b"This port speaks TLS: use https://\n"


_DUE = 0.0
"""A deadline that has come, on every clock."""


class Phase(Enum):
    """Where the TLS session stands. It only moves down this list."""

    HANDSHAKE = auto()
    """There is no connection inside yet."""
    OPEN = auto()
    """What comes is decrypted for the connection inside."""
    SENT_CLOSE = auto()
    """Our close_notify was sent. Input is discarded, for as long as the connection inside says."""
    FAILED = auto()
    """There is no session, or none any more. An alert goes out at most, and input is discarded."""


class TlsConnection(Around):
    """A layer around one Connection, with the same members (see `Connection`).

    make: makes the connection inside, once the handshake is over. context: the certificate and all
    other settings of TLS.

    The end of input is a close_notify. A stream that ends without one was cut short, maybe by an
    attacker in between (RFC 8446 §6.1): that is the loss of the connection.
    """

    idle = False  # TLS may always have something to send.

    __slots__ = ("_control", "_date", "_discarded", "_eof", "_held", "_log", "_make", "_out",
                 "_part", "_phase", "_session", "local", "peer", "tls")  # fmt: skip

    def __init__(
        self,
        make: Callable[[float, TlsInfo], AnyConnection],
        *,
        context: ssl.SSLContext,
        config: ServerConfig,
        now: float,
        peer: Address,
        local: Address,
        log: Log,
        date: Callable[[], bytes],
        refused: bool = False,
    ) -> None:
        super().__init__(config, refused=refused)
        self._date = date
        self.peer: Address = peer
        self.local: Address = local
        self.tls: TlsInfo | None = None
        self._make = make
        self._log = log
        self._phase = Phase.HANDSHAKE
        self._timers.set(Timer.TLS_HANDSHAKE, now + config.timeouts.tls_handshake)
        self._session = TlsSession(context)
        self._out: list[bytes] = []
        self._held = self._part = self._eof = False
        self._control = 0
        self._discarded = 0

    # -- inputs ----------------------------------------------------------------------------

    def receive_data(self, data: bytes, now: float) -> None:
        if not data or self.closing >= Closing.CLOSE:
            return
        match self._phase:
            case Phase.HANDSHAKE if not self._session.hello and data[:1].isupper():
                self._refuse_plaintext(data, now)
            case Phase.HANDSHAKE:
                self._shake_hands(now, data)
            case Phase.OPEN:
                self._part = True
                self._session.incoming.write(data)
                self._feed(now)
            case Phase.SENT_CLOSE | Phase.FAILED:
                # RFC 9112 §9.6: read on, so that a reset cannot destroy what was sent last.
                self._discarded += len(data)
                if self._discarded > self.config.limits.linger:
                    self._close(Closing.ABORT)

    def receive_eof(self, now: float) -> None:
        if self._eof or self.closing >= Closing.CLOSE:
            return
        self._eof = True
        self._session.incoming.write_eof()
        match self._phase:
            case Phase.HANDSHAKE if not self._session.hello:
                self._leave()  # It is a port scanner, or a browser that connected in advance.
            case Phase.HANDSHAKE:
                self._shake_hands(now)
            case Phase.OPEN:
                self._feed(now)
            case Phase.SENT_CLOSE:
                # Nothing that matters can be missing.
                self._connection.receive_eof(now)
            case Phase.FAILED:
                self._leave()

    def peer_left(self, now: float) -> None:
        if self._inner is not None and self._phase is Phase.OPEN:
            self._inner.peer_left(now)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._out.clear()
        super().connection_lost(exc)

    def handle_timeout(self, now: float) -> None:
        while (timer := self._timers.take_due(now)) is not None:
            if timer is Timer.TLS_HANDSHAKE and self._phase is Phase.HANDSHAKE:
                self._report("took too long")
                self._close(Closing.ABORT)
            else:
                self._leave()
        if self._inner is not None:
            self._inner.handle_timeout(now)
            if self._due:
                self._feed(now)

    def data_unsent(self, size: int, now: float) -> None:
        if size == 0:
            self._control = 0
        super().data_unsent(size, now)

    # -- outputs -----------------------------------------------------------------------------

    def data_to_send(self) -> list[bytes]:
        if self._phase is Phase.OPEN:
            self._encrypt(self._connection)
        outgoing = self._session.outgoing
        if outgoing.pending:
            self._out.append(outgoing.read())
        out, self._out = self._out, []
        return out

    @property
    def queued(self) -> int:
        """Return 1: what there is, such as a close_notify, shows when it is encrypted."""
        return 1

    @property
    def deadline_bound(self) -> float:
        return _DUE if self._due else super().deadline_bound

    def next_deadline(self) -> float | None:
        """Return the earliest deadline. It is in the past where held input is wanted again, because
        nothing comes from the socket then."""
        return _DUE if self._due else super().next_deadline()

    @property
    def wants_read(self) -> bool:
        if self._eof or self._held:
            return False
        if self._phase in (Phase.OPEN, Phase.SENT_CLOSE):
            return self._connection.wants_read
        return self._closing < Closing.CLOSE

    @property
    def closing(self) -> Closing:
        return self._closing if self._phase is Phase.FAILED else super().closing

    @property
    def idle_since(self) -> float:
        """Return since when. Half a record is a request, and so is a part of a handshake."""
        if self._phase is Phase.OPEN:
            return NEVER if self._held or self._part else self._connection.idle_since
        if self._phase is not Phase.HANDSHAKE or self._session.hello or self.closing:
            return NEVER
        return self._timers.at[Timer.TLS_HANDSHAKE] - self.config.timeouts.tls_handshake

    # -- the handshake -----------------------------------------------------------------------

    def _shake_hands(self, now: float, data: bytes = b"") -> None:
        try:
            agreed = self._session.shake_hands(data)
        except (ssl.SSLError, ValueError) as exc:
            self._fail(exc, now)
            return
        if agreed is None:
            return
        self.tls = agreed
        self._timers.clear(Timer.TLS_HANDSHAKE)
        self._phase = Phase.OPEN
        self._inner = self._make(now, agreed)
        self._feed(now)

    def _refuse_plaintext(self, data: bytes, now: float) -> None:
        """Answer a request that came as plain text with 400, as nginx does.

        A TLS record never begins with a capital letter, and a request always does.
        """
        self._report(f"was not TLS but plain text: {data[:40]!r}")
        self._out += _not_tls(self._date(), self.config.headers)
        self._linger(now)

    # -- records -----------------------------------------------------------------------------

    @property
    def _connection(self) -> AnyConnection:
        assert self._inner is not None, "there is one in every phase after HANDSHAKE but FAILED"
        return self._inner

    @property
    def _due(self) -> bool:
        """Return whether input is held that the connection inside wants now."""
        return self._held and self._phase is Phase.OPEN and self._connection.wants_read

    def _feed(self, now: float) -> None:
        outgoing = self._session.outgoing
        owed = outgoing.pending
        self._decrypt(now)
        self._control += outgoing.pending - owed
        if self._control > _CONTROL and self._phase is Phase.OPEN:
            self._report("failed: it sends more control messages than a client does")
            self.abort()

    def _decrypt(self, now: float) -> None:
        """Decrypt while the connection inside wants to read. The rest stays held."""
        inner, incoming, records = self._connection, self._session.incoming, self._session.records
        self._held = False
        # This is asked first, because one exception costs more than decrypting a small request.
        while incoming.pending or records.pending() or self._eof:
            if inner.closing:
                if self._eof:
                    inner.receive_eof(now)
                return  # It would only discard this (see `receive_data`).
            if not inner.wants_read:
                # After a close_notify it stays held to the end, and is never due.
                self._held = True
                return
            try:
                data = records.read(SLICE)
            except ssl.SSLWantReadError:
                return
            except ssl.SSLEOFError as exc:
                self._cut_short(exc)
                return
            except ssl.SSLError as exc:
                self._fail(exc, now)
                return
            if data:
                self._part = False
                inner.receive_data(data, now)
            else:
                inner.receive_eof(now)

    def _encrypt(self, inner: AnyConnection) -> None:
        # They are joined: each piece alone would be a record, which costs the client time.
        data = b"".join(inner.data_to_send())
        try:
            self._session.encrypt(data, self._out)
        except ssl.SSLError as exc:  # No state is known in which this happens. It must end.
            self._report(f"failed: {_reason(exc)}")
            self.connection_lost(exc)
            return
        if inner.closing in (Closing.SEND_EOF, Closing.CLOSE):
            self._phase = Phase.SENT_CLOSE
            self._held = False
            self._session.close()

    # -- the end -----------------------------------------------------------------------------

    def _cut_short(self, exc: ssl.SSLError) -> None:
        self._connection.connection_lost(exc)
        self._phase = Phase.FAILED
        self._leave()

    def _fail(self, exc: ssl.SSLError | ValueError, now: float) -> None:
        """End a session that cannot go on. OpenSSL has written the alert that says why."""
        self._report(f"failed: {_reason(exc)}")
        if self._inner is not None:
            self._inner.connection_lost(exc)
        self._linger(now)

    def _linger(self, now: float) -> None:
        """Half-close behind what is still to be sent, and read on for a while."""
        self._phase = Phase.FAILED
        self._held = False
        self._timers.clear_all()
        if self._eof:
            self._leave()
        else:
            self._close(Closing.SEND_EOF)
            self._timers.set(Timer.LINGER, now + self.config.timeouts.linger)

    def _report(self, what: str) -> None:
        peer = f"{self.peer[0]}:{self.peer[1]}" if isinstance(self.peer, tuple) else "a client"
        self._log("info", f"TLS with {peer} {what}", None)


def _not_tls(date: bytes, defaults: Sequence[Header]) -> list[bytes]:
    """Return the answer to a request that came as plain text."""
    headers = [
        ("date", date.decode("ascii")),
        ("content-type", "text/plain; charset=utf-8"),
        ("content-length", str(len(_NOT_TLS))),
        ("connection", "close"),
    ]
    return [encode_head(400, with_defaults(headers, defaults)), _NOT_TLS]


def _reason(exc: ssl.SSLError | ValueError) -> str:
    match exc:
        case ssl.SSLCertVerificationError():
            return f"the client's certificate: {exc.verify_message}"
        case ssl.SSLEOFError():
            return "the client left in the middle of the handshake"
        case ssl.SSLError(reason=str(reason)):
            return reason.lower().replace("_", " ")
        case _:
            return str(exc)
