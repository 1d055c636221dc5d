"""Show in docs/behind-a-proxy.md the configuration files of docs/deployment, as they are tried."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from drawn import ROOT, draw

FILES = {
    "nginx": "nginx.conf",
    "nginx-stream": "nginx-stream.conf",
    "haproxy": "haproxy.cfg",
    "haproxy-proxy-protocol": "haproxy-proxy-protocol.cfg",
    "caddy": "Caddyfile",
}
"""Marker -> file."""


def shown(name: str) -> Callable[[], str]:
    """Return what returns a file as a block of code."""

    def part() -> str:
        text = (ROOT / "docs" / "deployment" / name).read_text(encoding="utf-8")
        return f"```text\n{text.rstrip()}\n```"

    return part


def parts() -> Iterator[tuple[str, Callable[[], str]]]:
    """Yield each marker and what stands there."""
    for marker, name in FILES.items():
        yield marker, shown(name)


if __name__ == "__main__":
    draw("behind-a-proxy.md", dict(parts()))
