"""What a request costs without I/O: the driver, the protocol, routing and the handler.

    python benchmarks/core.py                  time, as a ratio to a reference loop
    python benchmarks/core.py --instructions   the same in machine instructions (needs valgrind)
    python benchmarks/core.py --check          fail if a ratio is much above the saved one (--save)
    python benchmarks/core.py --calls CASE     every Python function that one request calls
    python benchmarks/core.py --crowd CASE     how many of them for each receiver of a broadcast
    python benchmarks/core.py --bytecodes CASE which of them has how much to do
    python benchmarks/core.py --profile CASE   where the time goes

The real driver of the asyncio lane is fed by hand, and its transport only keeps what is written.
The unit is a fixed loop of plain Python, timed in turn with the cases in the same process: the
least of many short repeats each, so that a busy machine does little harm. Instructions are the same
on a busy machine and an idle one. tests/test_core_cost.py guards the number of calls, which never
varies.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import anylane
import anylane_backends
from anylane import App, Broadcast, Context, Router, ServerConfig
from anylane.lane.server_core import ServerCore
from anylane_backends.asyncio.driver import AsyncioDriver
from anylane_backends.asyncio.lane import Lane

HERE = Path(__file__).parent
OURS = (
    *(str(Path(module.__file__).parent) for module in (anylane, anylane_backends)),
    "<anylane",  # Functions that are written when a handler is registered.
)
HOST = b"Host: 127.0.0.1:8000\r\n"
BROWSER = HOST + (
    b'Connection: keep-alive\r\nsec-ch-ua: "Chromium";v="130", "Not?A_Brand";v="99"\r\n'
    b'sec-ch-ua-mobile: ?0\r\nsec-ch-ua-platform: "Linux"\r\nUpgrade-Insecure-Requests: 1\r\n'
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    b"Chrome/130.0.0.0 Safari/537.36\r\n"
    b"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
    b"Sec-Fetch-Site: none\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n"
    b"Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-US,en;q=0.9\r\n"
    b"Cookie: session=abcdef0123456789; theme=dark\r\n"
)
UPGRADE = (
    b"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def request(method: bytes, path: bytes, fields: bytes, body: bytes = b"") -> bytes:
    if body:
        fields += b"Content-Type: application/json\r\nContent-Length: %d\r\n" % len(body)
    return method + b" " + path + b" HTTP/1.1\r\n" + fields + b"\r\n" + body


def frame(size: int) -> bytes:
    """One masked text frame; a mask of zeros is a mask (RFC 6455 §5.3)."""
    length = bytes((0x80 | size,)) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
    return b"\x81" + length + bytes(4) + b"x" * size


@dataclass(frozen=True, slots=True)
class Case:
    """What arrives: `data[n]` in turn, `requests` in each."""

    data: tuple[bytes, ...]
    requests: int = 1
    opening: bytes = b""


def _changing(fields: bytes) -> tuple[bytes, ...]:
    """No two heads alike, and more than are remembered: the path and a header differ."""
    return tuple(
        request(b"GET", b"/api/users/%d" % n, fields + b"X-Request-Id: %08x\r\n" % (n * 2654435))
        for n in range(8192)
    )


ECHO = request(b"POST", b"/api/echo/42", HOST, b'{"name":"x","n":[1,2,3]}')
TYPED = tuple(
    request(
        b"PUT",
        b"/typed/%d?page=%d&size=50&verbose=true" % (n, n),
        HOST,
        b'{"name":"user %d","email":"user%d@example.org","age":%d,"score":9.5,"is_active":true,'
        b'"nickname":null,"tags":["a","b"],"visits":7}' % (n, n, n),
    )
    for n in range(8192)
)
CASES = {
    "plaintext": Case((request(b"GET", b"/plain", HOST),)),
    "JSON": Case((request(b"GET", b"/json", HOST),)),
    "route, three middleware": Case((request(b"GET", b"/api/users/42", HOST),)),
    "the same, heads differ": Case(_changing(HOST)),
    "a parameter of ctx": Case((request(b"GET", b"/by-ctx/42", HOST),)),
    "a typed parameter": Case((request(b"GET", b"/by-type/42", HOST),)),
    "typed query, body, answer": Case(TYPED),
    "JSON echoed, three middleware": Case((ECHO,)),
    "browser's headers": Case((request(b"GET", b"/api/users/42", BROWSER),)),
    "browser's headers, heads differ": Case(_changing(BROWSER)),
    "16 pipelined": Case((request(b"GET", b"/plain", HOST) * 16,), requests=16),
    "WebSocket echo, 64 B": Case((frame(64),), opening=UPGRADE),
    "WebSocket echo, 4 of 64 B at once": Case((frame(64) * 4,), requests=4, opening=UPGRADE),
    "WebSocket echo, 4 KiB": Case((frame(4096),), opening=UPGRADE),
}


@dataclass
class Item:
    name: str
    email: str
    age: int
    score: float
    is_active: bool
    nickname: str | None
    tags: list[str]
    visits: int


@dataclass
class Stored:
    id: int
    page: int
    size: int
    verbose: bool
    name: str
    score: float
    tags: list[str]
    visits: int


def application() -> App:
    app = App()
    router = Router(prefix="/api")

    @app.get("/plain")
    async def plain(ctx: Context) -> str:
        return "Hello, World!"

    @app.get("/json")
    async def message(ctx: Context) -> dict[str, str]:
        return {"message": "Hello, World!"}

    @app.get("/by-ctx/{id:int}")
    async def by_ctx(ctx: Context) -> dict[str, Any]:
        return {"id": ctx.params["id"]}

    @app.get("/by-type/{id:int}")
    async def by_type(id: int) -> dict[str, Any]:
        return {"id": id}

    @app.put("/typed/{id:int}")
    async def store(
        id: int, item: Item, page: int = 1, size: int = 20, verbose: bool = False
    ) -> Stored:
        return Stored(id, page, size, verbose, item.name, item.score, item.tags, item.visits)

    @app.websocket("/ws")
    async def echo_messages(ctx: Context) -> None:
        ws = await ctx.accept()
        async for text in ws:
            await ws.send(text)

    @router.middleware(order=1)
    async def leave(ctx: Context, call_next: Any) -> None:
        ctx.state.user = "bench"
        await call_next()

    @router.middleware(order=2)
    async def answer(ctx: Context, call_next: Any) -> None:
        await call_next()
        ctx.response.set_header("x-served-by", "bench")

    @router.middleware(order=3)
    async def refuse(ctx: Context, call_next: Any) -> None:
        assert ctx.request.headers.get("x-blocked") is None
        await call_next()

    @router.get("/users/{id:int}")
    async def user(ctx: Context) -> dict[str, int]:
        return {"id": ctx.params["id"]}

    @router.post("/echo/{id:int}")
    async def echo(ctx: Context) -> Any:
        return await ctx.request.json()

    app.include(router)
    return app


class Kept:
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.written: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def close(self) -> None:
        pass

    abort = write_eof = close


class Wire:
    """One connection and its case; `feed()` is one arrival of data."""

    def __init__(self, lane: Lane, case: Case) -> None:
        self.case = case
        self.transport = Kept()
        self.driver = AsyncioDriver(lane, ("127.0.0.1", 1), ("127.0.0.1", 2))
        self.driver.connection_made(self.transport)  # type: ignore[arg-type]
        self._turn = 0

    async def open(self) -> None:
        if self.case.opening:
            self.driver.data_received(self.case.opening)
            await self.settle()
        for _ in range(4):
            self.feed()
            await self.settle()
        answers = b"".join(self.transport.written)
        if b"HTTP/1.1 500" in answers or self.transport.written == []:
            raise SystemExit(f"answered with {answers[:300]!r}")

    def feed(self) -> None:
        data = self.case.data
        self._turn += 1
        self.driver.data_received(data[self._turn % len(data)])

    async def settle(self) -> None:
        """What needs a turn of the loop gets it."""
        for _ in range(3):
            await asyncio.sleep(0)

    async def run(self, count: int) -> None:
        """`count` arrivals, each answered before the next. Fed by a callback of the loop, as by a
        transport: within a task of ours no handler could go on."""
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        written = self.transport.written

        def arrive(left: int) -> None:
            while left:
                left -= 1
                written.clear()
                self.feed()
                if not written:
                    loop.call_soon(look, left, 3)
                    return
            done.set_result(None)

        def look(left: int, turns: int) -> None:
            if written:
                arrive(left)
            elif turns:
                loop.call_soon(look, left, turns - 1)
            else:
                done.set_exception(AssertionError("a request was not answered"))

        loop.call_soon(arrive, count)
        await done


def reference(count: int = 1) -> int:
    """The unit: a fixed mixture of what such code does. Never change it: old ratios would lie."""
    total = 0
    for _ in range(count):
        table: dict[str, Any] = {}
        for n in range(8):
            name = f"field-{n}"
            table[name] = name.encode()
        parts = b"\r\n".join(table.values()).split(b"\r\n")
        total += sum(map(len, parts)) + len(bytes(parts[0]) + parts[-1])
    return total


@contextlib.asynccontextmanager
async def lane(app: App | None = None) -> Any:
    """A lane without a listener, the clock of the Date header standing still."""
    server = ServerCore(
        (app or application()).freeze(),
        ServerConfig(),
        time=lambda: 0.0,
        date=lambda: b"Mon, 23 Nov 2026 00:00:00 GMT",
        token=bytes,
        log=lambda *_: None,
        lane="asyncio",
    )
    yield Lane(server)


async def timed(repeats: int) -> dict[str, float]:
    """Case -> CPU time of one request, the reference loop's = 1."""
    async with lane() as made:
        wires = {name: Wire(made, case) for name, case in CASES.items()}
        for wire in wires.values():
            await wire.open()
        best = dict.fromkeys([*CASES, ""], float("inf"))
        for _ in range(repeats):
            began = time.process_time()
            reference(200)
            best[""] = min(best[""], (time.process_time() - began) / 200)
            for name, wire in wires.items():
                count = max(1, 200 // wire.case.requests)
                began = time.process_time()
                await wire.run(count)
                spent = (time.process_time() - began) / count / wire.case.requests
                best[name] = min(best[name], spent)
        return {name: best[name] / best[""] for name in CASES}


# -- calls


async def called(name: str) -> list[str]:
    """Every Python function that one arrival enters, in order; the harness's own left out."""
    async with lane() as made:
        wire = Wire(made, CASES[name])
        await wire.open()
        await wire.run(3)
        found: list[str] = []
        wire.transport.written.clear()
        with looking(found):
            await wire.run(1)
        assert wire.transport.written
        return found


@contextlib.contextmanager
def looking(found: list[str]) -> Iterator[None]:
    """Add the names of our functions that are entered meanwhile."""

    def look(frame: FrameType, event: str, arg: object) -> None:
        module = str(frame.f_globals.get("__name__", ""))
        if event == "call" and module.startswith(("anylane.", "anylane_backends.")):
            found.append(f"{module}:{frame.f_code.co_qualname}")

    sys.setprofile(look)
    try:
        yield
    finally:
        sys.setprofile(None)


RECEIVERS = 50
CROWDS = {
    "WebSockets": UPGRADE.replace(b"/ws", b"/room"),
    "server-sent events": request(b"GET", b"/events", HOST),
    "relayed to WebSockets": UPGRADE.replace(b"/ws", b"/relay/room"),
    "relayed as server-sent events": request(b"GET", b"/relay/events", HOST),
}
"""How each of them enters the room."""


async def told(name: str, items: int) -> list[str]:
    """Every function that all receivers of one room enter for so many items sent together."""
    app, room = App(), Broadcast[str]()

    @app.websocket("/room")
    async def join(ctx: Context) -> None:
        with room.subscribe() as subscription:
            ws = await ctx.accept()
            async for _, item in ctx.select(ws, subscription):
                await ws.send(item)

    @app.get("/events")
    async def events(ctx: Context) -> None:
        with room.subscribe() as subscription:
            async with ctx.event_stream() as stream:
                async for item in subscription:
                    await stream.send(item)

    @app.websocket("/relay/room")
    async def relay(ctx: Context) -> None:
        ws = await ctx.accept()
        await ws.relay(room)

    @app.get("/relay/events")
    async def relay_events(ctx: Context) -> None:
        async with ctx.event_stream() as stream:
            await stream.relay(room)

    def tell() -> None:
        for _ in range(items):
            room.send("x" * 64)

    async with lane(app) as made:
        wires = [Wire(made, Case((), opening=CROWDS[name])) for _ in range(RECEIVERS)]
        for wire in wires:
            wire.driver.data_received(wire.case.opening)
        await wires[0].settle()
        found: list[str] = []
        for seen in [], found:  # The first time some things are made that stay.
            for wire in wires:
                wire.transport.written.clear()
            asyncio.get_running_loop().call_soon(tell)
            with looking(seen):
                await wires[0].settle()
            assert all(wire.transport.written for wire in wires)
        for wire in wires:
            wire.driver.connection_lost(None)
        await wires[0].settle()
        return found


async def executed(name: str) -> Counter[str]:
    """Function -> bytecode instructions of one arrival: what an interpreter has to do, and the same
    on every machine. Unlike time in a profile, which counts calls for more than they take."""
    async with lane() as made:
        wire = Wire(made, CASES[name])
        await wire.open()
        await wire.run(3)
        with counting(OURS) as found:
            await wire.run(1)
        return found


@contextlib.contextmanager
def counting(files: tuple[str, ...]) -> Iterator[Counter[str]]:
    """Function -> bytecode instructions, of those whose files begin like that."""
    found: Counter[str] = Counter()

    def count(code: CodeType, _: int = 0) -> None:
        if code.co_filename.startswith(files):
            found[f"{Path(code.co_filename).stem}:{code.co_qualname}"] += 1

    if sys.version_info >= (3, 12):
        monitoring = sys.monitoring
        monitoring.use_tool_id(monitoring.PROFILER_ID, "anylane")
        monitoring.register_callback(monitoring.PROFILER_ID, monitoring.events.INSTRUCTION, count)
        monitoring.set_events(monitoring.PROFILER_ID, monitoring.events.INSTRUCTION)
        try:
            yield found
        finally:
            monitoring.set_events(monitoring.PROFILER_ID, 0)
            monitoring.free_tool_id(monitoring.PROFILER_ID)
        return

    def step(frame: FrameType, event: str, _: object) -> Any:
        frame.f_trace_opcodes = True
        if event == "opcode":
            count(frame.f_code)
        return step

    before = sys.gettrace()
    sys.settrace(step)
    try:
        yield found
    finally:
        sys.settrace(before)


def loop() -> Callable[[], asyncio.AbstractEventLoop]:
    """uvloop's where it is installed: the driver is the same."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop


def run(coroutine: Any) -> Any:
    with asyncio.Runner(loop_factory=loop()) as runner:
        return runner.run(coroutine)


def calls(name: str) -> list[str]:
    return run(called(name))  # type: ignore[no-any-return]


def work(name: str) -> float:
    """Bytecode instructions of one request, the reference loop's = 1."""
    with counting((__file__,)) as unit:
        reference()
    return sum(run(executed(name)).values()) / CASES[name].requests / sum(unit.values())


def each(name: str, items: int) -> float:
    """Functions of ours for one of them and one receiver."""
    return len(run(told(name, items))) / items / RECEIVERS


# -- instructions

WORSE = 1.15
"""Instructions over the saved ratio at which --check fails; time would need far more room."""

MARK = 300
"""Requests between two marks."""


async def marked() -> None:
    """For valgrind: `getpriority`, which nobody else calls, parts the cases."""
    async with lane() as made:
        reference(20)
        os.getpriority(os.PRIO_PROCESS, 0)
        reference(MARK)
        os.getpriority(os.PRIO_PROCESS, 0)
        for case in CASES.values():
            wire = Wire(made, case)
            await wire.open()
            os.getpriority(os.PRIO_PROCESS, 0)
            await wire.run(max(1, MARK // case.requests))
            os.getpriority(os.PRIO_PROCESS, 0)


def instructions() -> dict[str, float]:
    """Case -> instructions of one request, the reference loop's = 1."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        subprocess.run(
            [
                *("valgrind", "--tool=callgrind", "--dump-before=getpriority"),
                *(f"--callgrind-out-file={out}", sys.executable, __file__, "--marked"),
            ],
            check=True,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONHASHSEED": "0"},
        )
        totals = list(_totals(Path(folder)))
    # What went before; the reference; then in turn a case's warm-up and the case.
    unit = totals[1] / MARK
    found = {}
    for n, (name, case) in enumerate(CASES.items()):
        turns = max(1, MARK // case.requests) * case.requests
        found[name] = totals[3 + 2 * n] / turns / unit
    return found


def _totals(folder: Path) -> Iterator[int]:
    dumps = [path for path in folder.iterdir() if re.search(r"\.\d+$", path.name)]
    for path in sorted(dumps, key=lambda path: int(path.suffix[1:])):
        text = path.read_text(encoding="utf-8", errors="replace")
        found = re.search(r"^(?:totals|summary): (\d+)", text, re.MULTILINE)
        yield int(found[1]) if found else 0


# -- the command


def profile(name: str) -> None:
    import cProfile
    import pstats

    async def work() -> None:
        async with lane() as made:
            wire = Wire(made, CASES[name])
            await wire.open()
            with cProfile.Profile() as found:
                await wire.run(5000)
            pstats.Stats(found).sort_stats("tottime").print_stats(30)

    run(work())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--instructions", action="store_true")
    parser.add_argument("--calls", choices=CASES, metavar="CASE")
    parser.add_argument("--crowd", choices=CROWDS, metavar="CASE")
    parser.add_argument("--bytecodes", choices=CASES, metavar="CASE")
    parser.add_argument("--profile", choices=CASES, metavar="CASE")
    parser.add_argument("--repeats", type=int, default=60)
    parser.add_argument("--save", action="store_true", help="write results/core.json")
    parser.add_argument("--check", action="store_true", help="against results/core.json")
    parser.add_argument("--marked", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.marked:
        run(marked())
        return
    if given.calls:
        entered = calls(given.calls)
        print("\n".join(entered))
        print(len(entered), "calls")
        return
    if given.crowd:
        for items in (1, 4):
            print(f"{each(given.crowd, items):.1f} calls for each of {items} items")
        return
    if given.bytecodes:
        work = run(executed(given.bytecodes))
        for where, many in work.most_common():
            print(f"{many:6} {where}")
        print(f"{work.total():6} bytecodes")
        return
    if given.profile:
        profile(given.profile)
        return
    ratios = instructions() if given.instructions else run(timed(given.repeats))
    rows = {
        name: {"ratio": value, "calls": len(calls(name)) / CASES[name].requests}
        for name, value in ratios.items()
    }
    for name, row in rows.items():
        print(f"{name:34} {row['ratio']:7.2f} of the reference loop   {row['calls']:6.1f} calls")
    path = HERE / "results" / "core.json"
    kind = "instructions" if given.instructions else "time"
    if given.check:
        before = json.loads(path.read_text(encoding="utf-8"))
        if before["kind"] != kind:
            sys.exit(f"results/core.json has {before['kind']}, this is {kind}")
        worse = [
            f"{name}: {rows[name]['ratio']:.2f}, was {row['ratio']:.2f}"
            for name, row in before["cases"].items()
            if rows[name]["ratio"] > row["ratio"] * WORSE
        ]
        if worse:
            sys.exit("more than before:\n  " + "\n  ".join(worse))
    if given.save:
        from provenance import commit, python, today

        origin = {"commit": commit(), "date": today(), "python": python()}
        text = json.dumps({"kind": kind, **origin, "cases": rows}, indent=1)
        path.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
