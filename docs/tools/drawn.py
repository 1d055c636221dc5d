"""Write what the pages of docs/ show of the code between its markers, or check that it is there.

python docs/tools/TOOL.py            write the page
python docs/tools/TOOL.py --check    exit 1 when it is not current
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]


def draw(page: str, parts: Mapping[str, Callable[[], str]]) -> None:
    """Bring docs/`page` up to date, or exit with an error if it is not and `--check` was given.

    parts: for each marker by its name, what returns the text between its ends.
    """
    if sys.argv[1:] not in ([], ["--check"]):
        sys.exit(__doc__)
    path = ROOT / "docs" / page
    text = path.read_text(encoding="utf-8")
    current = text
    for name, part in parts.items():
        current = _replaced(current, name, part(), page)
    if current == text:
        return
    if sys.argv[1:]:
        sys.exit(f"docs/{page} is not current: run `make lines`")
    path.write_text(current, encoding="utf-8")
    print(f"wrote docs/{page}")


def load(path: Path) -> ModuleType:
    """Return the module at `path`, which is in no package: a test whose tables a page shows."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their own module up
    spec.loader.exec_module(module)
    return module


def _replaced(text: str, name: str, part: str, page: str) -> str:
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    before, found, rest = text.partition(begin)
    _, ended, after = rest.partition(end)
    if not found or not ended:
        sys.exit(f"docs/{page} lacks the markers {begin} and {end}")
    return f"{before}{begin}\n{part}\n{end}{after}"
