"""Callables that users register: how they are called, and how messages name them.

This file knows neither routes nor hooks, and nothing here calls a function when it is registered.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable
from functools import _lru_cache_wrapper, partial
from typing import Any

from anylane.shown import shown

Call = tuple[Callable[..., Any], bool]
"""A function, and whether what it returns has to be awaited."""


def call_of(func: Callable[..., Any]) -> Call:
    """Return *func* as a `Call`."""
    return func, is_coroutine_function(func)


def calls_of(funcs: Iterable[Callable[..., Any]]) -> tuple[Call, ...]:
    """Return each of *funcs* as a `Call`, in order."""
    return tuple(call_of(func) for func in funcs)


async def run_call(call: Call, *args: Any) -> Any:
    """Call a function and return its result, awaited where that is needed.

    A `def` is called on this very thread, so it must not block.
    """
    func, is_async = call
    result = func(*args)
    if is_async or (result is not None and hasattr(result, "__await__")):
        return await result
    return result


def accepted_positionals(func: Callable[..., Any], limit: int) -> int:
    """Return how many positional arguments *func* accepts, but not more than *limit*.

    A function without a signature, such as some builtins, is taken to accept them all.
    """
    try:
        parameters = _signature(func).parameters.values()
    except (TypeError, ValueError):  # A builtin without a signature.
        return limit
    if any(each.kind is each.VAR_POSITIONAL for each in parameters):
        return limit
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return min(limit, sum(each.kind in positional for each in parameters))


def signature_problem(func: Callable[..., Any], *forms: str) -> str:
    """Return what is wrong with the parameters of *func*, as the end of a sentence.

    The result is empty if *func* can be called in one of the *forms*, such as "(ctx, exc)".
    """
    try:
        # The signature of what is called: a decorator may hand more to the function it wraps.
        signature = _signature(func, follow_wrapped=False)
    except (TypeError, ValueError):  # A builtin without a signature.
        return ""
    for form in forms:
        try:
            signature.bind(*form.strip("()").replace(",", " ").split())
        except TypeError:
            continue
        return ""
    return f"takes {signature}; write {' or '.join(forms)}"


def signature_of(func: Callable[..., Any]) -> inspect.Signature:
    """Return the signature by which a function is called with arguments by name.

    It is that of what is called, and not of what a decorator has wrapped, whose parameters may be
    others; but where the decorator passes on any names, they are those of what it wraps. Raise
    TypeError or ValueError for what has no signature that Python can read.
    """
    # What `functools.cache` makes has none of its own.
    signature = _signature(func, follow_wrapped=hasattr(func, "cache_info"))
    inner = getattr(func, "__wrapped__", None)
    if inner is not None and any(
        each.kind is each.VAR_KEYWORD for each in signature.parameters.values()
    ):
        return signature_of(inner)
    return signature


def _signature(func: Callable[..., Any], *, follow_wrapped: bool = True) -> inspect.Signature:
    if sys.version_info >= (3, 14):
        # Since then annotations are looked up when they are asked for (PEP 649), and may name what
        # only type checkers see.
        from annotationlib import Format

        return inspect.signature(
            func, follow_wrapped=follow_wrapped, annotation_format=Format.FORWARDREF
        )
    return inspect.signature(func, follow_wrapped=follow_wrapped)


def location(function: Callable[..., Any]) -> str:
    """Return "module.function (file:line)" of a function, for messages."""
    found = function_of(function)
    qualname = getattr(found, "__qualname__", None) or shown(found)
    name = f"{getattr(found, '__module__', '?')}.{qualname}"
    code = getattr(found, "__code__", None)
    return name if code is None else f"{name} ({code.co_filename}:{code.co_firstlineno})"


def called(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return what runs when *function* is called: for an object its `__call__`."""
    while isinstance(function, partial | _lru_cache_wrapper):
        function = function.func if isinstance(function, partial) else function.__wrapped__
    if inspect.isroutine(function) or inspect.isclass(function):
        return function
    called: Callable[..., Any] = type(function).__call__
    return called


def function_of(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function that the user wrote, without partials and decorators around it."""
    found: Callable[..., Any] = inspect.unwrap(called(inspect.unwrap(function)))
    return found


def name_of(function: Callable[..., Any]) -> str:
    """Return the short name of a function, or of the class of a callable object."""
    name: str = getattr(function_of(function), "__name__", "__call__")
    if name != "__call__":
        return name
    return type(getattr(function, "__self__", function)).__name__


def is_coroutine_function(function: Callable[..., Any]) -> bool:
    """Return whether calling *function* gives a coroutine.

    It sees through partials, and through objects with an `async def __call__`.
    """
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(called(function))
