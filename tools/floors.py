"""Floors: the lowest supported version of each library that users install, why, and its licence.

`[tool.anylane.floors]` in pyproject.toml says so; the requirements beside it have the versions.
Nothing is looked up anywhere but in pyproject.toml and in the metadata of what is installed.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageMetadata, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

ALLOWED: frozenset[str] = frozenset(PROJECT["tool"]["anylane"]["allowed-licences"])
"""What may be among the licences of all that `pip install anylane[all]` brings."""

_ALIASES = {
    "Apache 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "Apache Software License 2.0": "Apache-2.0",
    "BSD": "BSD-3-Clause",
    "BSD License": "BSD-3-Clause",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
"""What metadata older than SPDX expressions (PEP 639) calls them."""


@dataclass(frozen=True, kw_only=True)
class Floor:
    """A library, as pyproject.toml has it."""

    name: str
    extras: tuple[str, ...]
    """Those that bring it; none for what is always there."""
    lowest: str
    is_only: bool
    """Whether no other version is supported."""
    below: str
    """The first version that is not supported again, or nothing."""
    marker: str
    licence: str
    reason: str


def requirements(project: Any = PROJECT) -> Iterator[tuple[str, Requirement]]:
    """Yield each requirement of users, with the extra that has it, or nothing. Those of the
    conformance suite and of Autobahn are left out, and so is what an extra takes from others."""
    for text in project["project"]["dependencies"]:
        yield "", Requirement(text)
    for extra, texts in project["project"]["optional-dependencies"].items():
        if extra not in ("all", "conformance", "autobahn"):
            for text in texts:
                yield extra, Requirement(text)


def floors(project: Any = PROJECT) -> list[Floor]:
    """Return all of them, in the order of pyproject.toml.

    Raise ValueError for a requirement without a lowest version or without a reason, for two lowest
    versions of one library, and for a reason without a requirement.
    """
    said: dict[str, list[str]] = dict(project["tool"]["anylane"]["floors"])
    found: dict[str, Floor] = {}
    for extra, each in requirements(project):
        bounds = {bound.operator: bound.version for bound in each.specifier}
        lowest = bounds.get(">=") or bounds.get("==")
        if lowest is None:
            raise ValueError(f"{each} has no lowest version; write {each.name}>=1.2")
        if each.name not in said:
            raise ValueError(f"[tool.anylane.floors] does not say why {each.name} is >={lowest}")
        known = found.get(each.name)
        if known is not None and known.lowest != lowest:
            raise ValueError(
                f"{each.name} is >={known.lowest} in one place and >={lowest} in another"
            )
        licence, reason = said[each.name]
        found[each.name] = Floor(
            name=each.name,
            extras=(*(known.extras if known else ()), *((extra,) if extra else ())),
            lowest=lowest,
            is_only=">=" not in bounds,
            below=bounds.get("<", ""),
            marker="" if each.marker is None else str(each.marker),
            licence=licence,
            reason=reason,
        )
    if unused := said.keys() - found.keys():
        raise ValueError(f"[tool.anylane.floors] has {', '.join(unused)}, which nothing requires")
    return [*found.values()]


def families(expression: str) -> frozenset[str]:
    """Return the licences in an SPDX expression, or in what stands for one."""
    parts = re.split(r"\s+(?:AND|OR)\s+", expression.replace("(", " ").replace(")", " ").strip())
    return frozenset(_ALIASES.get(each.strip(), each.strip()) for each in parts)


def licences_of(metadata: PackageMetadata) -> frozenset[str]:
    """Return the licences that the metadata of a distribution names; none if it names none."""
    found: dict[str, Any] = metadata.json
    if expression := found.get("license_expression"):
        return families(expression)
    classifiers: list[str] = [
        each.rpartition(" :: ")[2]
        for each in found.get("classifier", ())
        if each.startswith("License :: ")
    ]
    if classifiers:
        return frozenset(_ALIASES.get(each, each) for each in classifiers)
    # Some have the whole text there.
    text: str = found.get("license", "").partition("\n")[0]
    return families(text) if text else frozenset()


def brought(wanted: Iterable[Requirement]) -> dict[str, PackageMetadata]:
    """Return the metadata of all that requirements bring, by name, as far as it is installed."""
    found: dict[str, PackageMetadata] = {}
    left = [(each, frozenset({""})) for each in wanted]
    seen: set[tuple[str, frozenset[str]]] = set()
    while left:
        each, extras = left.pop()
        if each.marker is not None and not any(each.marker.evaluate({"extra": x}) for x in extras):
            continue
        own = frozenset({"", *each.extras})
        key = (canonicalize_name(each.name), own)
        if key in seen:
            continue
        seen.add(key)
        try:
            installed = distribution(each.name)
        except PackageNotFoundError:
            continue
        found[key[0]] = installed.metadata
        left += [(Requirement(text), own) for text in installed.requires or ()]
    return found
