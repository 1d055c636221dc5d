"""The description of an app as text, and whether a file has it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Iterator
from difflib import unified_diff
from itertools import islice
from pathlib import Path

from anylane import json as anylane_json
from anylane.app import App
from anylane.errors import UsageError
from anylane_backends.hosting.cli.app_loading import CannotStart

_MAX_LINES = 20
"""Of a difference that are shown: enough to see what it is about."""


def text_of(app: App, name: str) -> str:
    """Return the OpenAPI description of an app as JSON, indented, in order of registration.

    name: of the app, for messages. Raise CannotStart for an app without a description, and for one
    that cannot be described.
    """
    if app.description is None:
        raise CannotStart(
            f"{name} has no description; write app.openapi(title='...', version='1') into its "
            "module"
        )
    try:
        document = anylane_json.dumps(app.description.document())
    except UsageError as exc:
        raise CannotStart(f"{name} cannot be described: {exc}") from exc
    # What goes out is encoded by the rules of anylane, and indented here.
    return json.dumps(json.loads(document), indent=2, ensure_ascii=False) + "\n"


def write(text: str, file: str) -> None:
    """Write a description. Raise CannotStart if the file cannot be written."""
    try:
        Path(file).write_text(text, encoding="utf-8", newline="\n")
    except OSError as exc:
        raise CannotStart(f"{file} cannot be written: {exc.strerror}") from exc


def differences(text: str, file: str) -> list[str] | None:
    """Return the first lines that differ between a file and a description; None if there are none.

    A missing file has no lines. Raise CannotStart for a file that cannot be read as text.
    """
    try:
        known = Path(file).read_text(encoding="utf-8")
    except FileNotFoundError:
        return [f"there is no file {file}"]
    except OSError as exc:
        raise CannotStart(f"{file} cannot be read: {exc.strerror}") from exc
    except UnicodeDecodeError as exc:
        raise CannotStart(f"{file} is not UTF-8: {exc.reason} at {exc.start}") from exc
    if known == text:
        return None
    lines = unified_diff(
        known.splitlines(), text.splitlines(), f"{file} as it is", "the app", n=2, lineterm=""
    )
    return list(_first(lines)) or [f"{file} ends in another way"]


def _first(lines: Iterable[str]) -> Iterator[str]:
    lines = iter(lines)
    yield from islice(lines, _MAX_LINES)
    if rest := sum(1 for _ in lines):
        yield f"... and {rest} lines more"


def renewing(app: str, file: str, *, app_dir: str, factory: bool, env_file: str | None) -> str:
    """Return the command that writes the description into a file."""
    words = ["anylane", "openapi", app]
    words += ["--app-dir", app_dir] if app_dir != "." else []
    words += ["--factory"] if factory else []
    words += ["--env-file", env_file] if env_file else []
    return shlex.join([*words, "--output", file])
