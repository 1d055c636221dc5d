"""Draw the tables of settings in docs/configuration.md from the dataclasses and their reasons."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

from drawn import draw

from anylane import Deflate, Limits, ServerConfig, Timeouts
from anylane.config.loading import run_settings
from anylane.config.run_settings import RunSettings
from anylane.config.server_config import RELAXED, STRICT
from anylane_backends.hosting.cli.flags import reasons


def shown(value: Any, name: str = "") -> str:
    """Return a value as a TOML file has it, "" for None and for an empty tuple."""
    if value is None or value == ():
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if name == "uds_mode":
        return f"0o{value:o}"
    if isinstance(value, tuple):
        return ", ".join(value)
    if isinstance(value, int):
        return f"{value:_}" if value >= 10_000 else str(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def settings(kind: type, table: str = "") -> str:
    """Return the table of one class: setting, default, what the presets make of it, reason."""
    default = kind()
    # A preset may leave a whole table as it is.
    strict, relaxed = (preset.get(table) if table else preset for preset in (STRICT, RELAXED))
    why = reasons(kind)
    lines = ["| setting | default | strict | relaxed | |", "|---|---:|---:|---:|---|"]
    for each in fields(kind):
        value = getattr(default, each.name)
        if is_dataclass(value):
            continue
        others = [
            shown(other, each.name) if other is not None and other != value else ""
            for other in (_of(strict, each.name), _of(relaxed, each.name))
        ]
        cells = [f"`{each.name}`", shown(value, each.name), *others, why[each.name]]
        lines.append(f"| {' | '.join(cells)} |".replace("|  |", "| |").replace("|  |", "| |"))
    return "\n".join(lines)


def _of(preset: Any, name: str) -> Any:
    return preset.get(name) if isinstance(preset, dict) else getattr(preset, name, None)


def command() -> str:
    """Return the table of the settings that only the command reads, and a file may hold."""
    why = reasons(RunSettings)
    lines = ["| setting | default | |", "|---|---:|---|"]
    for each in run_settings():
        if each.in_file:
            row = f"| `{each.name}` | {shown(each.default)} | {why[each.name]} |"
            lines.append(row.replace("|  |", "| |"))
    return "\n".join(lines)


TABLES = {
    "server": lambda: settings(ServerConfig),
    "limits": lambda: settings(Limits, "limits"),
    "timeouts": lambda: settings(Timeouts, "timeouts"),
    "deflate": lambda: settings(Deflate, "deflate"),
    "run": command,
}


if __name__ == "__main__":
    draw("configuration.md", TABLES)
