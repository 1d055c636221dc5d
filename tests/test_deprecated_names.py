"""Nothing is used that Python has removed, or is to remove, up to 3.14: in what is shipped, in the
examples and in the tools.

The table follows "Pending removal" and "Deprecated" of What's New in Python 3.12, 3.13 and 3.14.
"""

from __future__ import annotations

import ast
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOTS = ("core", "backends", "conformance", "docs", "tools", "benchmarks")
FILES = sorted(path for root in ROOTS for path in (ROOT / root).rglob("*.py"))

MODULES = frozenset(
    "aifc asynchat asyncore audioop cgi cgitb chunk crypt distutils imghdr imp lib2to3 mailcap "
    "msilib nis nntplib ossaudiodev pipes smtpd sndhdr spwd sunau telnetlib tkinter.tix uu xdrlib "
    "binhex formatter parser sre_compile sre_constants sre_parse nturl2path".split()
)
"""Modules that are gone, or are going."""

NAMES = {
    # name -> since when it is deprecated or gone
    "asyncio.get_event_loop_policy": "3.14",
    "asyncio.set_event_loop_policy": "3.14",
    "asyncio.AbstractEventLoopPolicy": "3.14",
    "asyncio.DefaultEventLoopPolicy": "3.14",
    "asyncio.WindowsSelectorEventLoopPolicy": "3.14",
    "asyncio.WindowsProactorEventLoopPolicy": "3.14",
    "asyncio.iscoroutinefunction": "3.14",
    "asyncio.get_event_loop": "3.14: raises RuntimeError without a running loop",
    "asyncio.get_child_watcher": "3.12",
    "asyncio.set_child_watcher": "3.12",
    "asyncio.AbstractChildWatcher": "3.12",
    "asyncio.SafeChildWatcher": "3.12",
    "asyncio.FastChildWatcher": "3.12",
    "asyncio.MultiLoopChildWatcher": "3.12",
    "asyncio.ThreadedChildWatcher": "3.12",
    "asyncio.PidfdChildWatcher": "3.12",
    "ast.Num": "3.12",
    "ast.Str": "3.12",
    "ast.Bytes": "3.12",
    "ast.NameConstant": "3.12",
    "ast.Ellipsis": "3.12",
    "codecs.open": "3.14",
    "datetime.datetime.utcnow": "3.12",
    "datetime.datetime.utcfromtimestamp": "3.12",
    "collections.abc.ByteString": "3.12",
    "typing.ByteString": "3.12",
    "typing.no_type_check_decorator": "3.13",
    "typing.io": "3.13",
    "typing.re": "3.13",
    "pkgutil.find_loader": "3.12",
    "pkgutil.get_loader": "3.12",
    "pkgutil.ImpImporter": "3.12",
    "pkgutil.ImpLoader": "3.12",
    "importlib.find_loader": "3.12",
    "importlib.abc.Finder": "3.12",
    "importlib.abc.Traversable": "3.14",
    "importlib.abc.TraversableResources": "3.14",
    "importlib.util.module_for_loader": "3.12",
    "importlib.util.set_loader": "3.12",
    "importlib.util.set_package": "3.12",
    "importlib.resources.contents": "3.11",
    "importlib.resources.is_resource": "3.11",
    "inspect.getargspec": "3.11",
    "inspect.formatargspec": "3.11",
    "locale.getdefaultlocale": "3.15",
    "locale.resetlocale": "3.13",
    "logging.warn": "3.3",
    "threading.currentThread": "3.10",
    "threading.activeCount": "3.10",
    "unittest.makeSuite": "3.13",
    "unittest.findTestCases": "3.13",
    "unittest.getTestCaseNames": "3.13",
    "ssl.wrap_socket": "3.12",
    "ssl.match_hostname": "3.12",
    "ssl.RAND_pseudo_bytes": "3.12",
    "ssl.PROTOCOL_TLS": "3.10",
    "ssl.PROTOCOL_SSLv23": "3.10",
    "ssl.PROTOCOL_TLSv1": "3.10",
    "ssl.PROTOCOL_TLSv1_1": "3.10",
    "ssl.PROTOCOL_TLSv1_2": "3.10",
    "ssl.OP_NO_SSLv2": "3.7",
    "ssl.OP_NO_TLSv1": "3.7",
    "ssl.OP_NO_TLSv1_1": "3.7",
    "abc.abstractproperty": "3.3",
    "abc.abstractclassmethod": "3.3",
    "abc.abstractstaticmethod": "3.3",
    "configparser.SafeConfigParser": "3.12",
    "tempfile.mktemp": "2.3",
    "argparse.FileType": "3.14",
    "urllib.parse.splitquery": "3.8",
    "urllib.request.URLopener": "3.14",
    "urllib.request.FancyURLopener": "3.14",
    "symtable.Class.get_methods": "3.14",
    "sys._enablelegacywindowsfsencoding": "3.13",
    "http.server.CGIHTTPRequestHandler": "3.13",
    "shutil.ExecError": "3.14",
    "os.popen2": "3.0",
    "sqlite3.version": "3.12",
    "sqlite3.version_info": "3.12",
    "pty.master_open": "3.14",
    "importlib.abc.ResourceReader": "3.14",
}

METHODS = {
    # the names of methods that no class of ours has
    "utcnow": "3.12",
    "utcfromtimestamp": "3.12",
    "setDaemon": "3.10",
    "isDaemon": "3.10",
    "co_lnotab": "3.12",
    "assertEquals": "3.12",
    "failUnless": "3.12",
    "is_reserved": "3.13",
    "getargspec": "3.11",
}


def imported(tree: ast.Module) -> dict[str, str]:
    """Return what each name of a module stands for, as it was imported."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for each in node.names:
                short = each.asname or each.name.partition(".")[0]
                names[short] = each.name if each.asname else short
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for each in node.names:
                names[each.asname or each.name] = f"{node.module}.{each.name}"
    return names


def dotted(node: ast.expr, names: dict[str, str]) -> str:
    """Return the full name of an attribute of something imported, else ""."""
    if isinstance(node, ast.Name):
        return names.get(node.id, "")
    if isinstance(node, ast.Attribute) and (owner := dotted(node.value, names)):
        return f"{owner}.{node.attr}"
    return ""


def found_in(source: str) -> Iterator[str]:
    """Yield what a source uses that is deprecated or gone, each with its line."""
    with warnings.catch_warnings():
        # What the compiler warns of: escapes that are none, `is` with a literal, from 3.14 on what
        # leaves a `finally`.
        warnings.simplefilter("error")
        tree = ast.parse(source)
        compile(source, "source", "exec", dont_inherit=True)
    names = imported(tree)
    for name in names.values():
        for gone in (name, *_owners(name)):
            if gone in MODULES:
                yield f"the module {gone}"
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.ImportFrom) and node.module:
            for each in node.names:
                if (name := f"{node.module}.{each.name}") in NAMES:
                    yield f"{line}: {name} ({NAMES[name]})"
        elif isinstance(node, ast.Attribute):
            if (name := dotted(node, names)) in NAMES:
                yield f"{line}: {name} ({NAMES[name]})"
            elif node.attr in METHODS:
                yield f"{line}: .{node.attr} ({METHODS[node.attr]})"
        elif isinstance(node, ast.keyword) and node.arg == "onerror":
            yield f"{node.value.lineno}: onerror= of shutil.rmtree (3.12)"
        elif isinstance(node, ast.Try | ast.TryStar):
            yield from _leaving(node.finalbody)


def _owners(name: str) -> Iterator[str]:
    while "." in name:
        name = name.rpartition(".")[0]
        yield name


def _leaving(body: list[ast.stmt], *, inside_loop: bool = False) -> Iterator[str]:
    """Yield what leaves a `finally` and swallows exceptions (PEP 765): a SyntaxWarning in 3.14."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        if isinstance(node, ast.Return) or (
            not inside_loop and isinstance(node, ast.Break | ast.Continue)
        ):
            yield f"{node.lineno}: {type(node).__name__.lower()} in finally (3.14)"
        loop = inside_loop or isinstance(node, ast.For | ast.AsyncFor | ast.While)
        for child in ("body", "orelse", "finalbody"):
            yield from _leaving(getattr(node, child, []), inside_loop=loop)
        for each in (*getattr(node, "handlers", ()), *getattr(node, "cases", ())):
            yield from _leaving(each.body, inside_loop=loop)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_deprecated_is_used(path: Path) -> None:
    assert list(found_in(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import cgi", ["the module cgi"]),
        ("from distutils.core import setup", ["the module distutils"]),
        ("import asyncio\nasyncio.get_event_loop()", ["2: asyncio.get_event_loop (3.14: raises"]),
        ("import asyncio as a\na.iscoroutinefunction(f)", ["2: asyncio.iscoroutinefunction"]),
        ("from asyncio import iscoroutinefunction", ["1: asyncio.iscoroutinefunction"]),
        ("from datetime import datetime\ndatetime.utcnow()", ["2: datetime.datetime.utcnow"]),
        ("import datetime as d\nd.datetime.utcnow()", ["2: datetime.datetime.utcnow"]),
        ("thread.setDaemon(True)", ["1: .setDaemon (3.10)"]),
        ("import shutil\nshutil.rmtree('a', onerror=f)", ["2: onerror= of shutil.rmtree"]),
        ("def f():\n try: g()\n finally:\n  return 1", ["4: return in finally"]),
        ("for a in b:\n try: g()\n finally:\n  if a:\n   break", ["5: break in finally"]),
        ("try: g()\nfinally:\n for a in b:\n  break", []),
        ("try: g()\nfinally:\n def f():\n  return 1", []),
        ("from inspect import iscoroutinefunction", []),
    ],
)
def test_what_is_deprecated_is_found(source: str, found: list[str]) -> None:
    if sys.version_info >= (3, 14) and "finally" in source and found:
        with pytest.raises(SyntaxError, match="finally"):
            list(found_in(source))
        return
    seen = list(found_in(source))
    assert len(seen) == len(found)
    for has, begin in zip(seen, found, strict=True):
        assert has.startswith(begin)


def test_what_the_compiler_warns_of_is_found() -> None:
    with pytest.raises((SyntaxError, SyntaxWarning, DeprecationWarning), match="escape"):
        list(found_in(r"'\d'"))
