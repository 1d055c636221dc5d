"""Codings: which of the files that were compressed in advance a client gets.

Pure: it reads the value of an Accept-Encoding field (RFC 9110 §12.5.3).
"""

from __future__ import annotations

from collections.abc import Iterable

from anylane.http.parameters import split_list, split_parameters

ENDINGS = {"br": ".br", "zstd": ".zst", "gzip": ".gz"}
"""The codings and the endings of their files, the ones that compress best first."""


def acceptable(lines: Iterable[str]) -> list[str]:
    """Return those of our codings that a client would rather have than none, the best first.

    lines: all Accept-Encoding fields. The higher weight wins, and of equal ones our own order. A
    client that says nothing gets the file as it is, and so does one that wants that most.
    """
    weights: dict[str, float] = {}
    for element in split_list(", ".join(lines)):
        name, parameters = split_parameters(element)
        weights.setdefault(_NAMES.get(name.lower(), name.lower()), _weight(parameters.get("q")))
    anything = weights.get("*", 0.0)
    # Identity is acceptable unless it is excluded, and then as a last resort.
    plain = weights.get("identity", 0.0)
    ranked = [(weights.get(name, anything), name) for name in ENDINGS]
    chosen = [each for each in ranked if each[0] > 0 and each[0] >= plain]
    return [name for _, name in sorted(chosen, key=lambda each: -each[0])]


_NAMES = {"x-gzip": "gzip"}
"""Another name of gzip (RFC 9110 §8.4.1.3)."""


def _weight(text: str | None) -> float:
    if text is None:
        return 1.0
    try:
        weight = float(text)
    except ValueError:
        return 0.0
    return weight if 0.0 <= weight <= 1.0 else 0.0
