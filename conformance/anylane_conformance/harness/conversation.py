"""Conversation: what a case says and expects, on one lane."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from anylane_conformance.contract.stage import Stage
from anylane_conformance.harness.peer import Peer
from anylane_conformance.harness.transcripts import Transcript
from anylane_conformance.harness.wires import TlsPeer


class Conversation:
    """What a case talks through. tls: whether `connect` and `helper` speak it."""

    def __init__(self, stage: Stage, *, tls: bool) -> None:
        self.stage = stage
        self.tls = tls
        self.peers: list[Peer] = []
        self.figures: dict[str, float] = {}

    def connect(
        self,
        receive_buffer: int | None = None,
        *,
        certificate: bool = False,
        alpn: tuple[str, ...] = (),
    ) -> Peer:
        """One more connection; its transcript is compared.

        certificate, alpn: what the client shows and offers, where TLS is spoken.
        """
        peer = self._speak(self._connect(receive_buffer), certificate, alpn)
        self.peers.append(peer)
        return peer

    def helper(self) -> Peer:
        """One more connection, whose transcript is not compared."""
        return self._speak(self._connect(None))

    def bare(self) -> Peer:
        """One more connection, without TLS whatever the server speaks, and not compared."""
        return self._connect(None)

    def _speak(self, wire: Peer, certificate: bool = False, alpn: tuple[str, ...] = ()) -> Peer:
        if not self.tls:
            return wire
        from anylane_conformance.harness import certificates

        return TlsPeer(wire, certificates.client(certificate, alpn))

    def in_thread(self, func: Callable[[], Any]) -> None:
        """Run it in another thread, to its end."""
        thread = threading.Thread(target=func)
        thread.start()
        thread.join()

    def measure(self, name: str, value: float) -> None:
        """A figure for the report."""
        self.figures[name] = value

    @property
    def log(self) -> list[tuple[str, str]]:
        """(level, message) of all that an operator would have seen."""
        raise NotImplementedError

    @property
    def transcripts(self) -> list[Transcript]:
        return [peer.transcript for peer in self.peers]

    def _connect(self, receive_buffer: int | None) -> Peer:
        raise NotImplementedError

    def pause(self, seconds: float) -> None:
        """Let that time pass: virtual in memory."""
        raise NotImplementedError

    def steady(self, value: Callable[[], int]) -> int:
        """The value once it has stopped changing."""
        raise NotImplementedError

    @property
    def connections(self) -> int:
        """How many the server holds; one whose handler has not ended is held."""
        raise NotImplementedError

    def drain(self) -> None:
        """Ask the server to shut down. Connections can be read to their end."""
        raise NotImplementedError

    def stop(self) -> None:
        """Shut the server down, to its end. No more connections can be made after that."""
        raise NotImplementedError
