"""Which of many patterns a path belongs to: a tree of segments, with dicts for the simple ones.

1. The order of registration never matters. The order is that of `Kind`, segment by segment.
2. This file knows neither methods nor hosts nor handlers. An endpoint is anything with `where`.
3. A pattern that could never be told from an earlier one is refused when it is added.

Cost: a static pattern is one dict lookup, however many there are, and one whose only parameter is
its last segment is another. The others are found by a walk down the tree, which goes back only
where a segment leaves a choice. A node is reached in one way only and lies at one depth, so a walk
visits each node at most once, and never more nodes than the tree has, whatever the path is. The
road not taken, one large regular expression, tries its alternatives one after the other, in the
order of registration.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Iterator
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

from anylane.errors import RouteError
from anylane.routing.patterns.converters import Kind, Reader, Values
from anylane.routing.patterns.pattern import Pattern
from anylane.routing.patterns.pattern_syntax import Parameter, Segment, decode_segment


class _Located(Protocol):
    @property
    def where(self) -> str:
        """Where the handler is, for messages: "module.function (file:line)"."""
        ...


T = TypeVar("T", bound=_Located)

_Last: TypeAlias = tuple[str, Reader, T]
"""A parameter that ends a path: its name, what reads it, and the endpoint of its pattern."""


class _Leaf(Generic[T]):
    """The end of a pattern. The names belong here: `/x/{a}/1` and `/x/{b}/2` share their nodes."""

    __slots__ = ("endpoint", "pattern")

    def __init__(self, pattern: Pattern, endpoint: T) -> None:
        self.pattern = pattern
        self.endpoint = endpoint


class _Edge(Generic[T]):
    """The way to a node through a segment that takes parameters."""

    __slots__ = ("node", "origin", "read", "segment", "takes_rest")

    def __init__(self, segment: Segment, origin: _Leaf[T]) -> None:
        self.segment = segment
        self.read = segment.read
        self.takes_rest = segment.takes_rest
        self.origin = origin
        self.node = _Node[T]()

    def __lt__(self, other: _Edge[T]) -> bool:
        return _rank(self.segment) > _rank(other.segment)


class _Node(Generic[T]):
    """A position in a path, and what may follow it."""

    __slots__ = ("edges", "leaf", "static")

    def __init__(self) -> None:
        self.static: dict[str, _Node[T]] = {}
        self.edges: list[_Edge[T]] = []
        """Least specific first, as they go on the stack of `find_all`."""
        self.leaf: _Leaf[T] | None = None

    def child(self, segment: Segment) -> _Node[T] | None:
        """Return the node behind *segment*, or None if there is none yet."""
        if segment.kind is Kind.STATIC:
            return self.static.get(segment.text)
        for edge in self.edges:
            if _rank(edge.segment) == _rank(segment) and edge.segment.text == segment.text:
                return edge.node
        return None

    def grow(self, segment: Segment, origin: _Leaf[T]) -> _Node[T]:
        """Add a node behind *segment*, and return it."""
        if segment.kind is Kind.STATIC:
            return self.static.setdefault(segment.text, _Node())
        edge = _Edge(segment, origin)
        insort(self.edges, edge)
        return edge.node

    def last(self) -> tuple[_Last[T], ...]:
        """Return what may end a path here, the most specific first; nothing if one of these mixes
        text and parameters."""
        leaves = [leaf for edge in reversed(self.edges) if (leaf := edge.node.leaf) is not None]
        lasts: list[_Last[T]] = []
        for leaf in leaves:
            part, *more = leaf.pattern.segments[-1].parts
            if more or not isinstance(part, Parameter):
                return ()
            lasts.append((part.name, part.converter.read, leaf.endpoint))
        return tuple(lasts)


class Matcher(Generic[T]):
    """Patterns with an endpoint each. `add` them, then `find` the endpoint of a path."""

    __slots__ = ("_last", "_root", "static")

    def __init__(self) -> None:
        self.static: dict[str, T] = {}
        """The endpoints of patterns without parameters, by path; a path without '%' is its own
        key. For reading only."""
        self._last: dict[str, tuple[_Last[T], ...]] = {}
        """By what comes before the last segment of a path: what that may be, the most specific
        first."""
        self._root: _Node[T] = _Node()

    def add(self, pattern: Pattern, endpoint: T) -> T:
        """Store *endpoint* under *pattern*, and return the endpoint that is stored there now.

        That is this one, or the one that came earlier with the same pattern; the caller then merges
        this one into it. Raises RouteError, and changes nothing, if the pattern differs from an
        earlier one in the names of its parameters only, or has another regular expression at the
        same place.
        """
        if pattern.is_static:
            return self.static.setdefault(
                _static_key(segment.text for segment in pattern.segments), endpoint
            )
        self._check(pattern, endpoint)
        leaf = _Leaf(pattern, endpoint)
        node = above = self._root
        for segment in pattern.segments:
            above, node = node, node.child(segment) or node.grow(segment, leaf)
        if node.leaf is None:
            node.leaf = leaf
            *before, _ = pattern.segments
            if all(segment.kind is Kind.STATIC for segment in before):
                self._last[_static_key(segment.text for segment in before)] = above.last()
        return node.leaf.endpoint

    def find(self, path: str) -> tuple[T, dict[str, Any]] | None:
        """Return the endpoint of the most specific pattern that matches, with its parameters.

        None if no pattern matches. *path* is the raw, percent-encoded path of the request. A path
        that does not start with '/', or has a segment that is not percent-encoded UTF-8, matches
        nothing.
        """
        endpoint = self.static.get(path)
        if endpoint is not None:
            return endpoint, {}
        return next(self.find_all(path), None)

    def find_only(self, path: str) -> tuple[T, dict[str, Any]] | None:
        """Return the endpoint of the pattern that comes first, with its parameters, where that can
        be told without going back.

        None if some segment of the path leaves a choice, or if nothing matches: ask `find_all`
        then. A static pattern is not looked for: it would come first. Hot path: most routes with
        parameters are found here, in a third of the time if the last segment is the only one, and
        in two thirds else.
        """
        prefix, slash, last = path.rpartition("/")
        if not slash or "%" in path:
            return None
        ends = self._last.get(prefix)
        if ends is not None:  # Nothing else is as specific as static segments up to the last one.
            for name, read, endpoint in ends:
                value = read(last)
                if value is not None:
                    return endpoint, {name: value}
            return None
        if path[0] != "/":
            return None
        node = self._root
        values: Values = ()
        for segment in path[1:].split("/"):
            child = node.static.get(segment)
            if child is not None:
                if node.edges:
                    return None
                node = child
                continue
            if len(node.edges) != 1:
                return None
            edge = node.edges[0]
            if edge.takes_rest or (taken := edge.read(segment)) is None:
                return None
            values += taken
            node = edge.node
        leaf = node.leaf
        if leaf is None:
            return None
        return leaf.endpoint, dict(zip(leaf.pattern.names, values, strict=True))

    def find_all(self, path: str) -> Iterator[tuple[T, dict[str, Any]]]:
        """Yield all endpoints whose pattern matches with their parameters, most specific first."""
        if not path.startswith("/"):
            return
        segments = path[1:].split("/")
        if "%" in path:
            decoded = [text for raw in segments if (text := decode_segment(raw)) is not None]
            if len(decoded) < len(segments):
                return
            segments = decoded
            path = _static_key(segments)
        if (endpoint := self.static.get(path)) is not None:
            yield endpoint, {}

        # Hot path, 2 us for two segments with 1 route and with 10,000 (CPython 3.13): one stack
        # instead of recursion, and tuples of values that all branches below share.
        end = len(segments)
        pending: list[tuple[_Node[T], int, Values]] = [(self._root, 0, ())]
        while pending:
            node, depth, values = pending.pop()
            if depth == end:
                if (leaf := node.leaf) is not None:
                    yield leaf.endpoint, dict(zip(leaf.pattern.names, values, strict=True))
                continue
            segment = segments[depth]
            for edge in node.edges:
                if edge.takes_rest:
                    taken = edge.read("/".join(segments[depth:]))
                    if taken is not None:
                        pending.append((edge.node, end, values + taken))
                elif (taken := edge.read(segment)) is not None:
                    pending.append((edge.node, depth + 1, values + taken))
            if (child := node.static.get(segment)) is not None:
                pending.append((child, depth + 1, values))

    def _check(self, pattern: Pattern, endpoint: T) -> None:
        """Raise RouteError if the pattern could not be told from an earlier one."""
        node: _Node[T] | None = self._root
        for segment in pattern.segments:
            if node is None:
                return
            if segment.kind is Kind.REGEX:
                _check_regex(segment, node.edges, pattern, endpoint.where)
            node = node.child(segment)
        if node is None or node.leaf is None or node.leaf.pattern.names == pattern.names:
            return
        raise RouteError(
            f"{_placed(pattern, endpoint.where)} matches the same paths as "
            f"{_placed(node.leaf.pattern, node.leaf.endpoint.where)}; "
            f"give their parameters the same names, or tell them apart with text or a converter"
        )


def _check_regex(segment: Segment, edges: list[_Edge[T]], pattern: Pattern, where: str) -> None:
    """Raise RouteError if an edge has another regular expression at the same place."""
    for edge in edges:
        if edge.segment.kind is Kind.REGEX and edge.segment.text != segment.text:
            rival = edge.origin
            raise RouteError(
                f"{_placed(pattern, where)} has another regular expression at the same place as "
                f"{_placed(rival.pattern, rival.endpoint.where)}, so that their order is not "
                f"defined; make it one expression, or put a static segment before it"
            )


def _placed(pattern: Pattern, where: str) -> str:
    return f"{pattern.text!r} of {where}"


def _rank(segment: Segment) -> tuple[Kind, bool]:
    """Return what orders the edges of a node."""
    return segment.kind, segment.takes_rest


def _static_key(segments: Iterable[str]) -> str:
    """Return the path of decoded segments, with nothing encoded but what would be ambiguous."""
    return "".join("/" + text.replace("%", "%25").replace("/", "%2F") for text in segments)
