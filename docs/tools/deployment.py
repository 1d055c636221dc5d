"""Show the files of docs/deployment/ in docs/operations.md."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from drawn import ROOT, draw

LANGUAGES = {".service": "ini", ".socket": "ini", ".toml": "toml"}

FOLDER = ROOT / "docs" / "deployment"
FILES = [
    FOLDER / name
    for name in ("Containerfile", "alerts.yml", "server.toml", "shop.service", "shop.socket")
]
"""Those of the proxies are in docs/behind-a-proxy.md."""


def shown(file: Path) -> Callable[[], str]:
    """Return what returns a file as a block of the page."""
    language = LANGUAGES.get(file.suffix, "text")
    return lambda: f"```{language}\n{file.read_text(encoding='utf-8').rstrip()}\n```"


if __name__ == "__main__":
    draw("operations.md", {file.name: shown(file) for file in FILES})
