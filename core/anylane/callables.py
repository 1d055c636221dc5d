"""Callables that users register: what they are called in messages, and how they are called."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

Call = tuple[Callable[..., Any], bool]
"""A function, and whether what it returns is to be awaited."""


def call_of(func: Callable[..., Any]) -> Call:
    return func, is_coroutine_function(func)


def calls_of(funcs: Iterable[Callable[..., Any]]) -> tuple[Call, ...]:
    return tuple(call_of(func) for func in funcs)


async def run_call(call: Call, *args: Any) -> Any:
    """Call it, and await what it returns where that is needed. A `def` is called right here, so
    it must not block."""
    func, is_async = call
    result = func(*args)
    if is_async or (result is not None and hasattr(result, "__await__")):
        return await result
    return result


def accepted_positionals(func: Callable[..., Any], most: int) -> int:
    """How many positional arguments it can be given, at most `most`."""
    try:
        parameters = inspect.signature(func).parameters.values()
    except (TypeError, ValueError):  # A builtin without a signature.
        return most
    if any(each.kind is each.VAR_POSITIONAL for each in parameters):
        return most
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return min(most, sum(each.kind in positional for each in parameters))


def signature_problem(func: Callable[..., Any], *forms: str) -> str:
    """What is wrong with a function's parameters, for a message; empty if it can be called in one
    of the *forms*, such as "(ctx, exc)"."""
    try:
        # Of what is called: a decorator may have more to give to what it wraps.
        signature = inspect.signature(func, follow_wrapped=False)
    except (TypeError, ValueError):  # A builtin without one.
        return ""
    for form in forms:
        try:
            signature.bind(*form.strip("()").replace(",", " ").split())
        except TypeError:
            continue
        return ""
    return f"takes {signature}; write {' or '.join(forms)}"


def location(function: Callable[..., Any]) -> str:
    """'module.function (file:line)', for messages."""
    found = _function(function)
    name = f"{getattr(found, '__module__', '?')}.{getattr(found, '__qualname__', repr(found))}"
    code = getattr(found, "__code__", None)
    return name if code is None else f"{name} ({code.co_filename}:{code.co_firstlineno})"


def called(function: Callable[..., Any]) -> Callable[..., Any]:
    """What runs when *function* is called: `__call__` for an object."""
    while isinstance(function, partial):
        function = function.func
    if inspect.isroutine(function) or inspect.isclass(function):
        return function
    called: Callable[..., Any] = type(function).__call__
    return called


def _function(function: Callable[..., Any]) -> Callable[..., Any]:
    """What the user wrote, below partials and decorators."""
    found: Callable[..., Any] = inspect.unwrap(called(inspect.unwrap(function)))
    return found


def name_of(function: Callable[..., Any]) -> str:
    name: str = getattr(_function(function), "__name__", "__call__")
    if name != "__call__":
        return name
    return type(getattr(function, "__self__", function)).__name__


def is_coroutine_function(function: Callable[..., Any]) -> bool:
    """Also for partials, and for objects with `async def __call__`."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(called(function))
