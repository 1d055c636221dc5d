"""The core does no I/O, and this is how we know.

Two proofs that do not trust each other. At run time: what a fresh interpreter has loaded after the
import of each module. In the source: which imports and which syntax each tier contains, also inside
functions, where the first proof cannot look.
"""

from __future__ import annotations

import ast
import functools
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import anylane

ROOT = Path(__file__).resolve().parents[1]
CORE = ROOT / "core" / "anylane"


def within(name: str, modules: Collection[str]) -> bool:
    """Return whether *name* is one of the modules or inside one."""
    parts = name.split(".")
    return any(".".join(parts[:size]) in modules for size in range(1, len(parts) + 1))


# --- at run time -----------------------------------------------------------------------------

NEVER_LOADED = (
    "_socket",
    "_ssl",
    "anyio",
    "anylane_backends",
    "asyncio",
    "click",
    "concurrent.futures",
    "curio",
    "email.utils",
    "http.client",
    "logging",
    "random",
    "select",
    "selectors",
    "socket",
    "ssl",
    "threading",
    "trio",
)

PROTOCOL, LANE = "anylane.protocol", "anylane.lane"

# What serves apps, and the libraries that only it and the command use.
HANDLERS_CODE = (
    "anylane.app",
    "anylane.handling",
    "anylane.http",
    "anylane.json",
    "anylane.realtime",
    "anylane.routing",
    "anylane.testing",
    "click",
    "orjson",
)

# Ready-made parts may use any library; nothing imports them.
CONTRIB = "anylane.contrib"


def modules_of_the_core() -> list[str]:
    """Return the dotted name of every module of `anylane` but contrib."""
    names = []
    for file in sorted(CORE.rglob("*.py")):
        parts = file.relative_to(CORE.parent).with_suffix("").parts
        names.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return [name for name in names if not within(name, (CONTRIB,))]


# Each piece of code runs in a child of an interpreter that has loaded no anylane yet. What most of
# its modules load of others is loaded before the children begin, and counted as theirs.
# -I -S: no PYTHONPATH, no user site, and no .pth file of anybody's editable install, each of
# which may load anything before we look. The folders of the packages are handed in instead.
PROBE = """
import json, os, sys, traceback
sys.path[:0] = {folders!r}
before = set(sys.modules)
import dataclasses, inspect, ipaddress, h11, wsproto
for code in {codes!r}:
    reader, writer = os.pipe()
    if not os.fork():
        try:
            exec(code)
            said = [sys.modules["anylane"].__file__, sorted(set(sys.modules) - before)]
        except BaseException:
            said = [traceback.format_exc(), []]
        os.write(writer, json.dumps(said).encode())
        os._exit(0)
    os.close(writer)
    with open(reader) as answer:
        print(answer.read())
    os.wait()
"""


def folder_of(package: str) -> str:
    spec = importlib.util.find_spec(package)
    assert spec is not None and spec.origin is not None, f"{package} is not installed"
    return str(Path(spec.origin).parents[1])


@functools.cache
def probe(*codes: str) -> Mapping[str, tuple[str, list[str]]]:
    """Return for each piece of code where `anylane` is, or a traceback, and what was loaded."""
    folders = [folder_of(package) for package in ("anylane", "anylane_backends", "h11", "click")]
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", PROBE.format(folders=folders, codes=codes)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answers = (json.loads(line) for line in done.stdout.splitlines())
    return {code: (origin, loaded) for code, (origin, loaded) in zip(codes, answers, strict=True)}


def loaded_by(code: str, *others: str) -> list[str]:
    """Return what *code* loads; others: what is looked at in the same run, to save time."""
    origin, loaded = probe(*(others or (code,)))[code]
    assert origin == anylane.__file__, origin
    return loaded


def loaded_by_import_of(module: str) -> list[str]:
    """Return what the import of one module of the core loads."""
    return loaded_by(f"import {module}", *(f"import {name}" for name in modules_of_the_core()))


@pytest.mark.parametrize("module", modules_of_the_core())
def test_importing_the_core_loads_no_loop_no_socket_no_thread(module: str) -> None:
    loaded = loaded_by_import_of(module)
    assert module in loaded
    assert [name for name in loaded if within(name, NEVER_LOADED)] == []


@pytest.mark.parametrize(
    "module", [name for name in modules_of_the_core() if within(name, (PROTOCOL, LANE))]
)
def test_the_protocol_and_the_lane_load_no_handlers_code(module: str) -> None:
    loaded = loaded_by_import_of(module)
    assert [name for name in loaded if within(name, HANDLERS_CODE)] == []


@pytest.mark.parametrize("package", [PROTOCOL, LANE])
def test_no_public_name_of_theirs_loads_any(package: str) -> None:
    code = f"import {package} as package; [getattr(package, name) for name in package.__all__]"
    loaded = loaded_by(code)
    assert package in loaded
    assert [name for name in loaded if within(name, HANDLERS_CODE)] == []


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import anylane, socket", "_socket"),
        ("import anylane, concurrent.futures", "concurrent.futures"),
        ("import anylane.serving; anylane.serving.main", "click"),
        ("import anylane; anylane.Server", "threading"),
        ("import anylane; anylane.App", "anylane.json"),
    ],
)
def test_the_probe_sees(code: str, expected: str) -> None:
    assert expected in loaded_by(code)


@pytest.mark.parametrize("code", ["import anylane.nothing", "import anylane; raise SystemExit(1)"])
def test_the_probe_says_why_an_import_failed(code: str) -> None:
    with pytest.raises(AssertionError, match=r"anylane\.nothing|SystemExit"):
        loaded_by(code)


@pytest.mark.parametrize("folder", ["core", "backends", "conformance"])
def test_the_import_roots_are_not_packages(folder: str, tmp_path: Path) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    probe = f"import importlib.util as u; print(u.find_spec({folder!r}))"
    done = subprocess.run(
        [sys.executable, "-c", probe],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "None"


# --- in the source ---------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What one tier must not say.

    forbidden: modules that no statement may import, submodules included.
    of_core: the parts of `anylane` that may be imported; None where tests/test_layers.py alone
        decides.
    may_be_async: whether `async` and `await` may occur.
    threads: the names of `_thread` that may be used.
    backends: whether functions may import anylane_backends.
    """

    forbidden: frozenset[str]
    may_be_async: bool
    of_core: frozenset[str] | None = None
    threads: frozenset[str] = field(default=frozenset())
    backends: bool = False


# Not all of http: HTTPStatus is a table of names and loads nothing.
OUTSIDE = frozenset(
    """_socket _ssl anyio asyncio concurrent curio email http.client http.cookiejar http.server
    logging multiprocessing queue random sched secrets select selectors signal socket socketserver
    ssl subprocess tempfile threading time trio uvloop""".split()
)
CLOCKS_AND_ENVIRONMENT = frozenset(
    "anylane_backends _thread contextvars datetime os pathlib uuid".split()
)

# What tier 0 stands on. Not anylane.json: it loads orjson.
GROUND = frozenset(
    "anylane.cache anylane.config anylane.errors anylane.protocol anylane.shown".split()
)

TIER_0 = Rules(forbidden=OUTSIDE | CLOCKS_AND_ENVIRONMENT, may_be_async=False, of_core=GROUND)
# The settings are read from files and the environment, which may be called paths.
SETTINGS = Rules(forbidden=TIER_0.forbidden - {"os"}, may_be_async=False, of_core=GROUND)
TIER_1 = Rules(forbidden=OUTSIDE, may_be_async=True)

LOCKS = frozenset({"LockType", "RLock", "allocate_lock", "get_ident"})

# File below core/anylane -> why it may use a lock although the core has no threads.
MAY_LOCK: Mapping[str, str] = {
    "realtime/broadcast.py": "send() is called from any thread, on every lane",
    "realtime/rooms.py": "rooms are asked for from any thread, on every lane",
    "handling/blocking.py": "a `def` handler's thread waits for what the exchange's task awaits",
    "log_limit.py": "on threads requests are refused on any worker, and no number may be lost",
    "lane/arrivals/places.py": "on threads clients of a proxy are counted on any worker",
    "lane/log_ids.py": "several threads of one handler may log at the same time",
    "realtime/event_log.py": "send() is called from any thread, on every lane",
    "contrib/jwks_file.py": "two threads of the pool may look at the file at once",
    "middleware/rate_limit/memory_rates.py": "on threads requests are counted on any worker",
    "middleware/sessions/memory_store.py": "on threads sessions are stored on any worker",
    "contrib/health/check.py": "on threads probes ask on any worker, and checks end on another",
    "contrib/metrics/exporter.py": "on threads requests are counted on any worker",
    "contrib/metrics/figures.py": "on threads connections come and go on any worker",
}

# File below core/anylane -> why its functions may name the backends.
MAY_NAME_BACKENDS: Mapping[str, str] = {
    "serving.py": "Server and serve() are loaded when somebody asks for them",
}


def imports(tree: ast.AST) -> Iterator[tuple[int, ast.AST, str]]:
    """Every (line, node, dotted name) that is imported, at any depth and by any spelling."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from ((node.lineno, node, alias.name) for alias in names)
            case ast.ImportFrom(module=str(module), level=0, names=names):
                yield from ((node.lineno, node, f"{module}.{alias.name}") for alias in names)
            case ast.Call(
                func=ast.Name(id="__import__" | "import_module")
                | ast.Attribute(attr="import_module"),
                args=[ast.Constant(value=str(name)), *_],
            ):
                yield node.lineno, node, name
            case _:
                pass


def wrong_import(name: str, rules: Rules, *, in_function: bool) -> str | None:
    if within(name, rules.forbidden):
        return f"imports {name}"
    if name == "_thread":
        return None if rules.threads else "imports _thread"
    if name.startswith("_thread."):
        return None if name.removeprefix("_thread.") in rules.threads else f"uses {name}"
    if within(name, ("anylane",)) and rules.of_core is not None and not within(name, rules.of_core):
        return f"imports {name}"
    if within(name, ("anylane_backends",)):
        if not rules.backends:
            return f"imports {name}"
        if not in_function:
            return f"imports {name} outside a function"
    return None


def violations(source: str, rules: Rules) -> list[str]:
    """Each breach of `rules` in `source`, as "line N: what"."""
    tree = ast.parse(source)
    in_functions = {
        inner
        for outer in ast.walk(tree)
        if isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef)
        for inner in ast.walk(outer)
    }
    found: set[tuple[int, str]] = set()
    for line, node, name in imports(tree):
        if what := wrong_import(name, rules, in_function=node in in_functions):
            found.add((line, what))
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id="_thread"), attr=attr):
                if attr not in rules.threads:
                    found.add((node.lineno, f"uses _thread.{attr}"))
            case ast.AsyncFunctionDef() | ast.Await() | ast.AsyncFor() | ast.AsyncWith():
                if not rules.may_be_async:
                    found.add((node.lineno, "is async"))
            case ast.comprehension(is_async=1, target=target):
                if not rules.may_be_async:
                    found.add((target.lineno, "is async"))
            case _:
                pass
    return [f"line {line}: {what}" for line, what in sorted(found)]


def rules_for(file: Path) -> Rules:
    name = file.relative_to(CORE).as_posix()
    if name.startswith("protocol/") or name in ("cache.py", "errors.py"):
        return TIER_0
    if name.startswith("config/"):
        return SETTINGS
    return Rules(
        forbidden=TIER_1.forbidden,
        may_be_async=True,
        threads=LOCKS if name in MAY_LOCK else frozenset(),
        backends=name in MAY_NAME_BACKENDS,
    )


@pytest.mark.parametrize(
    "file", sorted(CORE.rglob("*.py")), ids=lambda file: file.relative_to(CORE).as_posix()
)
def test_each_file_of_the_core_keeps_its_tiers_rules(file: Path) -> None:
    assert violations(file.read_text(encoding="utf-8"), rules_for(file)) == []


@pytest.mark.parametrize("name", [*MAY_LOCK, *MAY_NAME_BACKENDS])
def test_every_exception_names_a_file_that_exists(name: str) -> None:
    assert (CORE / name).exists(), f"{name} is gone: remove its exception"


LOCKING = Rules(forbidden=TIER_1.forbidden, may_be_async=True, threads=LOCKS)
NAMING = Rules(forbidden=TIER_1.forbidden, may_be_async=True, backends=True)


@pytest.mark.parametrize(
    ("source", "rules", "expected"),
    [
        ("async def f(): pass", TIER_0, ["line 1: is async"]),
        ("def f():\n    return [x async for x in y]", TIER_0, ["line 2: is async"]),
        ("async def f():\n    await g()", TIER_0, ["line 1: is async", "line 2: is async"]),
        ("import time", TIER_0, ["line 1: imports time"]),
        ("import os.path as p", TIER_0, ["line 1: imports os.path"]),
        ("from datetime import UTC", TIER_0, ["line 1: imports datetime.UTC"]),
        ("def f():\n    import socket", TIER_0, ["line 2: imports socket"]),
        ("__import__('ssl')", TIER_0, ["line 1: imports ssl"]),
        ("import _thread", TIER_0, ["line 1: imports _thread"]),
        (
            "from anylane.handling.context import Context",
            TIER_0,
            ["line 1: imports anylane.handling.context.Context"],
        ),
        (
            "def f():\n    from anylane.handling.context import Context",
            TIER_0,
            ["line 2: imports anylane.handling.context.Context"],
        ),
        (
            "if TYPE_CHECKING:\n    from anylane.lane.link import Link",
            TIER_0,
            ["line 2: imports anylane.lane.link.Link"],
        ),
        ("from anylane import Context", TIER_0, ["line 1: imports anylane.Context"]),
        ("from anylane import handling", TIER_0, ["line 1: imports anylane.handling"]),
        ("import anylane", TIER_0, ["line 1: imports anylane"]),
        ("import anylane.json", TIER_0, ["line 1: imports anylane.json"]),
        ("import anylane.protocol, anylane.app", TIER_0, ["line 1: imports anylane.app"]),
        ("importlib.import_module('anylane.app')", TIER_0, ["line 1: imports anylane.app"]),
        ("from anylane.handling import job", SETTINGS, ["line 1: imports anylane.handling.job"]),
        ("import time, uuid", SETTINGS, ["line 1: imports time", "line 1: imports uuid"]),
        ("from http import client", TIER_1, ["line 1: imports http.client"]),
        ("import asyncio", TIER_1, ["line 1: imports asyncio"]),
        ("def f():\n    from email import utils", TIER_1, ["line 2: imports email.utils"]),
        ("import importlib\nimportlib.import_module('trio')", TIER_1, ["line 2: imports trio"]),
        ("if TYPE_CHECKING:\n    import ssl", TIER_1, ["line 2: imports ssl"]),
        ("import _thread", TIER_1, ["line 1: imports _thread"]),
        (
            "from _thread import start_new_thread",
            LOCKING,
            ["line 1: uses _thread.start_new_thread"],
        ),
        ("import _thread\n_thread.exit()", LOCKING, ["line 2: uses _thread.exit"]),
        ("import threading", LOCKING, ["line 1: imports threading"]),
        ("def f():\n    import anylane_backends", TIER_1, ["line 2: imports anylane_backends"]),
        (
            "import anylane_backends.curio",
            NAMING,
            ["line 1: imports anylane_backends.curio outside a function"],
        ),
    ],
)
def test_the_checker_sees(source: str, rules: Rules, expected: list[str]) -> None:
    assert violations(source, rules) == expected


@pytest.mark.parametrize(
    ("source", "rules"),
    [
        ("import h11, wsproto, zlib\nfrom http import HTTPStatus", TIER_0),
        ("from anylane.errors import Disconnected\nimport anylane.protocol", TIER_0),
        ("from anylane.config.limits import Limits\nfrom anylane import cache", TIER_0),
        ("from anylane.handling.context import Context", TIER_1),
        ("import os", SETTINGS),
        ("def time(): ...\nasyncio = time()  # a word is not an import", TIER_0),
        ("async def f():\n    async with x:\n        await y", TIER_1),
        ("from _thread import allocate_lock\nlock = allocate_lock()", LOCKING),
        ("import _thread\nme = _thread.get_ident()", LOCKING),
        ("def f():\n    from anylane_backends.asyncio import AsyncioBackend", NAMING),
    ],
)
def test_the_checker_lets_pass(source: str, rules: Rules) -> None:
    assert violations(source, rules) == []
