"""What the pipeline finds out about middleware before the first request."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from anylane import STOP
from anylane.handling.pipeline import returns_none


async def falls_through(ctx: Any, call_next: Any) -> None:
    await call_next()


async def returns_early(ctx: Any, call_next: Any) -> None:
    if ctx:
        return
    try:
        await call_next()
    finally:
        ctx.done = True


async def raises(ctx: Any, call_next: Any) -> None:
    raise ValueError


async def gives_text(ctx: Any, call_next: Any) -> Any:
    if ctx:
        return "text"
    await call_next()
    return None


async def gives_what_comes(ctx: Any, call_next: Any) -> Any:
    return await call_next()


async def gives_either(ctx: Any, call_next: Any) -> Any:
    return None if ctx else STOP


async def gives_false(ctx: Any, call_next: Any) -> Any:
    return False


async def gives_what_is_true(ctx: Any, call_next: Any) -> Any:
    return ctx or None


async def gives_what_is_not(ctx: Any, call_next: Any) -> Any:
    return ctx and None


class Instance:
    async def __call__(self, ctx: Any, call_next: Any) -> None:
        await call_next()


@pytest.mark.parametrize("func", [falls_through, returns_early, raises])
def test_code_without_a_value_to_return_is_seen(func):
    assert returns_none(func)


@pytest.mark.parametrize(
    "func",
    [gives_text, gives_what_comes, gives_either, gives_false, gives_what_is_true,
     gives_what_is_not, Instance(), functools.partial(falls_through)],
)  # fmt: skip
def test_whatever_may_return_one_is_not_taken_for_it(func):
    assert not returns_none(func)
