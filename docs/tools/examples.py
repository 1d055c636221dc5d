"""Draw the code of examples in docs/examples.md, and of one in docs/pyodide.md."""

from __future__ import annotations

from functools import partial

from drawn import ROOT, draw

EXAMPLES = ("chat", "live_metrics", "notes/pages", "notes/api")


def code(name: str) -> str:
    """Return the source of an example as a block of the page."""
    return block("python", f"{name}.py")


def block(language: str, name: str) -> str:
    """Return a file of the examples as a block of a page."""
    text = (ROOT / "docs/examples" / name).read_text(encoding="utf-8")
    return f"```{language}\n{text}```"


if __name__ == "__main__":
    draw("examples.md", {name.replace("/", "_"): partial(code, name) for name in EXAMPLES})
    draw("pyodide.md", {"worker": partial(block, "javascript", "service_worker/site/worker.js")})
