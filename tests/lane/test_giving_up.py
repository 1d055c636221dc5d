"""A start that is given up: what was begun is ended again, whatever the hooks do about it."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import pytest

from anylane.errors import Cancelled
from anylane.lane.life.lifespan import Lifespan, Phase
from anylane.lane.stepping import step


class Start:
    """A lifespan whose second hook has the start given up."""

    def __init__(self, reaction: Callable[[], Any]) -> None:
        self.seen: list[str] = []
        self.logged: list[str] = []

        def around() -> Generator[None]:
            yield
            self.seen.append("left")

        def told() -> None:
            self.lifespan.give_up()
            reaction()

        steps = (
            (Phase.AROUND, around),
            (Phase.SHUTDOWN, lambda: self.seen.append("shutdown hook")),
            (Phase.STARTUP, told),
            (Phase.STARTUP, lambda: self.seen.append("a later hook")),
            (Phase.SHUTDOWN, lambda: self.seen.append("a later shutdown hook")),
        )
        self.lifespan = Lifespan(None, steps, lambda _level, text, _error: self.logged.append(text))

    def run(self) -> None:
        step(self.lifespan.start(), "plain")


def fail(error: BaseException) -> Callable[[], None]:
    def func() -> None:
        raise error

    return func


OURS = Cancelled("stop")


@pytest.mark.parametrize(
    "reaction",
    [
        lambda: None,
        fail(OURS),
        fail(BaseExceptionGroup("of a nursery", [BaseExceptionGroup("of another", [OURS])])),
    ],
)
def test_what_was_begun_is_ended_as_at_the_end_of_a_drain(reaction) -> None:
    start = Start(reaction)
    with pytest.raises(Cancelled, match="told to stop before it had started"):
        start.run()
    assert start.seen == ["shutdown hook", "left"]
    assert not start.logged


def test_a_hook_that_fails_because_of_it_is_logged() -> None:
    start = Start(fail(OSError("no db")))
    with pytest.raises(Cancelled):
        start.run()
    assert start.seen == ["shutdown hook", "left"]
    assert start.logged == ["the start was given up, and a hook failed: OSError('no db')"]


def test_a_cancellation_from_outside_passes() -> None:
    start = Start(fail(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        start.run()
    assert start.seen == []


def test_the_last_hook_is_no_exception() -> None:
    def told() -> None:
        lifespan.give_up()

    lifespan = Lifespan(None, [(Phase.STARTUP, told)], lambda *_: None)
    with pytest.raises(Cancelled):
        step(lifespan.start(), "plain")


def test_a_server_that_has_started_is_drained_instead() -> None:
    lifespan = Lifespan(None, [(Phase.STARTUP, lambda: None)], lambda *_: None)
    assert step(lifespan.start(), "plain") is False
    lifespan.give_up()
    assert step(lifespan.stop(), "plain") is False
