"""Files that are open: they are closed however their exchange ends."""

from __future__ import annotations

import time
from pathlib import Path

from anylane_conformance.cases import case
from anylane_conformance.contract.parts.files import (
    LARGE,
    instead_of_files,
    serve_files,
    slow_disk,
    tree,
)
from anylane_conformance.harness.case import Missing
from anylane_conformance.harness.conversation import Conversation
from anylane_conformance.harness.peer import Answer, Peer

CHAPTER = "18 parts"


def asked(peer: Peer, target: str, *headers: str, method: str = "GET") -> Answer:
    peer.get(target, *headers, method=method)
    return peer.answer(to_head=method == "HEAD")


def open_files() -> int:
    """Return how many descriptors of this process belong to the files of the cases. Raise Missing
    where a process cannot look at its own."""
    found = 0
    try:
        descriptors = list(Path("/proc/self/fd").iterdir())
    except FileNotFoundError:
        raise Missing("named_descriptors") from None
    for each in descriptors:
        try:
            found += str(each.readlink()).startswith(str(tree()))
        except OSError:
            continue  # It was closed meanwhile.
    return found


def all_are_closed(conversation: Conversation) -> bool:
    """Wait until no file of the cases is open, for a second at most in virtual time and for the
    usual patience on real lanes."""
    for _ in range(100):
        if not open_files():
            return True
        conversation.pause(0.01)
    until = time.monotonic() + 10
    while open_files() and time.monotonic() < until:
        conversation.pause(0.1)
    return not open_files()


@case(CHAPTER, extra=instead_of_files, cuts=False)
def file_that_is_not_sent_is_closed(conversation: Conversation) -> None:
    """Where something else is sent in the place of a file, the file is closed all the same."""
    peer = conversation.connect()
    another = peer.ask("/instead/another")
    assert (another.status, another.body) == (200, LARGE)
    assert peer.ask("/instead/text").body == b"text instead"
    assert peer.ask("/instead/broken").status == 500
    assert peer.ask("/instead/raised").status == 500
    assert peer.ask("/instead/sent").body == LARGE
    assert asked(peer, "/instead/another", method="HEAD").status == 200
    assert all_are_closed(conversation)


@case(CHAPTER, extra=serve_files, cuts=False, compare=False, limits={"outbound_high": 65536})
def leaver_closes_its_file(conversation: Conversation) -> None:
    """A client that reads nothing holds one descriptor and no more; when it resets the connection,
    or the server is told to stop, the file is closed."""
    many = "Range: bytes=" + ",".join(f"{n * 60000}-{n * 60000 + 59990}" for n in range(16))
    for target, *headers in (("/static/large.bin",), ("/static/large.bin", many), ("/file/def",)):
        peer = conversation.connect(receive_buffer=4096)
        peer.hold()
        for _ in range(20):
            peer.get(target, *headers)
        assert conversation.steady(open_files) <= 1
        peer.reset()
        assert all_are_closed(conversation), target
    held = conversation.connect(receive_buffer=4096)
    held.hold()
    for _ in range(20):
        held.get("/static/large.bin")
    conversation.steady(open_files)
    conversation.stop()
    assert all_are_closed(conversation)


@case(
    CHAPTER,
    "parallel_blocking",
    extra=slow_disk,
    cuts=False,
    compare=False,
    request_timeout=0.3,
    timeouts={"close": 0.3},
)
def file_that_is_opened_too_late_is_closed(conversation: Conversation) -> None:
    """While a disk hangs, a deadline may pass, which is a 503, and a client may leave. A file that
    is opened after that is closed at once."""
    late, left = conversation.connect(), conversation.connect()
    late.get("/slow")
    left.get("/slow")
    while conversation.stage.said.count("opening") < 2:
        conversation.pause(0.01)
    left.reset()
    conversation.pause(0.5)
    conversation.stage.blocker.set()
    assert late.answer().status == 503
    while conversation.stage.said.count("opened") < 2:
        conversation.pause(0.01)
    assert all_are_closed(conversation)


@case(CHAPTER, extra=slow_disk, cuts=False, request_timeout=0.3, timeouts={"close": 0.3})
def file_of_an_interrupted_handler_is_closed(conversation: Conversation) -> None:
    """A handler that is interrupted after it has chosen a file is answered with 503, and the file
    is closed."""
    peer = conversation.connect()
    peer.get("/sleepy")
    conversation.pause(0.3)
    assert peer.answer().status == 503
    assert all_are_closed(conversation)
