"""One run of the threads lane under a Scheduler: its kernel, its clients, and what is seen of it.

Real drivers, links, workers, loans and the real lane, with sockets and a selector of ours. Whatever
must hold is looked at while it runs: by the thread that would break it, and at rest.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Coroutine, Generator, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from anylane import ServerConfig
from anylane.config.limits import Limits, Timeouts
from anylane.errors import Disconnected
from anylane.lane import driver as core_driver_module
from anylane.lane import wake_queue
from anylane.lane.arrivals import places
from anylane.lane.arrivals.places import may_go
from anylane.lane.deadlines import Deadline, Deadlines
from anylane.lane.host import Log
from anylane.lane.life.lifespan import Lifespan
from anylane.lane.link import Link
from anylane.lane.server_core import ServerCore
from anylane.protocol import Exchange, Interrupt
from anylane.protocol import exchange as exchange_module
from anylane_backends import workers as workers_module
from anylane_backends.threads import driver as driver_module
from anylane_backends.threads import lane as lane_module
from anylane_backends.threads import link as link_module
from anylane_backends.threads import loan as loan_module
from anylane_backends.threads import relief as relief_module
from anylane_backends.threads.driver import READ, WRITE, ThreadsDriver
from anylane_backends.threads.lane import Lane
from anylane_backends.threads.link import LinkDriver, ThreadsLink
from tests.backends.threads.interleaving import Abort, Scheduler, VirtualThread

TRACED = frozenset(
    module.__file__ or ""
    for module in (
        driver_module,
        lane_module,
        link_module,
        loan_module,
        relief_module,
        workers_module,
        core_driver_module,
        exchange_module,
        wake_queue,
        places,
    )
)

HINT = b"HTTP/1.1 103 Early Hints\r\n\r\n"

LIMIT = 10.0
"""Seconds of virtual time within which all is over; the deadlines of connections are far behind."""

PATIENCE = 0.01
"""Seconds for which it may be left undone: a few times what a leader may be late."""

CLOSE = 0.1
"""Seconds that hooks have, and handlers that were interrupted."""

SECONDS = (0.0001, 0.001, 0.004, 0.04, 0.2)
"""Under what a job may take, and over; under and over what makes a leader late, and quiet; behind
the next loan."""


# --- what is played ---------------------------------------------------------------------------


class Step(Enum):
    """What a handler does."""

    WAIT = auto()
    """Wait for a wake-up, parked."""
    CALL = auto()
    """Wait for a wake-up, blocking its thread."""
    BLOCK = auto()
    """Block its thread for a time."""
    SLEEP = auto()
    """Wait for a deadline, parked."""
    BODY = auto()
    """Read the body of the request."""
    LOOK = auto()
    """Take in what came."""
    WRITE = auto()
    """Send a piece of the answer."""
    HINT = auto()
    """Send a 103 before the answer."""
    LATE = auto()
    """Block its thread beyond a deadline, and take in that this has come."""
    LEAVE = auto()
    """Leave background work, which blocks its thread for a time."""
    HOOK = auto()
    """Have what answers in its place block its thread for a time, if it is late."""


@dataclass(frozen=True)
class Request:
    """steps: with a time each, for those that take one. body: in the pieces in which it is sent.
    size: of the answer."""

    steps: tuple[tuple[Step, float], ...]
    body: tuple[bytes, ...]
    size: int


class Parting(Enum):
    """How a client ends its connection."""

    CLOSES = auto()
    """It closes, when it has all answers."""
    RESETS = auto()
    """It resets the connection instead of reading the last answer."""
    STAYS = auto()
    """It leaves that to the server."""


@dataclass(frozen=True)
class Client:
    """requests: one after the other. pipelines: the next is sent before the answer. room: bytes
    that its kernel takes. pauses: seconds before each thing that it does."""

    requests: tuple[Request, ...]
    pipelines: bool
    parting: Parting
    room: int
    pauses: tuple[float, ...]


class Ending(Enum):
    """What the server is told, and when."""

    DRAIN = auto()
    """To drain, when all clients are done."""
    EARLY_DRAIN = auto()
    """To drain, while they are served."""
    ABORT = auto()
    """To drain and to abort, while they are served."""


@dataclass(frozen=True)
class Play:
    """places: how many clients are served at once. Where they do not suffice, a request may be lost
    that is sent when its connection goes. request_timeout: seconds after which a handler is late,
    and answered for with 503."""

    clients: tuple[Client, ...]
    workers: int
    lends: bool
    ending: Ending
    places: int = 100
    request_timeout: float = 60.0

    @property
    def is_crowded(self) -> bool:
        return len(self.clients) >= self.places


# --- the kernel -------------------------------------------------------------------------------


class Sock:
    """A connection as the server's kernel has it, and the client's half."""

    def __init__(self, scheduler: Scheduler, number: int, room: int) -> None:
        self._scheduler = scheduler
        self._number = number
        self._room = room
        self._inbox: deque[bytes] = deque()
        self._outbox = bytearray()
        self._reset = False
        self.reads = 0
        self.client_left = False
        self.half_closed = False
        self.closed = False

    # -- the server's

    @property
    def name(self) -> str:
        return f"socket {self._number}"

    def fileno(self) -> int:
        return -1 if self.closed else self._number

    def recv(self, size: int) -> bytes:
        assert not self.closed
        self.reads += 1
        if self._reset:
            raise ConnectionResetError
        if self._inbox:
            data = self._inbox.popleft()
            assert len(data) <= size
            return data
        if self.client_left:
            return b""
        raise BlockingIOError

    def send(self, data: bytes | memoryview) -> int:
        assert not self.closed
        assert not self.half_closed
        if self._reset:
            raise BrokenPipeError
        taken = bytes(data[: self._room - len(self._outbox)])
        if not taken:
            raise BlockingIOError
        self._outbox += taken
        return len(taken)

    def shutdown(self, _how: int) -> None:
        self.half_closed = True

    def setsockopt(self, *_: Any) -> None:
        """For the reset, which is a close here."""

    def close(self) -> None:
        self.closed = True

    def ready(self) -> int:
        readable = self._inbox or self.client_left or self._reset
        writable = self._reset or len(self._outbox) < self._room
        return (READ if readable else 0) | (WRITE if writable else 0)

    # -- the client's

    def arrived(self) -> bool:
        return bool(self._inbox)

    def put(self, data: bytes) -> None:
        if not self.closed:
            self._inbox.append(data)

    def take(self) -> bytes:
        """What there is, once there is something; b"" at the end."""
        self._scheduler.wait(lambda: bool(self._outbox or self.closed or self.half_closed))
        taken = bytes(self._outbox)
        self._outbox.clear()
        return taken

    def leave(self, *, reset: bool) -> None:
        self._reset = reset
        self.client_left = True


class Wakeup:
    """`WakeupSocketpair`."""

    def __init__(self, scheduler: Scheduler) -> None:
        self.reader = Sock(scheduler, 1, 0)

    def wake(self) -> None:
        self.reader.put(b"\0")

    def drain(self) -> bytes:
        return self.reader.recv(1) if self.reader.ready() & READ else b""

    def close(self) -> None:
        self.reader.close()


class Selector:
    """`selectors.DefaultSelector`. Only the thread that has the role may use it."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.watched: dict[Sock, tuple[int, Any]] = {}

    def register(self, sock: Sock, mask: int, data: Any) -> None:
        self._stage.check_role()
        assert sock not in self.watched and not sock.closed and mask
        self.watched[sock] = mask, data

    def modify(self, sock: Sock, mask: int, data: Any) -> None:
        self._stage.check_role()
        assert sock in self.watched and not sock.closed and mask
        self.watched[sock] = mask, data

    def unregister(self, sock: Sock) -> None:
        self._stage.check_role()
        assert not sock.closed
        del self.watched[sock]

    def select(self, timeout: float | None) -> list[tuple[Any, int]]:
        self._stage.check_role()
        self._stage.scheduler.wait(lambda: bool(self._ready()), timeout)
        return self._ready()

    def _ready(self) -> list[tuple[Any, int]]:
        found = ((data, mask & sock.ready()) for sock, (mask, data) in self.watched.items())
        return [(SimpleNamespace(data=data), mask) for data, mask in found if mask]

    def close(self) -> None:
        """Nothing is held."""


# --- the lane, watched --------------------------------------------------------------------------


class Stage:
    """One run: the server, its clients, those that wake its handlers, and what is seen of them."""

    def __init__(self, play: Play, seed: int, restlessness: float) -> None:
        self.play = play
        self.scheduler = Scheduler(
            seed, restlessness, traced=TRACED, limit=LIMIT, at_rest=self.check_at_rest
        )
        self.lasting: dict[str, float] = {}
        self.selecting: VirtualThread | None = None
        self.ready = False
        self.asked: dict[bytes, int] = {}
        self.posted: dict[bytes, int] = {}
        self.links: dict[bytes, ThreadsLink] = {}
        self.begun: set[bytes] = set()
        self.ended: list[bytes] = []
        self.answered: set[bytes] = set()
        self.given_up: set[bytes] = set()
        self.relieved: list[bytes] = []
        self.left: int = 0
        self.worked: int = 0
        self.drained = False
        self.to_do = 0
        self.socks: list[Sock] = []
        self.backlog: deque[Sock] = deque()
        self._coroutines: list[Coroutine[Any, Any, None]] = []
        self._random = Random(seed)

    def fail(self, why: str) -> None:
        # Not raised alone: the lane holds what is raised on its threads for a connection's failure.
        self.scheduler.fail(AssertionError(why))

    def check_role(self) -> None:
        if self.ready and self.selecting is not self.scheduler.current:
            self.fail("a thread uses the selector without its role")

    @property
    def is_quiet(self) -> bool:
        """All clients have done what they do."""
        return self.to_do == 0

    # -- threads

    def serve(self) -> None:
        server = self.server = ServerCore(
            self,
            ServerConfig(
                max_threads=self.play.workers,
                max_connections=self.play.places,
                limits=Limits(outbound_high=200, outbound_low=20, exchanges_per_turn=2),
                timeouts=Timeouts(
                    keep_alive=60, head=60, body=60, write_stall=60, drain=60, close=CLOSE
                ),
                request_timeout=self.play.request_timeout,
            ),
            time=lambda: 0.0,
            date=lambda: b"Mon, 23 Nov 2026 00:00:00 GMT",
            token=bytes,
            log=self._log,
            lane="threads",
        )
        server.on_ready = self._begin
        self.lane = CheckedLane(server, self)
        try:
            self.lane.run()
        finally:
            self.ready = False
            for sock in self.socks:  # Some may have come too late to be accepted.
                sock.close()

    def _log(self, level: str, message: str, error: BaseException | None) -> None:
        if level != "info" and "places are taken" not in message:
            self.fail(f"{level}: {message}")
            if error is not None:
                self.scheduler.fail(error)

    def _begin(self) -> None:
        self.ready = True
        self.to_do = len(self.play.clients) + 2
        for number, client in enumerate(self.play.clients):
            self.scheduler.spawn(Visitor(self, client, number).run, f"client {number}")
        posts = self._posts()
        for number in (0, 1):
            waker = Waker(self, posts[number::2], Random(self._random.random()))
            self.scheduler.spawn(waker.run, f"waker {number}")
        self.scheduler.spawn(self._end, "operator")

    def _posts(self) -> list[bytes]:
        """Return the requests to wake, each as often as it waits for that."""
        posts = [
            b"/%d/%d" % (number, at)
            for number, client in enumerate(self.play.clients)
            for at, request in enumerate(client.requests)
            for step, _ in request.steps
            if step in (Step.WAIT, Step.CALL)
        ]
        self._random.shuffle(posts)
        return posts

    def connect(self, sock: Sock) -> None:
        """On the lane's thread: a client has come."""
        self.backlog.append(sock)
        self.accept()

    def accept(self) -> None:
        """On the lane's thread: accept as many as may come now."""
        while self.backlog and self.server.accepting:
            sock: Any = self.backlog.popleft()
            self.lane.connect(sock, None, None)
        while self.backlog and self.server.draining:
            self.backlog.popleft().close()

    def arrived(self, descriptor: int) -> bool:
        """Ask as `kernel` does."""
        return any(sock.fileno() == descriptor and sock.arrived() for sock in self.socks)

    def _end(self) -> None:
        scheduler, server = self.scheduler, self.server
        if self.play.ending is Ending.DRAIN:
            scheduler.wait(lambda: self.is_quiet)
        else:
            scheduler.sleep(self._random.choice(SECONDS))
        self.drained = True
        server.request_shutdown()
        if self.play.ending is Ending.ABORT:
            scheduler.sleep(self._random.choice(SECONDS))
            server.wakes.put(server.abort)

    # -- the application

    on_connect = on_disconnect = None
    jobs = ()

    def lifespan(self, log: Log) -> Lifespan:
        return Lifespan(self, (), log)

    def configured(self, config: ServerConfig) -> Stage:
        return self

    def forwarded(self, config: ServerConfig) -> None:
        """There are no proxies."""

    def run(self, exchange: Exchange, link: Link) -> Coroutine[Any, Any, None]:
        assert isinstance(link, CheckedLink)
        coroutine = self._run(exchange, link)
        self.keep(coroutine)  # Its link is not made yet, and might never be.
        return coroutine

    def keep(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Have `close` close it."""
        self._coroutines.append(coroutine)

    def close(self) -> None:
        """Where it has failed, handlers are left."""
        for coroutine in self._coroutines:
            with suppress(Abort):
                coroutine.close()

    async def _run(self, exchange: Exchange, link: ThreadsLink) -> None:
        assert exchange.head is not None
        name = exchange.head.target
        try:
            self.begun.add(name)
            self.links[name] = link
            work = self._handle(exchange, link, name)
            try:
                await link.guard(work)
            finally:
                work.close()  # A play that is broken may end before it was begun.
        except Disconnected:
            pass
        finally:
            self.ended.append(name)
            if not link.relieved:
                self._answer_late(exchange)
            if not exchange.finished:
                exchange.finish(link.now())
            if not link.driver.pumping:
                link.driver.push()

    async def relieve(self, stuck: Link, exchange: Exchange, link: Link) -> None:
        assert isinstance(link, CheckedLink) and exchange.head is not None
        name = exchange.head.target
        assert stuck.exchange.head is exchange.head and name not in self.relieved
        self.relieved.append(name)
        try:
            for step, seconds in self.request(name).steps:
                if step is Step.HOOK:
                    self.scheduler.sleep(seconds)
        finally:
            self._answer_late(exchange)
            exchange.finish(link.now())
            link.driver.push()

    def _answer_late(self, exchange: Exchange) -> None:
        if exchange.interrupt is Interrupt.DEADLINE and not exchange.started:
            exchange.respond(503, [("connection", "close")], b"")

    async def _handle(  # noqa: C901  # one step after the other
        self, exchange: Exchange, link: ThreadsLink, name: bytes
    ) -> None:
        request = self.request(name)
        answer = Answer(exchange, link, expected(request, name))
        taken, body = 0, b""
        for step, seconds in request.steps:
            match step:
                case Step.WAIT:
                    taken = self.asked[name] = taken + 1
                    await self._posted(link, name, taken)
                case Step.CALL:
                    taken = self.asked[name] = taken + 1
                    link.drive(self._posted(link, name, taken))
                case Step.BLOCK:
                    self.scheduler.sleep(seconds)
                case Step.SLEEP:
                    alarm = exchange.alarms.set(link.now() + seconds)
                    while not alarm.fired:
                        await link.wait()
                case Step.BODY:
                    body += await self._body(exchange, link)
                case Step.LOOK:
                    self._take_input(exchange, link)
                case Step.WRITE:
                    await answer.send(request.size // 2)
                case Step.LATE:
                    alarm = exchange.alarms.set(link.now() + seconds / 2)
                    self.scheduler.sleep(seconds)
                    self._take_input(exchange, link)
                    assert alarm.fired
                case Step.HOOK:
                    pass
                case Step.HINT if not exchange.started:
                    exchange.send_informational(103, [])
                    link.push()
                case Step.HINT:
                    pass
                case Step.LEAVE:
                    self.left += 1
                    link.driver.defer(partial(self._work, seconds))
            exchange.check()
        body += await self._body(exchange, link)
        assert body == b"".join(request.body)
        await answer.send()

    async def _work(self, seconds: float, link: Link) -> None:
        """Block in the background, park, and block again."""
        self.scheduler.sleep(seconds)
        alarm = link.exchange.alarms.set(link.now() + seconds)
        while not alarm.fired:
            await link.wait()
        self.scheduler.sleep(seconds)
        self.worked += 1

    def _take_input(self, exchange: Exchange, link: ThreadsLink) -> None:
        driver = link.transport
        assert isinstance(driver, CheckedDriver)
        sock = driver._sock
        told = driver._input in (driver._mail or ()) and driver.reading
        reads = sock.reads if isinstance(sock, Sock) else 0
        link.push()
        exchange.check()  # Raises if that was the end of it.
        assert driver.sock.reads > reads or not told

    async def _posted(self, link: ThreadsLink, name: bytes, number: int) -> None:
        while self.posted.get(name, 0) < number:
            await link.wait()

    async def _body(self, exchange: Exchange, link: ThreadsLink) -> bytes:
        body = b""
        while (chunk := exchange.read(link.now())) != b"":
            if chunk is None:
                await link.wait()
                exchange.check()
            else:
                body += chunk
        return body

    def request(self, name: bytes) -> Request:
        client, number = name[1:].split(b"/")
        return self.play.clients[int(client)].requests[int(number)]

    # -- what must hold

    def check_at_rest(self, until: float) -> None:
        """Nothing that can be done is left undone; but for a moment, while a leader is late."""
        if not self.ready:
            return
        now = self.scheduler.now
        self.lasting = {why: self.lasting.get(why, now) for why in self._undone(until)}
        for why, since in self.lasting.items():
            if until - since > PATIENCE:
                self.fail(why)

    def _undone(self, until: float) -> Iterator[str]:
        for workers in (self.lane.workers, self.lane.background, self.lane.reserve):
            if workers.jobs and (workers._idle or len(workers._threads) < workers._limit):
                yield "a job waits, and a worker is free"
        if self.server.wakes:
            yield "what was put into the queue does not run"
        if self.backlog and any(
            isinstance(driver, CheckedDriver) and not driver._owned and may_go(driver)
            for driver in self.server.drivers
        ):
            yield "a client waits, and an idle connection could go"
        for driver in self.server.drivers:
            assert isinstance(driver, CheckedDriver)
            mail = driver._mail or []
            if mail and not driver._owned:
                yield f"{driver.name} has messages, and no owner"
            if not driver._owned and driver._due() is not None:
                yield f"{driver.name} has news, and no owner"
            if driver.lost or not isinstance(driver._sock, Sock) or driver.sock.closed:
                continue
            waits_since = driver.connection.handler_due + 3 * relief_module.PATIENCE
            if waits_since < until and not self.server.aborted:
                yield f"{driver.name} waits for a handler that is late"
            sock = driver.sock
            if sock.ready() & READ and driver.reading and driver._input not in mail:
                yield f"{sock.name} has input that its owner does not know of"
            if sock.ready() & WRITE and driver._outbox.size:
                yield f"{sock.name} has room, and is not written to"

    def check(self) -> None:
        server = self.server
        assert server.over
        assert not server.drivers
        assert not self.lane.lender.lent
        assert not self.lane.workers.jobs
        assert not self.lane.background.jobs
        assert not self.lane.reserve.jobs
        assert self.worked == self.left or self.play.ending is Ending.ABORT
        assert sorted(self.ended) == sorted(self.begun)
        if self.play.ending is Ending.DRAIN and not self.play.is_crowded:
            for number, client in enumerate(self.play.clients):
                names = {b"/%d/%d" % (number, at) for at in range(len(client.requests))}
                assert client.parting is Parting.RESETS or names <= self.answered | self.given_up


def expected(request: Request, name: bytes) -> bytes:
    """The body of the answer."""
    return b"." * request.size + b"".join(request.body) + name


class Answer:
    """The answer to one exchange, sent in pieces."""

    def __init__(self, exchange: Exchange, link: ThreadsLink, body: bytes) -> None:
        self._exchange = exchange
        self._link = link
        self._left = body

    async def send(self, size: int | None = None) -> None:
        """So many bytes of it; without a number all that is left, and its end."""
        exchange, link = self._exchange, self._link
        if not exchange.started:
            exchange.check()
            exchange.send_head(200, [], len(self._left))
        data = self._left[:size]
        self._left = self._left[len(data) :]
        for at in range(0, len(data), 64):
            await link.flush()
            exchange.check()
            exchange.send_data(data[at : at + 64])
            link.push()
        if size is None:
            exchange.send_end()


class Visitor:
    """A client."""

    def __init__(self, stage: Stage, client: Client, number: int) -> None:
        self._stage = stage
        self._client = client
        self._number = number
        self._sock = Sock(stage.scheduler, 10 + number, client.room)
        self._pauses = deque(client.pauses)
        self._got = b""

    def run(self) -> None:
        stage, sock, client = self._stage, self._sock, self._client
        try:
            stage.socks.append(sock)
            stage.server.wakes.put(lambda: stage.connect(sock))
            for number, request in enumerate(client.requests):
                last = number == len(client.requests) - 1
                self._send(number, request)
                if not client.pipelines or last:
                    if last and client.parting is Parting.RESETS:
                        break
                    if not self._read_up_to(number):
                        break
            self._pause()
        finally:
            stage.to_do -= 1
        while client.parting is Parting.STAYS and sock.take():
            pass
        sock.leave(reset=client.parting is Parting.RESETS)

    def _pause(self) -> None:
        self._stage.scheduler.step()
        if self._pauses and (seconds := self._pauses.popleft()):
            self._stage.scheduler.sleep(seconds)

    def _send(self, number: int, request: Request) -> None:
        size = sum(map(len, request.body))
        head = b"POST /%d/%d HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"
        self._pause()
        self._sock.put(head % (self._number, number, size))
        for piece in request.body:
            self._pause()
            self._sock.put(piece)

    def _read_up_to(self, last: int) -> bool:
        """Read the answers up to this one; False when there are none any more."""
        for number in range(last + 1):
            name = b"/%d/%d" % (self._number, number)
            if name in self._stage.answered:
                continue
            request = self._client.requests[number]
            answer = expected(request, name)
            while True:
                while self._got.startswith(HINT):
                    self._got = self._got.removeprefix(HINT)
                head, end, rest = self._got.partition(b"\r\n\r\n")
                if end and (len(rest) >= len(answer) or head.startswith(b"HTTP/1.1 503")):
                    break
                self._pause()
                data = self._sock.take()
                if not data:
                    if not self._stage.drained and not self._stage.play.is_crowded:
                        self._stage.fail(f"{name!r} was not answered: {self._got!r}")
                    return False
                self._got += data
            if head.startswith(b"HTTP/1.1 503"):
                self._check_given_up(number)
                return False
            if not head.startswith(b"HTTP/1.1 200") or not rest.startswith(answer):
                self._stage.fail(f"{name!r} was answered wrongly: {self._got!r}")
            self._got = rest[len(answer) :]
            self._stage.answered.add(name)
        return True

    def _check_given_up(self, number: int) -> None:
        """Read on after the 503 for this request: with it the connection ends."""
        stage = self._stage
        while data := self._sock.take():
            self._got += data
        if stage.play.request_timeout > LIMIT or not self._got.endswith(b"\r\n\r\n"):
            stage.fail(f"request {number} was answered wrongly: {self._got!r}")
        for at in range(number, len(self._client.requests)):
            stage.given_up.add(b"/%d/%d" % (self._number, at))


class Waker:
    """A thread that has nothing to do with the lane, and wakes its handlers."""

    def __init__(self, stage: Stage, posts: list[bytes], random: Random) -> None:
        self._stage = stage
        self._posts = posts
        self._random = random

    def run(self) -> None:
        stage = self._stage
        for name in self._posts:
            match self._random.randrange(3):
                case 0:
                    stage.scheduler.step()
                case 1:
                    stage.scheduler.sleep(self._random.choice(SECONDS))
                case _:
                    # In the very moment in which it is asked for.
                    stage.scheduler.wait(partial(self._is_asked_for, name), 1.0)
            # It may come before its handler begins, or behind its end, if that was cancelled.
            stage.posted[name] = stage.posted.get(name, 0) + 1
            if name in stage.links:
                stage.links[name].wake()
        stage.to_do -= 1

    def _is_asked_for(self, name: bytes) -> bool:
        stage = self._stage
        return stage.asked.get(name, 0) > stage.posted.get(name, 0)


class CheckedDeadlines(Deadlines):
    """Only the thread that has the role may use them."""

    __slots__ = ("stage",)

    stage: Stage

    def arm(self, at: float, call: Callable[[], None]) -> Deadline:
        self.stage.check_role()
        return super().arm(at, call)

    def next(self) -> float | None:
        self.stage.check_role()
        return super().next()

    def fire(self, now: float) -> None:
        self.stage.check_role()
        super().fire(now)


class CheckedLane(Lane):
    """Sees that one thread selects at a time."""

    def __init__(self, server: ServerCore, stage: Stage) -> None:
        self.stage = stage
        super().__init__(server, lends=stage.play.lends)
        self.deadlines = CheckedDeadlines()
        self.deadlines.stage = stage

    def _changed(self) -> None:
        super()._changed()
        self.server.wakes.put(self.stage.accept)

    def _turn(self) -> None:
        stage = self.stage
        if stage.selecting is not None:
            stage.fail("two threads select")
        stage.selecting = stage.scheduler.current
        try:
            super()._turn()
        finally:
            stage.selecting = None


class CheckedDriver(ThreadsDriver):
    """Sees that it has one owner at a time. inside: the thread that does something as its owner."""

    inside: VirtualThread | None = None

    @property
    def sock(self) -> Sock:
        assert isinstance(self._sock, Sock)
        return self._sock

    @property
    def name(self) -> str:
        if self.errand is not None:
            return "background work"
        return self.sock.name if isinstance(self._sock, Sock) else "a connection that was relieved"

    def write(self, chunks: list[bytes]) -> None:
        super().write(chunks)
        if not isinstance(self._sock, Sock):
            self.stage.fail("a client is taken away from a thread that writes to it")

    def work(self) -> None:
        worker = self.stage.scheduler.current
        assert worker is not None
        wrong = ("background" in worker.name) is not (self.errand is not None)
        if "reserve" in worker.name:
            interrupts = [link.exchange.interrupt for link in self.links]
            wrong = self._relief is None and Interrupt.DEADLINE not in interrupts
        if wrong:
            self.stage.fail(f"{self.name} is stepped by a worker of the wrong kind")
        super().work()

    def _do(self, func: Callable[[], None]) -> None:
        before = self.inside
        self.enter(self.stage.scheduler.current)
        try:
            super()._do(func)
        finally:
            self.inside = before

    @property
    def stage(self) -> Stage:
        assert isinstance(self.lane, CheckedLane)
        return self.lane.stage

    def enter(self, thread: VirtualThread | None) -> None:
        if self.inside not in (None, thread):
            self.stage.fail("two threads own a connection")
        if not self._owned:
            self.stage.fail("a thread uses a connection that it does not own")
        self.inside = thread

    def leave(self) -> VirtualThread | None:
        thread, self.inside = self.inside, None
        return thread


class CheckedLink(ThreadsLink):
    """While its thread is blocked, others may own the connection."""

    def __init__(
        self, driver: LinkDriver, exchange: Exchange, stuck: ThreadsLink | None = None
    ) -> None:
        super().__init__(driver, exchange, stuck)
        assert isinstance(driver, CheckedDriver)
        driver.stage.keep(self._coroutine)

    def block(self) -> None:
        driver = self.transport
        assert isinstance(driver, CheckedDriver)
        me = driver.leave()
        super().block()
        driver.enter(me)


@contextmanager
def in_place_of_threads(stage: Stage) -> Generator[None]:
    """The lane's modules have the scheduler's locks, threads and time, and what is checked."""
    scheduler = stage.scheduler
    with pytest.MonkeyPatch.context() as patch:
        for module in (link_module, loan_module, relief_module, workers_module):
            patch.setattr(module, "Lock", scheduler.lock)
        patch.setattr(workers_module, "start_thread", scheduler.start_thread)
        patch.setattr(loan_module, "monotonic", scheduler.monotonic)
        patch.setattr(loan_module, "_GIL", True)
        clock = SimpleNamespace(monotonic=scheduler.monotonic)
        patch.setattr(driver_module, "time", clock)
        patch.setattr(lane_module, "time", clock)
        kernel = SimpleNamespace(
            arrived=stage.arrived,
            unacknowledged=lambda _: 0,
            hung_up=lambda _: False,
            broken=lambda _: False,
        )
        patch.setattr(driver_module, "kernel", kernel)
        selectors = SimpleNamespace(DefaultSelector=lambda: Selector(stage))
        patch.setattr(lane_module, "selectors", selectors)
        patch.setattr(lane_module, "WakeupSocketpair", lambda: Wakeup(scheduler))
        for module in (lane_module, driver_module):
            patch.setattr(module, "ThreadsDriver", CheckedDriver)
        patch.setattr(driver_module, "ThreadsLink", CheckedLink)
        yield


def perform(play: Play, seed: int, restlessness: float) -> None:
    stage = Stage(play, seed, restlessness)
    with in_place_of_threads(stage), closing(stage):
        stage.scheduler.spawn(stage.serve, "main")
        stage.scheduler.run()
        stage.check()
