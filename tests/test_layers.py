"""The folders are the architecture: imports never run upward, and no two modules need each other.

Every import counts: at module level, in functions and under TYPE_CHECKING alike. So a reader of
any file knows that all of it rests on lower floors.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = {
    "anylane": ROOT / "core",
    "anylane_backends": ROOT / "backends",
    "anylane_conformance": ROOT / "conformance",
}

FLOORS: tuple[tuple[str, ...], ...] = (
    ("anylane.errors", "anylane.json", "anylane.callables", "anylane.cache", "anylane.serving"),
    ("anylane.config",),
    ("anylane.protocol",),
    ("anylane.lane",),
    ("anylane_backends.sockets", "anylane_backends.thread_pool", "anylane_backends.native_cancel"),
    ("anylane_backends.tls", "anylane_backends.readiness"),
    ("anylane_backends.asyncio", "anylane_backends.threads"),
    ("anylane_backends.anyio", "anylane_backends.curio"),
    ("anylane.http",),
    ("anylane.routing", "anylane.realtime"),
    ("anylane.handling",),
    ("anylane.app",),
    ("anylane.testing",),
    ("anylane_backends.hosting",),
    ("anylane_backends.hosting.cli",),
    ("anylane", "anylane_backends"),
    ("anylane_conformance.contract",),
    ("anylane_conformance.harness",),
    ("anylane_conformance.cases",),
    ("anylane_conformance",),
)
"""From the ground up. A place may import itself and lower floors; nothing above, and nothing that
stands beside it. `anylane` is the facade, `__init__` and `__main__`, and no folder."""

DOOR = "anylane.serving"
"""The one way from the core to the backends."""


def modules() -> dict[str, Path]:
    """Every module of the project by its dotted name."""
    found: dict[str, Path] = {}
    for package, root in PACKAGES.items():
        for file in sorted((root / package).rglob("*.py")):
            parts = file.relative_to(root).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


def imported(source: str, known: Iterable[str]) -> Iterator[str]:
    """The modules among *known* that *source* imports, at any depth."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names if alias.name in known)
            case ast.ImportFrom(module=str(module), names=names):
                for alias in names:
                    inner = f"{module}.{alias.name}"
                    if inner in known:
                        yield inner
                    elif module in known:
                        yield module
            case _:
                pass


def arrows() -> list[tuple[str, str]]:
    """Every (importing module, imported module)."""
    known = modules()
    return sorted(
        {
            (name, other)
            for name, file in known.items()
            for other in imported(file.read_text(encoding="utf-8"), known.keys())
            if other != name
        }
    )


def place(module: str) -> tuple[int, str]:
    """Floor and name of the place that a module belongs to."""
    module = HOMES.get(module, module)
    at, name = max(
        (
            (floor, name)
            for floor, names in enumerate(FLOORS)
            for name in names
            if module == name or module.startswith(f"{name}.")
        ),
        key=lambda found: len(found[1]),
    )
    if name == "anylane" and module not in ("anylane", "anylane.__main__"):
        raise LookupError(f"{module} is in no place of FLOORS")
    return at, name


def is_upward(importer: str, other: str) -> bool:
    """Whether this arrow leads up, or sideways into another place."""
    if importer == DOOR and other.startswith("anylane_backends"):
        return False
    (floor, here), (target, there) = place(importer), place(other)
    return here != there and target >= floor


def circles(graph: Iterable[tuple[str, str]]) -> list[list[str]]:
    """The groups of modules that need each other (Tarjan)."""
    below: dict[str, list[str]] = {}
    for name, other in graph:
        below.setdefault(name, []).append(other)
    number: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:
        number[name] = low[name] = len(number)
        stack.append(name)
        for other in below.get(name, ()):
            if other not in number:
                visit(other)
                low[name] = min(low[name], low[other])
            elif other in stack:
                low[name] = min(low[name], number[other])
        if low[name] == number[name]:
            group = stack[stack.index(name) :]
            del stack[stack.index(name) :]
            if len(group) > 1:
                found.append(sorted(group))

    for name in tuple(below):
        if name not in number:
            visit(name)
    return found


HOMES: dict[str, str] = {}
"""Modules that have not moved yet, and where to: they are judged by that."""

VIOLATIONS: frozenset[str] = frozenset(
    {
        "anylane.handling.context -> anylane.app",
        "anylane.handling.dispatch -> anylane.app",
        "anylane.http.response -> anylane.handling.return_values",
        "anylane.lane.driver -> anylane.handling.connection_hooks",
        "anylane.lane.server_core -> anylane.app",
        "anylane.lane.server_core -> anylane.handling.run_exchange",
        "anylane.lane.server_core -> anylane.http.forms",
        "anylane.lane.server_core -> anylane.http.forwarded",
        "anylane.realtime.event_log -> anylane.handling.context",
        "anylane.realtime.event_stream -> anylane.handling.context",
        "anylane.realtime.select -> anylane.handling.context",
        "anylane_backends.hosting.cli.commands -> anylane",
        "anylane_backends.hosting.messages -> anylane",
    }
)
"""What is still to be repaired."""


def test_no_import_runs_upward_or_sideways() -> None:
    upward = {f"{a} -> {b}" for a, b in arrows() if is_upward(a, b)}
    assert sorted(upward - VIOLATIONS) == []
    assert sorted(VIOLATIONS - upward) == [], "repaired: take it off the list"


@pytest.mark.parametrize("package", ["anylane_backends"])
def test_no_two_modules_need_each_other(package: str) -> None:
    inside = [arrow for arrow in arrows() if all(name.split(".")[0] == package for name in arrow)]
    assert inside
    assert circles(inside) == []


@pytest.mark.parametrize(
    ("importer", "other", "upward"),
    [
        ("anylane.protocol.connection", "anylane.errors", False),
        ("anylane.protocol.http1.machine.machine", "anylane.protocol.connection", False),
        ("anylane.protocol.connection", "anylane.lane.driver", True),
        ("anylane.routing.router", "anylane.realtime.rooms", True),
        ("anylane.json", "anylane.errors", True),
        ("anylane_backends.curio", "anylane.http.request", True),
        ("anylane.serving", "anylane_backends.hosting.server", False),
        ("anylane.app", "anylane_backends.hosting.server", True),
        ("anylane_backends.hosting.server", "anylane_backends.hosting.cli.flags", True),
    ],
)
def test_the_table_says_what_is_upward(importer: str, other: str, upward: bool) -> None:
    assert is_upward(importer, other) is upward


def test_imports_are_found_wherever_they_stand() -> None:
    source = (
        "import anylane.json\n"
        "if TYPE_CHECKING:\n    from anylane.app import App\n"
        "def f():\n    from anylane import cache\n"
    )
    known = ("anylane", "anylane.json", "anylane.app", "anylane.cache")
    assert list(imported(source, known)) == ["anylane.json", "anylane.app", "anylane.cache"]


def test_circles_are_found() -> None:
    assert circles([("a", "b"), ("b", "c"), ("c", "a"), ("c", "d")]) == [["a", "b", "c"]]
    assert circles([("a", "b"), ("a", "c"), ("b", "c")]) == []
