"""Transcripts: what clients received, how they are compared, and every relaxation there is.

All else is compared byte for byte. Each relaxation says why two right lanes may differ.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from anylane_conformance.harness import far_framing

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


@dataclass
class Transcript:
    """What one connection's client received."""

    http: bytes = b""
    """Every byte up to the WebSocket upgrade."""
    bodiless: set[int] = field(default_factory=set)
    """The offsets in these bytes of answers to HEAD."""
    messages: list[str | bytes] = field(default_factory=list)
    """The messages of a WebSocket."""
    controls: list[tuple[str, bytes]] = field(default_factory=list)
    """("ping" or "pong", payload) of its control frames but the close frame."""
    close: tuple[int, str] | None = None
    """Code and reason of its close frame."""
    end: str = "open"
    """How the connection ended: "open" if the case did not read to the end, "eof", "reset"; over
    TLS also "cut short" or the reason of the alert."""


def relaxed(transcript: Transcript) -> tuple[object, ...]:
    """Return what of a transcript must be equal on all lanes.

    * control-order: control frames are compared apart from messages. A pong may overtake a
      message that is still being handled (RFC 6455 §5.5.2), and does on lanes with
      concurrent input. Their own order, and that of messages, is kept; close is last.
    * continue-optional: `100 Continue` may be missing where body bytes came with the head
      (RFC 9110 §10.1.1), which depends on how the network cut them.
    """
    return (
        transcript.http.replace(CONTINUE, b""),
        transcript.messages,
        transcript.controls,
        transcript.close,
        transcript.end,
    )


def unframed(transcript: Transcript, *, handshake: bool = True) -> tuple[object, ...]:
    """Return what of a transcript must be equal where another server frames the messages.

    handshake: whether it puts the headers of the application into a 101.

    * far-framing: the other server writes status lines, lengths of chunks, and the headers in
      `far_framing.OWNED`. Statuses, all other headers, bodies and trailers are compared, and
      whether each body has its end.
    * far-end: the other server closes a connection or resets it.
    * continue-optional and control-order hold here too.
    """
    return (
        far_framing.messages(transcript.http, transcript.bodiless, handshake=handshake),
        transcript.messages,
        transcript.controls,
        transcript.close,
        "eof" if transcript.end == "reset" else transcript.end,
    )
