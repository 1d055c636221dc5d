"""The folders are the architecture: imports never run upward, and no two modules need each other.

Every import counts: at module level, in functions and under TYPE_CHECKING alike. So a reader of
any file knows that all of it rests on lower floors. And a folder can be read: it holds few files,
none of them long, and no two whose names are taken for each other.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = {
    "anylane": ROOT / "core",
    "anylane_backends": ROOT / "backends",
    "anylane_conformance": ROOT / "conformance",
}

FLOORS: tuple[tuple[str, ...], ...] = (
    (
        "anylane.errors",
        "anylane.json",
        "anylane.cache",
        "anylane.serving",
        "anylane.shown",
        "anylane.log_limit",
        "anylane.request_tag",
        "anylane.read_only",
    ),
    ("anylane.callables", "anylane.extras", "anylane.keywords"),
    ("anylane.config",),
    ("anylane.protocol",),
    ("anylane.lane", "anylane_backends.workers", "anylane_backends.suspended"),
    (
        "anylane_backends.sockets",
        "anylane_backends.thread_pool",
        "anylane_backends.native_cancel",
        "anylane_backends.scoped_link",
        "anylane_backends.channels",
        "anylane_backends.logging",
    ),
    ("anylane_backends.tls", "anylane_backends.readiness"),
    ("anylane_backends.asyncio", "anylane_backends.threads"),
    ("anylane_backends.anyio", "anylane_backends.trio", "anylane_backends.curio"),
    ("anylane.http",),
    ("anylane.routing", "anylane.realtime"),
    ("anylane.handling",),
    ("anylane.typed",),
    ("anylane.openapi", "anylane.middleware"),
    ("anylane.app",),
    ("anylane.contrib", "anylane.testing", "anylane_backends.bridges"),
    ("anylane_backends.hosting",),
    ("anylane_backends.hosting.cli", "anylane_backends.asgi"),
    ("anylane_backends.mounts", "anylane_backends.fetch"),
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

UPWARD_STUBS: Mapping[str, str] = {
    "anylane.serving": "the types of the door",
    "anylane.routing.function_types": "hooks are given a Context, which routing knows nothing of",
}
"""Stubs that name what is above them -> why. Type checkers read them, and nothing runs them."""


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


def test_no_import_runs_upward_or_sideways() -> None:
    assert [f"{a} -> {b}" for a, b in arrows() if is_upward(a, b)] == []


@pytest.mark.parametrize(
    ("importer", "other", "upward"),
    [
        ("anylane.protocol.connection", "anylane.errors", False),
        ("anylane.protocol.http1.machine", "anylane.protocol.connection", False),
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


def test_only_listed_stubs_name_what_is_above() -> None:
    known = modules()
    found = set()
    for package, root in PACKAGES.items():
        for file in (root / package).rglob("*.pyi"):
            name = ".".join(file.relative_to(root).with_suffix("").parts)
            others = imported(file.read_text(encoding="utf-8"), known.keys())
            if any(place(other)[0] > place(name)[0] for other in others):
                found.add(name)
    assert found == UPWARD_STUBS.keys()


def test_no_two_modules_need_each_other() -> None:
    assert circles(arrows()) == []


def test_circles_are_found() -> None:
    assert circles([("a", "b"), ("b", "c"), ("c", "a"), ("c", "d")]) == [["a", "b", "c"]]
    assert circles([("a", "b"), ("a", "c"), ("b", "c")]) == []


# --- size -------------------------------------------------------------------------------------

MAX_FILES = 16
"""Modules of a folder: more, and there is a folder in it that wants out."""

MAX_LINES = 450
"""Of a file. Most modules of the field's best tools have fewer than 250."""

MAX_CLASS_LINES = 350
"""Of a class: more, and it holds a second noun."""

MAY_BE_LARGE: Mapping[str, str] = {
    "anylane_conformance/cases": "one file for each chapter of the suite, and chapters are added",
    "anylane_conformance/cases/smuggling_inputs.py": "a table of inputs, each with its source",
}
"""Folder, file, or file:class -> why it may be larger than the rest."""


def too_large(name: str, source: str) -> Iterator[str]:
    """The file and its classes, as "file" and "file:class", that are over their bound."""
    if len(source.splitlines()) > MAX_LINES:
        yield name
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ClassDef):
            first = min((node.lineno, *(each.lineno for each in node.decorator_list)))
            if (node.end_lineno or first) - first >= MAX_CLASS_LINES:
                yield f"{name}:{node.name}"


def test_no_folder_file_or_class_is_too_large() -> None:
    files = {
        file.relative_to(root).as_posix(): file
        for package, root in PACKAGES.items()
        for file in (root / package).rglob("*.py")
    }
    folders = Counter(name.rpartition("/")[0] for name in files)
    large = {name for name, count in folders.items() if count > MAX_FILES}
    for name, file in files.items():
        large |= {*too_large(name, file.read_text(encoding="utf-8"))}
    assert sorted(large - MAY_BE_LARGE.keys()) == []
    assert sorted(MAY_BE_LARGE.keys() - large) == [], "small enough: take it off the list"


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("x = 1\n" * MAX_LINES, []),
        ("x = 1\n" * (MAX_LINES + 1), ["a.py"]),
        ("class C:\n" + "    x = 1\n" * (MAX_CLASS_LINES - 1), []),
        ("class C:\n" + "    x = 1\n" * MAX_CLASS_LINES, ["a.py:C"]),
        ("@f\nclass C:\n" + "    x = 1\n" * (MAX_CLASS_LINES - 1), ["a.py:C"]),
        ("def f():\n    class C:\n" + "        x = 1\n" * MAX_CLASS_LINES, ["a.py:C"]),
    ],
)
def test_files_and_classes_over_their_bound_are_found(source: str, found: list[str]) -> None:
    assert [*too_large("a.py", source)] == found


# --- names ------------------------------------------------------------------------------------

SAME_NAME: Mapping[str, Mapping[str, str]] = {
    "application": {
        "anylane.handling": "the application that an App makes",
        "anylane.lane": "what a lane asks of any application",
    },
    "client": {
        "anylane.testing": "a folder: the client and its parts",
        "anylane.testing.client": "the client itself",
    },
    "connection": {
        "anylane.protocol": "the server's end of a connection, as bytes and time",
        "anylane.testing.client": "the client's end of one",
    },
    "errors": {
        "anylane": "what the framework raises",
        "anylane.testing.client": "what a test's client raises",
    },
    "rate_limit": {
        "anylane.middleware": "a folder: the part, and how it counts",
        "anylane.middleware.rate_limit": "the part itself",
    },
    "request": {
        "anylane.http": "what a handler sees",
        "anylane.testing.client": "what a test sends",
    },
    "response": {
        "anylane.http": "what a handler makes",
        "anylane.testing.client": "what a test gets",
    },
    "sessions": {
        "anylane.middleware": "a folder: the part, and where it keeps sessions",
        "anylane.middleware.sessions": "the part itself",
    },
    "websocket": {
        "anylane.protocol": "a folder: handshake, frames and the state of a session",
        "anylane.realtime": "what a handler sees of a session",
        "anylane.testing.client": "what a test sees of one",
    },
}
"""Short names that the core has several times -> folder -> what it means there."""

LOOK_ALIKE: Mapping[tuple[str, str], str] = {
    ("anylane.protocol.any_connection", "anylane.protocol.connection"): (
        "what a driver asks of a connection, and the connection"
    ),
    ("anylane.routing.patterns.pattern", "anylane.routing.patterns.pattern_syntax"): (
        "a pattern, and how its text is taken apart; `pattern` is the one to import"
    ),
    ("anylane.routing.route", "anylane.routing.route_table"): (
        "one route, and all of them; the field's two words"
    ),
    ("anylane_conformance.cases.smuggling", "anylane_conformance.cases.smuggling_inputs"): (
        "the cases, and the table that they go through"
    ),
    ("anylane_conformance.harness.peer", "anylane_conformance.harness.websocket_peer"): (
        "a client of the suite, and what it adds to speak frames"
    ),
}
"""Two modules of one folder whose names could be taken for each other -> why they may stay."""


def by_folder(names: Iterable[str]) -> dict[str, list[str]]:
    """Folder -> the short names of its modules and folders; the packages themselves left out."""
    found: dict[str, set[str]] = {}
    for name in names:
        folder, _, short = name.rpartition(".")
        if folder:
            found.setdefault(folder, set()).add(short)
    return {folder: sorted(shorts) for folder, shorts in found.items()}


def are_alike(one: str, other: str) -> bool:
    """Whether two short names differ in a plural only, or in words put before or behind."""
    a, b = sorted((one.split("_"), other.split("_")), key=len)
    if len(a) == len(b):
        return [word.rstrip("s") for word in a] == [word.rstrip("s") for word in b]
    return b[: len(a)] == a or b[-len(a) :] == a


def test_equal_short_names_in_the_core_are_told_apart_by_their_folders() -> None:
    found: dict[str, set[str]] = {}
    for folder, shorts in by_folder(modules()).items():
        if folder.partition(".")[0] == "anylane":
            for short in shorts:
                found.setdefault(short, set()).add(folder)
    several = {short: folders for short, folders in found.items() if len(folders) > 1}
    assert several == {short: {*folders} for short, folders in SAME_NAME.items()}


def test_no_two_names_of_a_folder_are_taken_for_each_other() -> None:
    alike = {
        (f"{folder}.{one}", f"{folder}.{other}")
        for folder, shorts in by_folder(modules()).items()
        for one, other in combinations(shorts, 2)
        if are_alike(one, other)
    }
    assert sorted(alike) == sorted(LOOK_ALIKE)


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("source", "sources", True),
        ("headers", "request_headers", True),
        ("route", "route_table", True),
        ("event_log", "event_logs", True),
        ("frame_reader", "frame_writer", False),
        ("events", "event_parser", False),
        ("router", "route", False),
        ("event_log", "event_stream", False),
    ],
)
def test_what_names_are_taken_for_each_other(one: str, other: str, alike: bool) -> None:
    assert are_alike(one, other) is are_alike(other, one) is alike
