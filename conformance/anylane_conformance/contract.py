"""The small app that every backend serves for the cases.

A case and its handlers speak through a `Stage`: gates that one request waits for and another
opens, and notes of what the handlers saw. All portable, but for the handlers under /native.
"""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextvars import ContextVar
from typing import Any

from anylane import App, Broadcast, Context, Disconnected, EventLog, HTTPError, UsageError
from anylane_conformance import contract_events, contract_framework, natives

CHUNK = b"x" * 65536
BLOB = 20_000_000
"""Bytes of the large downloads and messages."""

NOTHING_STRAYS = "nothing strays here"
"""Of /native/stray, where the library cannot cancel what somebody else awaits."""

variable: ContextVar[str] = ContextVar("variable", default="unset")


class Stage:
    """What a case and its handlers share."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """As it is when a case begins."""
        self.room: Broadcast[str] = Broadcast()
        self.notes: Broadcast[str] = Broadcast()
        self.log = EventLog(3, epoch="e")
        self.strict: Broadcast[str] = Broadcast(capacity=16, on_lag="close")
        self.said: list[str] = []
        self.produced = 0
        self.kept: Any = None
        self.blocker = threading.Event()
        self.gates: dict[str, natives.Gate] = {}
        self.cancels: dict[str, natives.Cancel] = {}
        self.life: list[str] = []
        self.guests: list[object] = []

    def note(self, text: str) -> None:
        """For `GET /notes`, which answers when there is one."""
        self.said.append(text)
        self.notes.send(text)


Extra = Callable[[App, Stage], None]
"""Adds to the app what only some cases want: hooks that concern every request or connection."""


def build(stage: Stage, extra: Extra | None = None) -> App:
    """The app, anew for each case. Whatever its handlers remember is on the stage."""
    app = App()
    if extra is not None:
        extra(app, stage)
    _requests(app)
    _streams(app, stage)
    _websockets(app, stage)
    _websocket_sessions(app, stage)
    _broadcasts(app, stage)
    _time(app)
    _cancellation(app, stage)
    _blocking(app, stage)
    _half_closes(app, stage)
    _disconnects(app, stage)
    _natives(app, stage)
    _tls(app, stage)
    contract_framework.build(app, stage)
    contract_events.build(app, stage)
    return app


def _requests(app: App) -> None:
    @app.get("/")
    async def home(ctx: Context) -> dict[str, str]:
        return {"message": "Hello, World!"}

    @app.post("/json")
    async def echo(ctx: Context) -> Any:
        return await ctx.request.json()

    @app.post("/length")
    async def length(ctx: Context) -> dict[str, int]:
        total = 0
        async for chunk in ctx.request.stream():
            total += len(chunk)
        return {"length": total}

    @app.get("/users/{id:int}")
    async def user(ctx: Context) -> dict[str, int]:
        return {"id": ctx.params["id"]}

    @app.get("/boom")
    async def boom(ctx: Context) -> None:
        raise ValueError("a handler of the conformance suite that fails")

    @app.get("/exit")
    async def leave(ctx: Context) -> None:
        raise SystemExit(3)

    @app.get("/def-exit")
    def def_exit(ctx: Context) -> None:
        raise SystemExit(3)

    @app.get("/call-from-async")
    async def call_from_async(ctx: Context) -> None:
        ctx.call(ctx.sleep, 0.01)

    @app.get("/teapot")
    async def teapot(ctx: Context) -> None:
        raise HTTPError(418, "short and stout")

    @app.get("/variable")
    async def variables(ctx: Context) -> str:
        before = variable.get()
        variable.set("set by an earlier exchange")
        await ctx.sleep(0)
        return before


def _streams(app: App, stage: Stage) -> None:
    @app.get("/count/{n:int}")
    async def count(ctx: Context) -> None:
        async with ctx.stream() as out:
            for number in range(ctx.params["n"]):
                await out.write(f"{number}\n")

    @app.get("/iterate")
    async def iterate(ctx: Context) -> AsyncIterator[str]:
        async def numbers() -> AsyncIterator[str]:
            for number in range(3):
                await ctx.sleep(0.01)
                yield f"{number}\n"

        return numbers()

    @app.get("/large")
    async def large(ctx: Context) -> None:
        async with ctx.stream(length=BLOB) as out:
            for start in range(0, BLOB, len(CHUNK)):
                piece = CHUNK[: min(len(CHUNK), BLOB - start)]
                await out.write(piece)
                stage.produced += len(piece)

    @app.get("/keep")
    async def keep(ctx: Context) -> None:
        async with ctx.stream() as out:
            stage.kept = (ctx, out)
            await out.write("mine")

    @app.get("/misuse")
    async def misuse(ctx: Context) -> None:
        kept, theirs = stage.kept
        async with ctx.stream() as out:
            uses: list[natives.Func] = [
                lambda: theirs.write("not yours"),
                lambda: kept.early_hints(["x"]),
            ]
            for use in uses:
                try:
                    await use()
                except UsageError:
                    await out.write("refused ")

    @app.get("/slow-iterator")
    def slow_iterator(ctx: Context) -> Iterator[str]:
        def items() -> Iterator[str]:
            try:
                time.sleep(1.2)
                yield "late"
            finally:
                stage.note(f"closed in the loop's thread: {natives.current() is not None}")

        return items()

    @app.get("/half")
    async def half(ctx: Context) -> None:
        async with ctx.stream() as out:
            await out.write("first")
            raise ValueError("fails in the middle of a response")


def _websockets(app: App, stage: Stage) -> None:
    @app.websocket("/echo")
    async def echo(ctx: Context) -> None:
        ws = await ctx.accept()
        async for message in ws:
            await ws.send(message)
        stage.note(f"closed {ws.close_code}")

    @app.websocket("/goodbye")
    async def goodbye(ctx: Context) -> None:
        ws = await ctx.accept()
        await ws.send("goodbye")
        await ws.close(4000, "enough")

    @app.websocket("/silent")
    async def silent(ctx: Context) -> None: ...

    @app.websocket("/reject")
    async def reject(ctx: Context) -> None:
        raise HTTPError(403, "not you")

    @app.websocket("/crash")
    async def crash(ctx: Context) -> None:
        ws = await ctx.accept()
        await ws.receive()
        raise ValueError("a WebSocket handler that fails")


def _broadcasts(app: App, stage: Stage) -> None:
    @app.websocket("/select")
    async def select(ctx: Context) -> None:
        with stage.room.subscribe() as subscription:
            ws = await ctx.accept()
            async for source, item in ctx.select(ws, subscription):
                await ws.send(f"{'ws' if source is ws else 'room'} {item}")

    @app.websocket("/select-again")
    async def select_again(ctx: Context) -> None:
        with stage.room.subscribe() as subscription:
            ws = await ctx.accept()
            while True:
                async for _, item in ctx.select(ws, subscription):
                    await ws.send(item)
                    break

    @app.websocket("/waiting")
    async def waiting(ctx: Context) -> None:
        with stage.room.subscribe() as subscription:
            ws = await ctx.accept()
            await ws.send(await anext(subscription))

    @app.get("/send/{text}")
    async def send(ctx: Context) -> dict[str, int]:
        return {"receivers": stage.room.send(ctx.params["text"])}

    @app.get("/def-send/{text}")
    def def_send(ctx: Context) -> dict[str, int]:
        return {"receivers": stage.room.send(ctx.params["text"])}

    @app.get("/def-receive")
    def def_receive(ctx: Context) -> str:
        with stage.room.subscribe() as subscription:
            stage.note("listening")
            return f"{ctx.call(anext, subscription)} {ctx.call(anext, subscription)}"

    @app.websocket("/impatient-select")
    async def impatient_select(ctx: Context) -> None:
        """Its selects are cancelled all the time; leaves after 20 items."""
        with stage.room.subscribe() as subscription:
            ws = await ctx.accept()
            select = ctx.select(ws, subscription)
            given = 0
            while given < 20:
                item = None
                try:
                    async with ctx.timeout(0.002):
                        _, item = await anext(select)
                except TimeoutError:
                    pass  # Also where it came too late to cancel: then there is an item.
                if item is not None:
                    given += 1
                    await ws.send(item)

    @app.websocket("/strict/{times:int}")
    async def strict(ctx: Context) -> None:
        """Each item as often as the client wants."""
        with stage.strict.subscribe() as subscription:
            ws = await ctx.accept()
            await ws.send("ready")
            async for item in subscription:
                await ws.send(item * ctx.params["times"])
            stage.note(f"ended, lagged {subscription.lagged}")


def _websocket_sessions(app: App, stage: Stage) -> None:
    @app.websocket("/answering")
    async def answering(ctx: Context) -> None:
        ws = await ctx.accept()
        try:
            while True:
                await ws.send(await ws.receive())
        except Disconnected as exc:
            stage.note(f"closed {exc.code}")

    @app.websocket("/bye")
    async def bye(ctx: Context) -> None:
        ws = await ctx.accept()
        await ws.close(4000, "enough")
        stage.note(f"closed {ws.close_code}")

    @app.websocket("/latency")
    async def latency(ctx: Context) -> None:
        ws = await ctx.accept()
        await ws.send(f"{ws.latency}")
        while ws.latency is None:
            await ctx.sleep(0.01)
        await ws.send(f"measured: {ws.latency >= 0}")
        await ws.send(f"asked: {await ws.ping() >= 0}")

    @app.websocket("/protocols", subprotocols=["chat.v2", "chat.v1"])
    async def protocols(ctx: Context) -> None:
        ws = await ctx.accept()
        await ws.send(f"{ws.subprotocol}")

    @app.websocket("/members", origins=["https://good.example", "same-origin"])
    async def members(ctx: Context) -> None:
        ws = await ctx.accept()
        await ws.send("welcome")

    @app.websocket("/flood")
    async def flood(ctx: Context) -> None:
        ws = await ctx.accept()
        await ws.receive()
        try:
            while True:
                await ws.send(CHUNK)
                stage.produced += 1
        except Disconnected:
            stage.note("disconnected")
            raise


def _time(app: App) -> None:
    @app.get("/sleep")
    async def sleep(ctx: Context) -> str:
        await ctx.sleep(0.05)
        return "slept"

    @app.get("/timeout")
    async def timeout(ctx: Context) -> str:
        try:
            async with ctx.timeout(0.05):
                await ctx.sleep(60)
        except TimeoutError:
            return "timed out"
        return "slept"

    @app.websocket("/ws-odd-close/{how}")
    async def odd_close(ctx: Context) -> None:
        ws = await ctx.accept()
        code: Any = 4000.0 if ctx.params["how"] == "float" else 4000
        # JSON has lone surrogates: a client may have sent it.
        reason: Any = {"number": 5, "surrogate": "\ud800"}.get(ctx.params["how"], "")
        await ws.close(code, reason)

    @app.get("/left-open")
    async def left_open(ctx: Context) -> str:
        """As a generator does that yields inside of a time-out and is not taken to its end."""
        await ctx.timeout(60).__aenter__()
        return "left"

    @app.get("/odd-time/{how}")
    async def odd_time(ctx: Context) -> str:
        """What a client wrote is often text, and JSON has NaN for some: neither is a time."""
        how = ctx.params["how"]
        seconds: Any = "5" if how.endswith("text") else float("nan")
        if how.startswith("sleep"):
            await ctx.sleep(seconds)
        async with ctx.timeout(seconds):
            pass
        return "not reached"

    @app.get("/nested-timeouts")
    async def nested(ctx: Context) -> str:
        seen = []
        try:
            async with ctx.timeout(0.1):
                try:
                    async with ctx.timeout(60):
                        await ctx.sleep(60)
                except TimeoutError:
                    seen.append("inner")
        except TimeoutError:
            seen.append("outer")
        async with ctx.timeout(60):
            await ctx.sleep(0.01)
        return " ".join(seen)

    @app.websocket("/impatient")
    async def impatient(ctx: Context) -> None:
        ws = await ctx.accept()
        try:
            await ws.receive(timeout=0.05)
        except TimeoutError:
            await ws.send("nothing came")
        await ws.send(await ws.receive(timeout=60))

    @app.get("/forever")
    async def forever(ctx: Context) -> None:
        await ctx.sleep(3600)

    @app.get("/stubborn")
    async def stubborn(ctx: Context) -> str:
        try:
            await ctx.sleep(3600)
        except BaseException:  # noqa: BLE001, S110  # just what a handler must not do
            pass
        return "too late"


def _cancellation(app: App, stage: Stage) -> None:
    async def cancellable(ctx: Context, func: natives.Func) -> bool:
        return await natives.cancellable(ctx, func, stage.cancels)

    @app.get("/cancel")
    async def cancel(ctx: Context) -> str:
        await stage.cancels.pop("latest")()
        return "cancelled"

    @app.websocket("/cancellable")
    async def conversation(ctx: Context) -> None:
        ws = await ctx.accept()

        async def talk() -> None:
            await ws.send(f"got {await ws.receive()!s}")
            with stage.room.subscribe() as subscription:
                await ws.send("listening")
                await ws.send(await anext(subscription))
            await ws.send("sleeping")
            await ctx.sleep(3600)

        was_cancelled = await cancellable(ctx, talk)
        await ws.send(f"cancelled: {was_cancelled}")

    @app.websocket("/cancel-close")
    async def cancel_close(ctx: Context) -> None:
        ws = await ctx.accept()
        was_cancelled = await cancellable(ctx, lambda: ws.close(4001, "bye"))
        stage.note(f"cancelled: {was_cancelled}")
        await ws.send("never sent: our close frame is out")

    @app.websocket("/large-message")
    async def large_message(ctx: Context) -> None:
        ws = await ctx.accept()
        await ws.receive()
        await ws.send(b"y" * BLOB)
        sent = 0

        async def talk() -> None:
            nonlocal sent
            while True:
                await ws.send(CHUNK)
                sent += 1

        # The client reads nothing, so this is cancelled while it waits for the client.
        was_cancelled = await cancellable(ctx, lambda: _noting(stage, "sending", talk))
        await ws.send(f"cancelled: {was_cancelled}, whole messages: {sent}")

    @app.get("/large-cancelled")
    async def large_cancelled(ctx: Context) -> None:
        async with ctx.stream() as out:
            await out.write(b"z" * BLOB)

            async def talk() -> None:
                await out.write("never sent")

            was_cancelled = await cancellable(ctx, lambda: _noting(stage, "sending", talk))
            await out.write(f"cancelled: {was_cancelled}")

    @app.websocket("/cancel-whole")
    async def cancel_whole(ctx: Context) -> None:
        ws = await ctx.accept()

        async def talk() -> None:
            await ws.send("waiting")
            await ws.receive()

        if await cancellable(ctx, talk):
            raise ValueError("the conversation was cancelled")


async def _noting(stage: Stage, text: str, func: natives.Func) -> None:
    stage.note(text)
    await func()


def _blocking(app: App, stage: Stage) -> None:
    @app.get("/def/{n:int}")
    def plain(ctx: Context) -> dict[str, int]:
        return {"n": ctx.params["n"]}

    @app.post("/def")
    def body(ctx: Context) -> Any:
        return ctx.call(ctx.request.json)

    @app.get("/inline", inline=True)
    def inline(ctx: Context) -> str:
        return "inline"

    @app.get("/block")
    def block(ctx: Context) -> str:
        if not stage.blocker.wait(20):
            raise TimeoutError("nobody unblocked this handler")
        return "unblocked"

    @app.websocket("/blocked")
    async def blocked(ctx: Context) -> None:
        ws = await ctx.accept()
        await ws.send(f"unblocked: {await ctx.run_sync(stage.blocker.wait, 3)}")

    @app.get("/unblock")
    async def unblock(ctx: Context) -> str:
        stage.blocker.set()
        return "done"

    @app.get("/watch")
    def watch(ctx: Context) -> None:
        stage.note("watching")
        for _ in range(200):
            if ctx.disconnected:
                break
            time.sleep(0.005)
        stage.note(f"disconnected: {ctx.disconnected}")

    @app.get("/nap")
    def nap(ctx: Context) -> str:
        time.sleep(0.3)
        return "rested"

    @app.get("/call")
    def call(ctx: Context) -> str:
        ctx.call(ctx.sleep, 0.05)
        doubled = ctx.call(ctx.run_sync, lambda: 21 * 2)
        return f"called {doubled}"

    @app.get("/call-fails")
    def call_fails(ctx: Context) -> str:
        async def fails() -> None:
            await ctx.sleep(0.01)
            raise KeyError("inside")

        try:
            ctx.call(fails)
        except KeyError as exc:
            return f"caught {exc}"
        return "nothing"

    @app.get("/run-sync")
    async def run_sync(ctx: Context) -> str:
        return str(await ctx.run_sync(divmod, 17, 5))

    @app.get("/sync-iterator")
    def sync_iterator(ctx: Context) -> Iterator[str]:
        return (f"{number}\n" for number in range(3))

    @app.get("/def-boom")
    def def_boom(ctx: Context) -> None:
        raise ValueError("a def handler that fails")


def _half_closes(app: App, stage: Stage) -> None:
    @app.get("/late")
    async def late(ctx: Context) -> str:
        await ctx.sleep(0.05)
        return f"half-closed: {ctx.half_closed}"

    @app.get("/half-closed")
    async def half_closed(ctx: Context) -> str:
        while not ctx.half_closed:
            await ctx.sleep(0.005)
        stage.note("half-closed")
        try:
            await ctx.sleep(0.3)
        except Disconnected:
            stage.note("disconnected")
            raise
        stage.note("slept")
        return "slept"


def _disconnects(app: App, stage: Stage) -> None:
    @app.get("/notes")
    async def notes(ctx: Context) -> str:
        with stage.notes.subscribe() as subscription:
            if stage.said:
                return stage.said.pop(0)
            await anext(subscription)
            return stage.said.pop(0)

    @app.get("/wait")
    async def wait(ctx: Context) -> None:
        stage.note("waiting")
        try:
            await ctx.sleep(3600)
        except Disconnected:
            stage.note("disconnected")
            raise

    @app.websocket("/wait-message")
    async def wait_message(ctx: Context) -> None:
        ws = await ctx.accept()
        try:
            await ws.receive()
        except Disconnected as exc:
            stage.note(f"disconnected {exc.code}")
            raise

    @app.get("/wait-stream")
    async def wait_stream(ctx: Context) -> None:
        async with ctx.stream() as out:
            await out.write("first\n")
            try:
                await ctx.sleep(3600)
            except Disconnected:
                stage.note("disconnected")
                raise

    @app.post("/leave/{phase}")
    async def leave(ctx: Context) -> str:
        """Says when it has come to a phase, and when it has left it, however it ended."""
        phase = ctx.params["phase"]
        stage.note(f"in {phase}")
        try:
            match phase:
                case "body":
                    await ctx.request.body()
                case "sleep":
                    await ctx.sleep(3600)
                case "stream":
                    async with ctx.stream() as out:
                        while True:
                            await out.write(CHUNK)
                case "answered":
                    ctx.response.set_text("answered")
                    await ctx.send()
                    await ctx.sleep(3600)
                case _:
                    raise HTTPError(404)
        finally:
            stage.note(f"left {phase}")
        return "stayed"


def _tls(app: App, stage: Stage) -> None:
    @app.get("/tls")
    async def tls(ctx: Context) -> dict[str, Any]:
        tls = ctx.request.tls
        if tls is None:
            return {"scheme": ctx.request.scheme}
        subject = (tls.peer_certificate or {}).get("subject", ())
        return {
            "scheme": ctx.request.scheme,
            "version": tls.version,
            "cipher": bool(tls.cipher),
            "alpn": tls.alpn,
            "server_name": tls.server_name,
            "client": dict(pair for names in subject for pair in names).get("commonName"),
        }

    @app.post("/upload-later")
    async def upload_later(ctx: Context) -> dict[str, int]:
        await _told_to_go(stage)
        return {"length": len(await ctx.request.body())}

    @app.websocket("/receive-later")
    async def receive_later(ctx: Context) -> None:
        ws = await ctx.accept()
        await _told_to_go(stage)
        total = 0
        while message := await ws.receive():
            total += len(message)
        await ws.send(f"received {total}")


async def _told_to_go(stage: Stage) -> None:
    with stage.room.subscribe() as subscription:
        stage.note("waiting")
        await anext(subscription)


def _natives(app: App, stage: Stage) -> None:
    native = natives.needed

    @app.websocket("/native/gate")
    async def gate(ctx: Context) -> None:
        ws = await ctx.accept()
        gate = stage.gates["native"] = native().gate()
        async for message in ws:
            await gate.wait()
            await ws.send(message)

    @app.get("/native/open")
    async def open_gate(ctx: Context) -> str:
        await stage.gates["native"].open()
        return "open"

    @app.get("/native/forever")
    async def forever(ctx: Context) -> None:
        await native().gate().wait()

    @app.get("/native/group")
    async def group(ctx: Context) -> None:
        await native().group(lambda: ctx.sleep(3600), native().gate().wait)

    @app.websocket("/native/group")
    async def group_of_websocket(ctx: Context) -> None:
        ws = await ctx.accept()

        async def receive() -> None:
            await ws.receive()

        await native().group(receive, native().gate().wait)

    @app.get("/native/stray")
    async def stray(ctx: Context) -> str:
        library = native()
        if isinstance(library, natives.AsyncioNative):
            await library.stray()
        return NOTHING_STRAYS

    @app.get("/native/timeout-sleep")
    async def timeout_sleep(ctx: Context) -> str:
        try:
            async with native().timeout(0.05):
                await ctx.sleep(3600)
        except TimeoutError:
            await ctx.sleep(0.01)
            return "native time-out"
        return "slept"

    @app.get("/native/timeout-body")
    async def no_body(ctx: Context) -> str:
        return "no body"

    @app.post("/native/timeout-body")
    async def timeout_body(ctx: Context) -> str:
        try:
            async with native().timeout(0.05):
                await ctx.request.body()
        except TimeoutError:
            stage.note("timed out")
        if ctx.request.query_string == "stream":
            return b"".join([chunk async for chunk in ctx.request.stream()]).decode()
        return (await ctx.request.body()).decode()

    @app.websocket("/native/timeout-receive")
    async def timeout_receive(ctx: Context) -> None:
        ws = await ctx.accept()
        try:
            async with native().timeout(0.05):
                await ws.receive()
        except TimeoutError:
            await ws.send("native time-out")
        await ws.send(await ws.receive())

    @app.get("/native/inside")
    async def inside(ctx: Context) -> str:
        """A native time-out that does not fire, around one of ours that does."""
        async with native().timeout(60):
            try:
                async with ctx.timeout(0.05):
                    await native().gate().wait()
            except TimeoutError:
                return "ours"
        return "neither"

    @app.get("/asyncio-sleep")
    async def asyncio_sleep(ctx: Context) -> str:
        import asyncio

        await asyncio.sleep(0.01)
        return "slept"
