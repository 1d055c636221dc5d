"""Prefixes: whose hooks a path belongs to where no route answers it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from anylane.routing.hooks import Hooks
from anylane.routing.mounted import Level, levels_of
from anylane.routing.patterns.converters import Kind
from anylane.routing.patterns.pattern import Pattern
from anylane.routing.patterns.pattern_syntax import Segment, decode_segment
from anylane.routing.route import Route


class _Below(NamedTuple):
    """The hooks of one router with a prefix."""

    segments: tuple[Segment, ...]
    """Those of the prefix."""
    level: Level
    """The hooks and the prefix."""
    apps: tuple[Level, ...]
    """The apps that it is a part of, outermost first."""


class Unrouted(NamedTuple):
    """What a request without a route has instead: the hooks of the routers that its path lies
    below, outermost first, and the methods that its path has."""

    hooks: tuple[Hooks, ...]
    allow: tuple[str, ...]


class Prefixes:
    """The routers with a prefix and the mounted apps, and their hooks."""

    __slots__ = ("_found", "_outermost")

    def __init__(self, outermost: Hooks, routes: Iterable[Route]) -> None:
        self._outermost = Level(outermost, "")
        self._found: list[_Below] = []
        seen: set[tuple[Level, tuple[Level, ...]]] = set()
        for route in routes:
            apps: tuple[Level, ...] = ()
            around = ""
            for level in levels_of(route):
                if level.hooks.app is not None:
                    apps = (*apps, level)
                # The hooks of a router without a prefix belong to its routes and to nothing else.
                if level.prefix != around and (level, apps) not in seen:
                    seen.add((level, apps))
                    self._found.append(_Below(Pattern.parse(level.prefix).segments, level, apps))
                around = level.prefix
        self._found.sort(key=lambda found: len(found.segments))  # The outermost come first.

    def above(self, path: str) -> tuple[Level, ...]:
        """Return the hooks of the routers that a path lies below, outermost first.

        Those of the mounted app with the longest prefix come last, and those of other ones that it
        is not in do not come at all.
        path: percent-encoded, as it came.
        """
        if not self._found:
            return (self._outermost,)
        parts = [decode_segment(part) for part in path.split("/")[1:]]
        found = [each for each in self._found if _begins(parts, each.segments)]
        inmost = max((each.apps for each in found), key=_depth, default=())
        found = [each for each in found if each.apps == inmost[: len(each.apps)]]
        found.sort(key=lambda each: len(each.apps))
        levels = [level for each in found for level in (*each.apps, each.level)]
        return tuple(dict.fromkeys((self._outermost, *levels)))


def _depth(apps: tuple[Level, ...]) -> tuple[int, int]:
    """Return how far inside the last of these apps is: the longest prefix first."""
    return (apps[-1].prefix.count("/") if apps else 0, len(apps))


def _begins(parts: list[str | None], segments: tuple[Segment, ...]) -> bool:
    return len(parts) >= len(segments) and all(map(_fits, parts, segments))


def _fits(part: str | None, segment: Segment) -> bool:
    if part is None or segment.kind is Kind.STATIC:
        return part == segment.text
    return segment.read(part) is not None
