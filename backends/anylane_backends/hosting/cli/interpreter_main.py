"""The worker in an interpreter: what it is told, as text, and what it does there.

Interpreters share no object. What a worker needs goes to it pickled, and sockets as descriptors.
"""

from __future__ import annotations

import atexit
import os
import pickle
import socket
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from anylane_backends.hosting.cli.worker import Work
from anylane_backends.hosting.interpreters.orders import Orders
from anylane_backends.hosting.interpreters.token_lead import TokenLead
from anylane_backends.hosting.messages import flush_standard_streams, log
from anylane_backends.hosting.supervision.child import status_after
from anylane_backends.hosting.supervision.passing import describe_listener, listener_from
from anylane_backends.hosting.supervision.service import TAKEN, Post
from anylane_backends.logging.worker import name_worker
from anylane_backends.sockets.listening import close
from anylane_backends.sockets.spread import Spread

if TYPE_CHECKING:
    from anylane_backends.hosting.cli.options import Options


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """What a worker in an interpreter is told, once it is pickled.

    control: the descriptor of its socket. listeners: as `describe_listener` returns them, each with
    a descriptor of this worker's own. spread: the rows and the descriptor of the table.
    """

    options: Options
    post: Post
    control: int
    listeners: list[dict[str, Any]]
    spread: tuple[int, int]
    token: tuple[int, int]


def code_of(
    options: Options,
    post: Post,
    control: int,
    *,
    listeners: list[socket.socket],
    spread: Spread,
    token: tuple[int, int],
) -> tuple[str, tuple[int, ...]]:
    """Return the source that serves in an interpreter, and the descriptors that it closes: each
    worker has listeners of its own, which share the sockets. Raise OSError if the system refuses
    these.

    post, control: as for `Service.code`. listeners, spread: as for `Work`. token: as for
    `TokenLead`.
    """
    told: list[dict[str, Any]] = []
    try:
        for each in listeners:
            told.append(describe_listener(each))
            told[-1]["fd"] = os.dup(each.fileno())
        data = pickle.dumps(
            _Told(
                options=options,
                post=post,
                control=control,
                listeners=told,
                spread=(spread.rows, spread.descriptor),
                token=token,
            )
        )
    except BaseException:
        own = {each.fileno() for each in listeners}
        for fd in {each["fd"] for each in told} - own:
            os.close(fd)
        raise
    code = f"import sys\nsys.path[:] = {sys.path!r}\nfrom {__name__} import main\nmain({data!r})\n"
    return code, (control, post.news, *(each["fd"] for each in told))


def main(data: bytes) -> None:
    """Serve in this interpreter until the supervisor has the server end. data: a `_Told`, as
    `code_of` pickles it."""
    told: _Told = pickle.loads(data)  # noqa: S301  # it is ours
    control = socket.socket(fileno=told.control)
    listeners: list[socket.socket] = [listener_from(each) for each in told.listeners]
    control.send(TAKEN)
    name_worker(threading.get_native_id())
    lead = TokenLead(told.token)
    # Python calls this once the threads of the interpreter have ended, a job among them that was
    # cut off.
    atexit.register(lead.release)

    def work() -> None:
        Work(
            told.options,
            listeners=listeners,
            spread=Spread.join(*told.spread),
            lead=lead,
            orders=Orders(control),
            begun=None if told.post.number else _name_what_is_missing,  # One of them says it.
        ).run(told.post)

    status = 1
    try:
        status = status_after(work)
    finally:
        close(listeners, unlink=False)
        os.close(told.post.news)
        flush_standard_streams()
        with suppress(OSError):
            control.send(str(status & 0xFF).encode())
        control.close()


def _name_what_is_missing() -> None:
    try:
        import_module("orjson")
    except ModuleNotFoundError:
        pass
    except ImportError:
        log("info", "orjson does not load in interpreters: the standard library does JSON", None)
