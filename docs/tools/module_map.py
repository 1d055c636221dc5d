"""Draw the floors and the module map of docs/architecture.md.

The floors are those that tests/test_layers.py holds all imports to. What a module is for is the
first sentence of its docstring.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from drawn import ROOT, draw, load

layers = load(ROOT / "tests" / "test_layers.py")


def floors() -> str:
    """Return the table of floors, the ground floor last, with what each folder imports now."""
    below: dict[str, set[str]] = defaultdict(set)
    for importer, other in layers.arrows():
        here, there = layers.place(importer)[1], layers.place(other)[1]
        if here != there and not layers.is_upward(importer, other):
            below[here].add(there)
    rows = [
        "| floor | folder or module | may import from floors | imports now |",
        "|---:|---|---|---|",
    ]
    for floor, places in reversed([*enumerate(layers.FLOORS, 1)]):
        lower = "" if floor == 1 else "1" if floor == 2 else f"1 to {floor - 1}"
        rows += [f"| {floor} | `{place}` | {lower} | {_listed(below[place])} |" for place in places]
    return _table(rows)


def _listed(places: Iterable[str]) -> str:
    """Return the places from the ground up, those of the core by their short names."""
    order = [place for names in layers.FLOORS for place in names]
    found = sorted(places, key=order.index)
    return ", ".join(f"`{place.removeprefix('anylane.')}`" for place in found)


def modules() -> str:
    """Return a table for each folder: its modules, with their floors where these differ."""
    folders: dict[Path, list[tuple[int, Path]]] = defaultdict(list)
    for name, file in layers.modules().items():
        folders[file.parent.relative_to(ROOT)].append((layers.place(name)[0] + 1, file))
    lines: list[str] = []
    for folder in sorted(folders, key=lambda each: _position(each, folders[each])):
        files = folders[folder]
        numbers = {floor for floor, _ in files}
        lines += ["", f"### {folder}/", ""]
        if len(numbers) == 1:
            rows = ["| module | |", "|---|---|"]
            rows += [f"| `{file.name}` | {purpose(file)} |" for _, file in files]
            lines += [f"Floor {numbers.pop()}.", "", _table(rows)]
        else:
            rows = ["| floor | module | |", "|---:|---|---|"]
            rows += [f"| {floor} | `{file.name}` | {purpose(file)} |" for floor, file in files]
            lines.append(_table(rows))
    return "\n".join(lines[1:])


def _position(folder: Path, files: list[tuple[int, Path]]) -> tuple[int, bool, int, str]:
    """Return where a folder stands: by package, the package itself first, then from the top."""
    package = list(layers.PACKAGES).index(folder.parts[1])
    return package, len(folder.parts) > 2, -max(floor for floor, _ in files), str(folder)


def purpose(file: Path) -> str:
    """Return what a module says of itself in one sentence, "" if it says nothing."""
    text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return first_sentence(text).replace("|", "\\|")


def first_sentence(text: str) -> str:
    """Return the first sentence of a docstring on one line; the first paragraph if it has none."""
    paragraph = " ".join(text.partition("\n\n")[0].split())
    found = re.match(r".*?[.!?](?=\s|$)", paragraph)
    return found[0] if found else paragraph


def _table(rows: Iterable[str]) -> str:
    return "\n".join(row.replace("|  |", "| |").replace("|  |", "| |") for row in rows)


if __name__ == "__main__":
    draw("architecture.md", {"floors": floors, "modules": modules})
