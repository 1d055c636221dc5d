"""Interpreter: another Python interpreter of this process, with a lock of its own (PEP 684, 734).

Python 3.14 has a public module for them. 3.12 and 3.13 have the private one below it, whose few
functions are called here and nowhere else.
"""

from __future__ import annotations

import platform
import sys
from importlib import import_module
from typing import Any

from anylane.errors import AnylaneError
from anylane.shown import spoken


class InterpretersError(AnylaneError):
    """This Python has no interpreters that could be used. The message says what to do."""


class InterpreterFailed(AnylaneError):
    """What ran in an interpreter has raised. The message is what the interpreter told of it."""


def check_interpreters() -> None:
    """Raise InterpretersError if this Python has no isolated interpreters."""
    try:
        _module()
    except ImportError:
        raise InterpretersError(
            f"worker_kind interpreter needs Python 3.12 or later, built as CPython has it; this is "
            f"{platform.python_implementation()} {platform.python_version()}: use such a Python, "
            "or worker_kind process"
        ) from None


def is_refused(error: BaseException | None) -> bool:
    """Return whether this was raised because an extension module is not made for several
    interpreters. CPython and PyO3 say so in words, which our own errors repeat."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:  # Causes can be made to go in a circle.
        if isinstance(error, ImportError | AnylaneError) and "subinterpreter" in spoken(error):
            return True
        seen.add(id(error))
        error = error.__cause__
    return False


class Interpreter:
    """An isolated interpreter: it shares no object with others, and starts no daemon threads.

    Make it, `run` it and `close` it on one thread, which the interpreter takes for its main one.
    Making and closing it raise what Python's own module raises, an Exception of no fixed kind.
    """

    def __init__(self) -> None:
        self._module = _module()
        self._own: Any = self._module.create()  # Isolated, unless it is told otherwise.

    def run(self, code: str) -> None:
        """Run the source to its end, on this thread. Raise InterpreterFailed for what it raises."""
        if sys.version_info >= (3, 14):
            try:
                self._own.exec(code)
            except self._module.ExecutionFailed as exc:
                raise InterpreterFailed(str(exc)) from None
        elif sys.version_info >= (3, 13):
            if (failed := self._module.exec(self._own, code)) is not None:
                raise InterpreterFailed(failed.formatted)
        else:
            try:
                self._module.run_string(self._own, code)
            except self._module.RunFailedError as exc:
                raise InterpreterFailed(str(exc)) from None

    def close(self) -> None:
        """End it. This waits for the threads that it has started."""
        if sys.version_info >= (3, 14):
            self._own.close()
        else:
            self._module.destroy(self._own)


def _module() -> Any:
    """Return the module that makes interpreters. Raise ImportError where there is none."""
    if sys.version_info >= (3, 14):
        return import_module("concurrent.interpreters")
    if sys.version_info >= (3, 13):
        return import_module("_interpreters")
    if sys.version_info >= (3, 12):
        return import_module("_xxsubinterpreters")
    # 3.11 has the module, too, but one lock for all interpreters: they would run in turn.
    raise ImportError("interpreters have a lock of their own since Python 3.12")
