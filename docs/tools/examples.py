"""Draw the code of the examples in docs/examples.md."""

from __future__ import annotations

from functools import partial

from drawn import ROOT, draw

EXAMPLES = ("chat", "live_metrics", "notes/pages", "notes/api")


def code(name: str) -> str:
    """Return the source of an example as a block of the page."""
    text = (ROOT / "docs/examples" / f"{name}.py").read_text(encoding="utf-8")
    return f"```python\n{text}```"


if __name__ == "__main__":
    draw("examples.md", {name.replace("/", "_"): partial(code, name) for name in EXAMPLES})
