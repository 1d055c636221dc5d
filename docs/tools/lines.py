"""Draw the table of lines in docs/backends.md: how thin each backend is, and how thick the core.

A line counts when it holds code. Blank lines, comments and docstrings (any string that stands
alone) do not, so that explaining a backend never makes it look thicker.
"""

from __future__ import annotations

import ast
import io
import tokenize
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

from drawn import ROOT, draw

CORE = ROOT / "core" / "anylane"
BACKENDS = ROOT / "backends" / "anylane_backends"

LAYOUT = frozenset(
    {
        tokenize.COMMENT,
        tokenize.NL,
        tokenize.NEWLINE,
        tokenize.INDENT,
        tokenize.DEDENT,
        tokenize.ENCODING,
        tokenize.ENDMARKER,
    }
)


def lines_of_code(source: str) -> int:
    """Return how many lines of `source` hold code."""
    code: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in LAYOUT:
            code.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(source)):
        if (
            isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
        ):
            code.difference_update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return len(code)


def total(files: Iterable[Path]) -> int:
    """Return how many lines of these files hold code."""
    return sum(lines_of_code(file.read_text(encoding="utf-8")) for file in files)


def sources(place: Path) -> list[Path]:
    """Return the Python files of a module or package, none if it does not exist."""
    if place.is_dir():
        return sorted(place.rglob("*.py"))
    file = place.with_suffix(".py")
    return [file] if file.exists() else []


def lanes() -> dict[str, list[str]]:
    """Return for each backend's module the names that users type, as pyproject.toml has them."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        registered = tomllib.load(file)["project"]["entry-points"]["anylane.backends"]
    found: dict[str, list[str]] = {}
    for name, target in registered.items():
        module = target.partition(":")[0].removeprefix(f"{BACKENDS.name}.")
        found.setdefault(module, []).append(name)
    return found


LANES = ("asyncio", "anyio", "trio", "curio", "threads")
SHARED = (
    "readiness",
    "sockets",
    "channels",
    "native_cancel",
    "scoped_link",
    "thread_pool",
    "workers",
    "tls",
)


def rows() -> Iterator[tuple[str, str, int]]:
    """Yield what, where and how many lines, for each row of the table."""
    names = lanes()
    for module in LANES:
        label = ", ".join(names[module])
        yield label, f"`{BACKENDS.name}.{module}`", total(sources(BACKENDS / module))
    for module in SHARED:
        where = f"`{BACKENDS.name}.{module}`"
        yield "shared by backends", where, total(sources(BACKENDS / module))
    yield "running servers", f"`{BACKENDS.name}.hosting`", total(sources(BACKENDS / "hosting"))
    protocol = sources(CORE / "protocol")
    testing = sources(CORE / "testing")
    rest = [file for file in sources(CORE) if file not in protocol and file not in testing]
    yield "core, tier 0", "`anylane.protocol`", total(protocol)
    yield "core, tier 1", "`anylane`, the rest", total(rest)
    yield "in memory", "`anylane.testing`", total(testing)


def table() -> str:
    """Return one row a lane, a shared package or a tier."""
    lines = ["| lane or tier | module | lines of code |", "|---|---|---:|"]
    lines += [f"| {what} | {where} | {count:,} |" for what, where, count in rows()]
    return "\n".join(lines)


if __name__ == "__main__":
    draw("backends.md", {"lines": table})
