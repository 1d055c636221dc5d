"""Draw docs/security.md from the settings, and from the rows of tests/whole/test_limits.py."""

from __future__ import annotations

from typing import Any

from configuration import shown
from drawn import draw
from limits import rows

from anylane import Limits, ServerConfig

ATTACKS: dict[str, tuple[str, ...]] = {
    "a flood of connections, from many or from one": (
        "max_connections",
        "max_connections_per_address",
        "max_connections_per_network",
        "timeouts.keep_alive",
    ),
    "heads that come a byte at a time (Slowloris)": ("timeouts.head", "timeouts.tls_handshake"),
    "bodies that come a byte at a time": (
        "timeouts.body",
        "limits.body_rate",
        "timeouts.rate_grace",
    ),
    "answers that nobody takes": (
        "limits.outbound_high",
        "limits.outbound_low",
        "timeouts.write_stall",
        "limits.send_rate",
    ),
    "large targets, heads and cookies": (
        "limits.target",
        "limits.header_field",
        "limits.header_section",
        "limits.header_count",
    ),
    "large bodies, and bodies that are nothing but framing": (
        "limits.body",
        "limits.chunk_overhead",
        "limits.inbound_high",
        "limits.inbound_low",
        "limits.drain_body",
        "limits.linger",
    ),
    "pipelines that are never read": ("limits.pipeline", "limits.exchanges_per_turn"),
    "messages that are large, or unfold to be (zip bombs)": ("limits.message",),
    "messages in endless fragments, or in tiny ones": (
        "limits.fragments",
        "limits.pieces_per_turn",
    ),
    "headers of the PROXY protocol without an end": ("limits.proxy_header",),
    "clients that vanish without a word": ("timeouts.ping", "timeouts.pong", "timeouts.look"),
    "handlers that are made to wait for ever": ("request_timeout", "max_threads"),
    "a server that cannot be stopped": ("timeouts.drain", "timeouts.close", "timeouts.linger"),
}
"""What is tried, and the settings that stop it."""


def value_of(config: ServerConfig, path: str) -> Any:
    """Return the default of a setting."""
    value: Any = config
    for name in path.split("."):
        value = getattr(value, name)
    return value


def attacks() -> str:
    """Return a row for each attack and setting."""
    tests, config = rows(), ServerConfig()
    lines = ["| attack | stopped by | default | strict | shown by |", "|---|---|---:|---:|---|"]
    for attack, settings in ATTACKS.items():
        for number, path in enumerate(settings):
            names = dict.fromkeys(f"`{each.test}`" for each in tests[path])
            cells = [
                "″" if number else attack,
                f"`{path}`",
                shown(value_of(config, path)),
                shown(value_of(ServerConfig.strict(), path)),
                ", ".join(names),
            ]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def memory() -> str:
    """Return what clients may make a server hold, in words."""
    limits, places = Limits(), ServerConfig().max_connections
    requests = limits.header_section + limits.pipeline + limits.inbound_high + limits.outbound_high
    whole = requests * places / 2**30
    return (
        f"With the defaults a connection may hold {requests // 1024:,} KiB for its client: a head, "
        "what is pipelined behind it, a part of a body, and output that is not sent yet. At "
        f"{places:,} connections that is {whole:.1f} GiB, if all of them are hostile at once. A "
        f"handler that reads a whole body holds up to {limits.body // 1024:,} KiB more, and a "
        f"WebSocket up to {limits.message // 1024:,} KiB for the message that comes in."
    )


if __name__ == "__main__":
    draw("security.md", {"attacks": attacks, "memory": memory})
