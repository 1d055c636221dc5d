"""Vary: what an answer depends on, for caches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anylane.http.parameters import split_list

if TYPE_CHECKING:
    from anylane.http.response import Response


def add_vary(response: Response, name: str) -> None:
    """Add a request header to Vary (RFC 9110 §12.5.5), unless it or `*` is there already."""
    values = response.headers.get_all("vary")
    named = {each.lower() for value in values for each in split_list(value)}
    if name.lower() not in named and "*" not in named:
        response.set_header("vary", ", ".join([*values, name]))
