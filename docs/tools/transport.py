"""Draw the example of docs/own-transport.md: the file itself, and how long its transport is."""

from __future__ import annotations

import re

from drawn import ROOT, draw
from lines import lines_of_code

EXAMPLE = ROOT / "docs" / "examples" / "own_transport.py"


def code() -> str:
    """Return the example as a block of the page."""
    return f"```python\n{EXAMPLE.read_text(encoding='utf-8')}```"


def count() -> str:
    """Return the sentence that says how long the example is."""
    text = EXAMPLE.read_text(encoding="utf-8")
    classes = re.findall(r"^class .*?(?=^\S)", text, re.MULTILINE | re.DOTALL)
    return (
        f"The file has {lines_of_code(text)} lines of code. The transport itself, `PipeLink`, "
        f"`PipeDriver` and `PipeLane`, has {sum(map(lines_of_code, classes))}:"
    )


if __name__ == "__main__":
    draw("own-transport.md", {"count": count, "example": code})
