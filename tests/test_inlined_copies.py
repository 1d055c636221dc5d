"""A function that is written out by hand elsewhere, because a call costs too much, and its copies.

A row names an original, a copy and what both do: which attributes they set, which methods they call
and which attributes their conditions ask. An original that does more or less than its row says
fails here, and so does a copy that does less. Then look at both; then at the row.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = [*sorted((ROOT / "core").rglob("*.py")), *sorted((ROOT / "backends").rglob("*.py"))]

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Copy:
    """What an original and its copy have in common.

    of: the name in the copy of what is `self` in the original; "" where they are compared by the
    names that they mention. both: what both do. left: what only the original does, and why.
    """

    original: str
    copy: str
    of: str
    both: frozenset[str]
    left: frozenset[str] = frozenset()
    why: str = ""


def does(*what: str) -> frozenset[str]:
    return frozenset(what)


SET = does("at[] =", "bound =", "ask bound")
SENT = does("ask closing", "queued =")
MADE = does("driver =", "exchange =", "parked =", "flushing =", "burst =")
FORGOTTEN = does("finished =", "on_interrupt =", "on_gone =", "buffered =")

COPIES = (
    Copy(
        "Headers.put",
        "Headers.set",
        "self",
        does("ask frozen", "_touch()", "ask _names", "_replace()")
        | does("_names.add()", "lines.append()"),
    ),
    Copy("Timers.set", "Http1._request", "timers", SET),
    Copy("Timers.set", "Http1.conclude", "timers", SET),
    Copy("Timers.clear", "Http1._request", "timers", does("at[] =")),
    Copy("Timers.clear", "Http1.conclude", "timers", does("at[] =")),
    Copy("Outgoing.send", "Http1.conclude", "conn", SENT | {"out.append()"}),
    Copy(
        "Outgoing.send",
        "WebSocketProtocol.send",
        "conn",
        SENT,
        does("out.append()"),
        "the writer of frames appends",
    ),
    Copy(
        "Express.read",
        "Reader.receive_data",
        "express",
        does("ask block"),
        does("ask found", "_heads.find()", "block =", "found ="),
        "only the first question is copied: where it fails, the original is called",
    ),
    Copy(
        "Dates.at",
        "Http1.conclude",
        "dates",
        does("ask until"),
        does("latest()", "until ="),
        "only the question is copied: where it fails, the original is called",
    ),
    Copy(
        "Http1.finish",
        "Http1.conclude",
        "self",
        does("_asked_once()", "_conn.close()", "_exchange =", "ask _conn.closing"),
        does("_await_body()", "_close()", "_conn.timers.clear()", "_discarded =", "_end_events()",
             "_next()", "_paused =", "_read()", "_write()"),
        "a plain response has no stream and no body to drop, and its next states are known",
    ),
    Copy(
        "Exchange.finish",
        "Exchange.conclude",
        "self",
        FORGOTTEN | {"_chunks.clear()", "ask _chunks", "ask finished"},
        does("_stream.finish()", "ask raw", "ask websocket", "raw.finish()", "websocket.finish()"),
        "`Stream.conclude` has ended the exchange, and a session has no plain response",
    ),
    Copy(
        "Exchange.send_head",
        "Exchange.conclude",
        "self",
        does("_must_be_mine()", "ask started", "status ="),
        does("_stream.send_head()"),
        "`Stream.conclude` sends it",
    ),
    Copy(
        "Exchange.send_data",
        "Exchange.conclude",
        "self",
        does("_must_be_mine()", "ask finished", "sent ="),
        does("_stream.send_data()"),
        "`Stream.conclude` sends it",
    ),
    Copy(
        "WebSocketProtocol.poll",
        "WebSocketProtocol.take",
        "self",
        does("_taken =", "_messages.popleft()", "_owing =", "ask _full", "ask _messages"),
        does("_answer_close()", "_full =", "_unpause()", "ask _limits.inbound_low", "ask phase"),
        "what depends on the time is left to the original",
    ),
    Copy(
        "WebSocketProtocol.poll",
        "WebSocketProtocol.is_quiet",
        "self",
        does("_owing =", "ask _messages", "ask phase"),
        does("_answer_close()", "_full =", "_messages.popleft()", "_taken =", "_unpause()",
             "ask _full", "ask _limits.inbound_low"),
        "it is true only where there is no message, and no close frame to answer",
    ),
    Copy(
        "Response.__init__",
        "Response.whole",
        "new",
        does("_body =", "_cookies =", "_headers =", "_kind =", "_status =", "_trailers =",
             "closes =", "items =", "sent ="),
        does("_hold()", "headers.set()", "set_body()", "set_text()"),
        "nothing has to be checked",
    ),
    Copy(
        "Response.set_text",
        "put_routed",
        "",
        does("set_body", "TEXT"),
        does("_encoded"),
        "the type was checked before",
    ),
    Copy("Response.set_json", "put_routed", "", does("set_body", "json", "dumps", "JSON")),
    Copy(
        "Exchange.begin",
        "NativeCancel.begin",
        "exchange",
        does("on_interrupt =", "ask interrupt"),
    ),
    Copy(
        "Outgoing.send",
        "EventStreamProtocol.put",
        "carrier",
        SENT,
        does("out.append()"),
        "what is framed already has chunks",
    ),
    Copy(
        "Exchange.send_data",
        "EventStreamProtocol.put",
        "exchange",
        does("ask finished", "sent ="),
        does("_must_be_mine()", "_stream.send_data()"),
        "the original is called where the exchange has ended",
    ),
    Copy(
        "Subscription.poll",
        "Position.poll_all",
        "self",
        does("_next =", "_room._at[] =", "_room._changing =", "_room._make_later()",
             "_room._trim()", "ask _rest", "ask _room._at", "ask _room._changing",
             "ask _room._later"),
        does("_catch_up()", "_changes_hands()", "_rest.popleft()", "_room._waiters.expect()",
             "ask _link", "ask _room._items"),
        "whatever is not an item is left to the original",
    ),
    Copy("Link.__init__", "AsyncioLink.__init__", "self", MADE),
    Copy("Link.__init__", "RunnerLink.__init__", "self", MADE),
    Copy(
        "ReadinessLink.__init__",
        "RunnerLink.__init__",
        "self",
        does("_latched =", "_news =", "lane ="),
    ),
    Copy(
        "Link.wait",
        "AsyncioLink.wait",
        "self",
        does("driver.pump()", "parked ="),
        does("park()"),
        "parking is copied, too: it is the lane's own",
    ),
    Copy(
        "Driver.receive",
        "AsyncioDriver.data_received",
        "self",
        does("connection.receive_data()", "now()", "pump()"),
    ),
    Copy("Driver.started", "AsyncioDriver.start", "self", does("links.append()")),
    Copy(
        "Driver.finished",
        "AsyncioDriver.start",
        "self",
        does("ask lost", "connection.forget()", "links.remove()"),
        does("_again =", "_errands.end()", "_forget_when_over()", "ask _errands", "ask links",
             "ask pumping", "now()", "pump()"),
        "the pump that has called `start` looks at the rest, and an errand is the original's",
    ),
)  # fmt: skip


@cache
def functions() -> dict[str, tuple[Function, str]]:
    """Every function by its name, with its class in front if it has one; and its source."""
    found: dict[str, tuple[Function, str]] = {}
    for file in SOURCES:
        found |= functions_of(file.read_text(encoding="utf-8"))
    return found


def functions_of(source: str) -> dict[str, tuple[Function, str]]:
    tree, lines = ast.parse(source), source.splitlines()
    places: list[tuple[str, ast.AST]] = [("", tree)]
    places += [(f"{each.name}.", each) for each in ast.walk(tree) if isinstance(each, ast.ClassDef)]
    return {
        prefix + each.name: (each, "\n".join(lines[each.lineno - 1 : each.end_lineno]))
        for prefix, place in places
        for each in ast.iter_child_nodes(place)
        if isinstance(each, Function)
    }


def effects(function: Function, of: str) -> set[str]:
    """What the function does to `of`: "name =", "name()" and, in a condition, "ask name".

    Local names for parts of it are followed: `links = self.links` before `links.remove(link)`.
    """
    names = {of: ""}

    def path(node: ast.AST) -> str | None:
        if isinstance(node, ast.Name):
            return names.get(node.id)
        if isinstance(node, ast.Attribute) and (before := path(node.value)) is not None:
            return f"{before}.{node.attr}" if before else node.attr
        return None

    for node in ast.walk(function):
        for target, value in assigned(node):
            if isinstance(target, ast.Name) and isinstance(value, ast.Attribute):
                name = path(value)
                if name:
                    names[target.id] = name
    found: set[str] = set()
    for node in ast.walk(function):
        match node:
            case ast.Attribute(ctx=ast.Store() | ast.Del()) if name := path(node):
                found.add(f"{name} =")
            case ast.Subscript(ctx=ast.Store() | ast.Del()) if name := path(node.value):
                found.add(f"{name}[] =")
            case ast.Call(func=ast.Attribute() as func) if name := path(func):
                found.add(f"{name}()")
            case ast.If(test=test) | ast.IfExp(test=test) | ast.While(test=test):
                found |= {f"ask {name}" for each in asked(test) if (name := path(each))}
            case _:
                pass
    return found


def assigned(node: ast.AST) -> Iterator[tuple[ast.expr, ast.expr]]:
    if isinstance(node, ast.Assign):
        for target in node.targets:
            if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                yield from zip(target.elts, node.value.elts, strict=True)
            else:
                yield target, node.value


def asked(node: ast.AST) -> Iterator[ast.AST]:
    """The names and attributes in a condition; of `a.b.c` the whole, of `a.b()` nothing."""
    match node:
        case ast.Attribute() | ast.Name():
            yield node
        case ast.Call(func=func, args=args):
            for part in args if isinstance(func, ast.Attribute) else [func, *args]:
                yield from asked(part)
        case _:
            for child in ast.iter_child_nodes(node):
                yield from asked(child)


def mentions(function: Function) -> set[str]:
    """The names in it that are not its own."""
    own = {each.arg for each in ast.walk(function.args) if isinstance(each, ast.arg)}
    found: set[str] = set()
    for statement in function.body:
        for node in ast.walk(statement):
            if isinstance(node, ast.Attribute):
                found.add(node.attr)
            elif isinstance(node, ast.Name):
                found.add(node.id)
    return found - own


def rows() -> list[str]:
    return [f"{row.copy}, as {row.original}" for row in COPIES]


def check(row: Copy, original: Function, copy: Function) -> None:
    in_original = effects(original, "self") if row.of else mentions(original)
    in_copy = effects(copy, row.of) if row.of else mentions(copy)
    assert in_original == row.both | row.left, f"{row.original} has changed: see {row.copy}"
    assert row.both <= in_copy, f"{row.copy} does less than {row.original}"
    assert bool(row.left) is bool(row.why)


@pytest.mark.parametrize("row", COPIES, ids=rows())
def test_a_copy_does_what_its_original_does(row: Copy) -> None:
    check(row, functions()[row.original][0], functions()[row.copy][0])


@pytest.mark.parametrize("row", COPIES, ids=rows())
def test_original_and_copy_name_each_other(row: Copy) -> None:
    assert row.copy in functions()[row.original][1]
    owner, _, name = row.original.rpartition(".")
    assert re.search(rf"\b{owner if name == '__init__' else name}\b", functions()[row.copy][1])


def test_every_comment_about_a_copy_has_a_row() -> None:
    copies = {row.copy for row in COPIES}
    for file in SOURCES:
        source = file.read_text(encoding="utf-8")
        inside = functions_of(source)
        lines = [
            token.start[0]
            for token in tokenize.generate_tokens(io.StringIO(source).readline)
            if token.type == tokenize.COMMENT
            and re.search(r"without (?:the|its) calls?\b", token.string)
        ]
        for line in lines:
            around = {
                name
                for name, (function, _) in inside.items()
                if function.lineno <= line <= (function.end_lineno or 0)
            }
            assert copies & around, f"{file}:{line} names a copy that has no row"


@pytest.mark.parametrize(
    ("original", "copy", "holds"),
    [
        ("self.a = 1; self.b.append(2)", "b = x.b; x.a, y = 3, 4; b.append(5); x.c = 6", True),
        ("self.a = 1; self.b.append(2); self.c = 3", "x.a = 1; x.b.append(2); x.c = 3", False),
        ("self.a = 1", "x.a = 1; x.b.append(2)", False),
        ("self.a = 1; self.b.append(2)", "x.a = 1", False),
        ("self.a = 1; self.b.append(2)", "y.a = 1; x.b.append(2)", False),
    ],
    ids=["same", "original does more", "original does less", "copy does less", "to another"],
)
def test_what_differs_is_seen(original: str, copy: str, holds: bool) -> None:
    row = Copy("A.a", "B.b", "x", does("a =", "b.append()"))
    both = [ast.parse(f"def f(self, x, y): {body}").body[0] for body in (original, copy)]
    assert isinstance(both[0], Function) and isinstance(both[1], Function)
    if holds:
        check(row, both[0], both[1])
    else:
        with pytest.raises(AssertionError):
            check(row, both[0], both[1])


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("self.a += 1", {"a ="}),
        ("del self.a[0]", {"a[] ="}),
        ("self.a()", {"a()"}),
        ("self.a.b(self.c)", {"a.b()"}),
        ("x = 1 if self.a.b is None else 2", {"ask a.b"}),
        ("a = self.a\n if a and self.b(): pass", {"ask a", "b()"}),
        ("while not self.a: x.b()", {"ask a"}),
    ],
)
def test_what_a_function_does_is_found(body: str, found: set[str]) -> None:
    function = ast.parse(f"def f(self, x):\n {body}").body[0]
    assert isinstance(function, Function)
    assert effects(function, "self") == found
