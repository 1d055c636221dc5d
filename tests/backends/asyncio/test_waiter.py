"""The asyncio lane's Waiter: what a task sees that waits for one, whatever wakes or cancels it.

With both loops, and with both of asyncio's tasks: the one in C, and the one in Python, which other
libraries derive from.
"""

from __future__ import annotations

import asyncio
import contextvars
import types
from collections.abc import Callable, Coroutine, Generator
from typing import Any

import pytest

from anylane_backends.asyncio.waiter import Waiter

LOOPS: list[Any] = [pytest.param(asyncio.new_event_loop, id="asyncio")]
try:
    import uvloop
except ImportError:
    pass
else:
    LOOPS.append(pytest.param(uvloop.new_event_loop, id="uvloop"))

PYTHON_TASK: Any = asyncio.tasks._PyTask  # type: ignore[attr-defined]

pytestmark = [
    pytest.mark.parametrize("new_loop", LOOPS),
    pytest.mark.parametrize("new_task", [asyncio.Task, PYTHON_TASK], ids=["C", "Python"]),
]

NewTask = Callable[..., asyncio.Task[Any]]
NewLoop = Callable[[], asyncio.AbstractEventLoop]
variable = contextvars.ContextVar("variable", default="nobody's")


@types.coroutine
def parked(waiter: Waiter) -> Generator[Waiter, None, None]:
    waiter._asyncio_future_blocking = True
    yield waiter


class Stage:
    """A task that waits, and what it has said so far; `call` runs outside of any task."""

    def __init__(self, new_task: NewTask, *, stubborn: bool = False) -> None:
        self.loop = asyncio.get_running_loop()
        self.waiter = Waiter(self.loop)
        self.said: list[str] = []
        self._stubborn = stubborn
        self.task = new_task(self._wait_twice(), loop=self.loop)

    async def _wait_twice(self) -> None:
        variable.set("the task's")
        for n in (1, 2):
            try:
                await parked(self.waiter)
            except asyncio.CancelledError as exc:
                self.said.append(f"cancelled {exc.args}")
                if not self._stubborn:
                    raise
            assert asyncio.current_task() is self.task
            self.said.append(f"{n} {variable.get()}")

    async def call(self, *funcs: Callable[[], Any]) -> list[str]:
        """What was said within the calls, which are one callback of the loop."""
        done: asyncio.Future[list[str]] = self.loop.create_future()

        def run() -> None:
            for func in funcs:
                func()
            done.set_result(list(self.said))

        self.loop.call_soon(run)
        return await done


def run(new_loop: NewLoop, main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(main())


def test_resume_runs_the_task_at_once_and_in_its_own_context(new_loop, new_task):
    async def main() -> None:
        stage = Stage(new_task)
        await asyncio.sleep(0)
        assert await stage.call(stage.waiter.resume) == ["1 the task's"]
        assert await stage.call(stage.waiter.resume) == ["1 the task's", "2 the task's"]
        await stage.task
        assert variable.get() == "nobody's"
        # It keeps nobody who knows it: without a cycle both go at once.
        assert (stage.waiter.callback, stage.waiter._context) == (None, None)

    run(new_loop, main)


def test_wake_runs_it_in_the_next_turn(new_loop, new_task):
    async def main() -> None:
        stage = Stage(new_task)
        await asyncio.sleep(0)
        assert await stage.call(stage.waiter.wake) == []
        await asyncio.sleep(0)
        assert stage.said == ["1 the task's"]
        stage.task.cancel()

    run(new_loop, main)


def test_it_is_woken_once_however_often(new_loop, new_task):
    async def main() -> None:
        stage = Stage(new_task)
        await asyncio.sleep(0)
        assert await stage.call(stage.waiter.wake, stage.waiter.wake, stage.waiter.resume) == []
        for _ in range(3):
            await asyncio.sleep(0)
        assert stage.said == ["1 the task's"]
        stage.task.cancel()

    run(new_loop, main)


def test_a_cancelled_task_gets_the_error_and_its_message(new_loop, new_task):
    async def main() -> None:
        stage = Stage(new_task)
        await asyncio.sleep(0)
        assert stage.task.cancel("why")
        # What comes meanwhile comes too late: it is cancelled, once.
        assert await stage.call(stage.waiter.resume, stage.waiter.wake) == ["cancelled ('why',)"]
        with pytest.raises(asyncio.CancelledError):
            await stage.task

    run(new_loop, main)


def test_cancelled_between_the_wake_and_the_turn(new_loop, new_task):
    async def main() -> None:
        stage = Stage(new_task, stubborn=True)
        await asyncio.sleep(0)
        await stage.call(stage.waiter.wake, stage.task.cancel)
        await asyncio.sleep(0)
        assert stage.said == ["cancelled ()", "1 the task's"]
        # It waits again, and nothing is left of the cancellation.
        await stage.call(stage.waiter.resume)
        assert stage.said == ["cancelled ()", "1 the task's", "2 the task's"]
        await stage.task

    run(new_loop, main)


def test_cancelled_before_it_waits(new_loop, new_task):
    async def main() -> None:
        stage = Stage(new_task, stubborn=True)
        await asyncio.sleep(0)
        await stage.call(stage.waiter.resume, stage.task.cancel, stage.task.cancel)
        await asyncio.sleep(0)
        assert stage.said == ["1 the task's", "cancelled ()", "2 the task's"]
        await stage.task

    run(new_loop, main)


def test_a_context_that_is_in_use_delays_it(new_loop, new_task):
    async def main() -> None:
        stage = Stage(new_task)
        await asyncio.sleep(0)
        context = stage.waiter._context
        assert context is not None
        assert await stage.call(lambda: context.run(stage.waiter.resume)) == []
        await asyncio.sleep(0)
        assert stage.said == ["1 the task's"]
        stage.task.cancel()

    run(new_loop, main)


def test_what_ends_the_loop_does_so_from_a_callback_of_its_own(new_loop, new_task):
    went_on = []
    tasks: list[asyncio.Task[Any]] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        waiter = Waiter(loop)

        async def leave() -> None:
            await parked(waiter)
            raise SystemExit(7)

        tasks.append(new_task(leave(), loop=loop))
        await asyncio.sleep(0)

        def resume() -> None:
            waiter.resume()
            went_on.append("the caller")

        loop.call_soon(resume)
        await asyncio.wait(tasks)

    with pytest.raises(SystemExit) as exit_:
        run(new_loop, main)
    assert exit_.value.code == 7
    assert tasks[0].exception() is exit_.value
    assert went_on == ["the caller"]


def test_a_task_of_another_loop_is_refused(new_loop, new_task):
    async def main() -> None:
        stage = Stage(new_task)
        stage.waiter = Waiter(other)
        with pytest.raises(RuntimeError, match="different loop"):
            await stage.task

    other = new_loop()
    try:
        run(new_loop, main)
    finally:
        other.close()
