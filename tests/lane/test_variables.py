"""A task and its pool threads see the same context variables whenever they hand over."""

from __future__ import annotations

from contextvars import ContextVar, copy_context

from hypothesis import given
from hypothesis import strategies as st

from anylane.lane.variables import SharedVariables, apply_variables

ONE: ContextVar[int] = ContextVar("one", default=0)
TWO: ContextVar[int] = ContextVar("two", default=0)


def in_thread(shared: SharedVariables, func):
    return shared.bound(func)()


def test_what_a_thread_resets_is_reset_in_the_task_too():
    def scenario():
        shared = SharedVariables()
        token = in_thread(shared, lambda: ONE.set(1))
        shared.take()
        assert ONE.get() == 1
        in_thread(shared, lambda: ONE.reset(token))
        shared.take()
        assert ONE not in copy_context()

    copy_context().run(scenario)


ACTIONS = st.lists(
    st.tuples(st.sampled_from(["task", "thread"]), st.sampled_from([ONE, TWO]), st.integers(1, 9))
)


@given(ACTIONS)
def test_both_see_what_the_last_of_them_has_set(actions):
    def scenario():
        shared = SharedVariables()
        seen: dict[ContextVar[int], int] = {}
        for who, variable, value in actions:
            if who == "task":
                variable.set(value)
            else:
                in_thread(shared, lambda: variable.set(value))  # noqa: B023  # called at once
                shared.take()
            seen[variable] = value
            for each in (ONE, TWO):
                assert each.get() == seen.get(each, 0)
                assert in_thread(shared, each.get) == seen.get(each, 0)

    copy_context().run(scenario)


def test_a_change_is_given_once():
    def scenario():
        shared = SharedVariables()
        ONE.set(1)
        assert (ONE, 1) in shared.give()
        assert shared.give() == ()
        apply_variables(shared.give())

    copy_context().run(scenario)
