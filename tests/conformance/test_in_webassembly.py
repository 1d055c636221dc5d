"""The conformance cases in memory on Pyodide's Python: clients receive what is recorded elsewhere.

On the other Pythons the suite itself runs them.
"""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from anylane_conformance.cases import load
from anylane_conformance.harness import recordings

if find_spec("js") is None:
    pytest.skip("runs in Pyodide: make pyodide", allow_module_level=True)

WORDING = "recorded with orjson, whose errors have other words"
LOOP = "the loop around the tests is taken for the handler's own, and there is none in memory"
CODINGS = "brotli has no wheel for WebAssembly"
SIZE = "too much memory for 32 bits"

LEFT_OUT: dict[str, str] = {
    **dict.fromkeys(
        (
            *("json_that_comes_in", "json_is_nested_within_bounds", "message_that_is_not_json"),
            "bodies_become_models",
        ),
        WORDING,
    ),
    **dict.fromkeys(
        (
            *("cancel_at_every_await", "cancelled_close_is_still_a_close"),
            *("cancelled_exchange_ends_the_session", "lifespan_around_everything"),
            *("messages_before_a_goodbye_are_saved", "mounted_asgi_application_answers"),
            *("mounted_asgi_application_fails", "mounted_asgi_application_holds_websockets"),
            *("mounted_asgi_application_sees_the_request", "mounted_wsgi_application_answers"),
        ),
        LOOP,
    ),
    **dict.fromkeys(
        (
            "bodies_go_out_in_the_coding_that_the_client_likes_best",
            "compressed_bodies_have_tags_of_their_own",
            "compressed_streams_can_be_read_piece_by_piece",
        ),
        CODINGS,
    ),
    **dict.fromkeys(
        (
            *("cancelled_send_leaves_whole_frames", "cancelled_write_leaves_whole_chunks"),
            *("cancelled_send_leaves_whole_events", "answers_of_every_form_are_compressed"),
            "forms_have_a_number_of_fields_and_of_stray_percent_signs",
        ),
        SIZE,
    ),
}
"""Cases that are not held here -> why."""

CASES = {
    name: case
    for name, case in load().items()
    if recordings.holds(case) and "rowd" not in case.chapter and case.tls is None
}
"""Those that need no certificates, which need a library, and no thousands of clients."""


@pytest.mark.parametrize("name", CASES)
def test_clients_receive_what_is_recorded(name: str) -> None:
    if name in LEFT_OUT:
        pytest.skip(LEFT_OUT[name])
    recordings.check(CASES[name], recordings.play(CASES[name])[0])


def test_what_is_left_out_exists() -> None:
    assert LEFT_OUT.keys() <= CASES.keys()
