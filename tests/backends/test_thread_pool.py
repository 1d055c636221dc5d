"""The pool where no thread can be started: functions run at once, on the thread that submits."""

from __future__ import annotations

from typing import Any

import pytest

from anylane import App
from anylane.testing import Lockstep
from anylane_backends import workers
from anylane_backends.thread_pool import Pool


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> Pool:
    def refuse(*_: Any) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(workers, "start_thread", refuse)
    return Pool(Lockstep(App()).world.server)


def test_a_function_runs_inline(pool: Pool) -> None:
    done: list[str] = []
    future = pool.submit(lambda: "result", lambda: done.append("done"))
    assert (future.result(0), done) == ("result", ["done"])


def test_what_it_raises_has_not_come_of_the_missing_thread(pool: Pool) -> None:
    """A traceback in the log shows its own exception, and no other one before it."""

    def fail() -> None:
        raise ValueError("its own")

    error = pool.submit(fail, lambda: None).exception(0)
    assert isinstance(error, ValueError)
    assert error.__context__ is None
